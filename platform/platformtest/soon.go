package platformtest

import (
	"testing"
	"time"
)

// Soon requires that one of three calls of ask takes no longer than most: a machine that stands still for a moment makes one of them
// late, and what is slow by itself is slow each time. ask is called once where the first call is in time.
func Soon(t testing.TB, most time.Duration, ask func()) {
	t.Helper()
	var took time.Duration
	for range 3 {
		began := time.Now()
		ask()
		if took = time.Since(began); took <= most {
			return
		}
	}
	t.Errorf("it took %s each time", took)
}
