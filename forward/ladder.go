package forward

import (
	"math/rand/v2"
	"time"
)

// ladder is when the attempts at a delivery follow one another, as Standard Webhooks 1.0 has it: the first at once, the tenth
// 75.6 hours after it.
var ladder = []time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour,
	24 * time.Hour,
}

// MaxAttempts is how many attempts a delivery has before it is dead.
const MaxAttempts = 10

// next returns how long to wait after the step-th attempt, or false if that was the last one. A fifth more or less, so that what
// failed together does not come back together. What the endpoint asks for is not undercut.
func next(step int, retryAfter time.Duration) (time.Duration, bool) {
	if step >= MaxAttempts {
		return 0, false
	}
	wait := ladder[max(step, 1)]
	wait += time.Duration((rand.Float64()*0.4 - 0.2) * float64(wait))
	return max(wait, min(retryAfter, maxRetryAfter)), true
}
