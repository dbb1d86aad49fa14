package access

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	// maxLimits is how many keys' buckets are kept. Only keys that are good get one; beyond that, any of them begins anew.
	maxLimits = 4096
	// usedEvery is how exactly the last use of a key is kept.
	usedEvery = time.Minute
	// usedTime bounds the wait for noting it, which the request has to bear once a minute.
	usedTime = time.Second
)

// buckets are those of the process: a key's does not begin anew with each configuration. Ids of keys are random, so those of all
// books fit in here.
var buckets limits

// Allowance is what a key has left after a request.
type Allowance struct {
	Allowed    bool
	Limit      int // requests in a burst
	Remaining  int // of them, how many are left
	Reset      int // seconds until all are
	RetryAfter int // seconds until the next is allowed; 0 if this one was
}

// Spend takes a request out of its key's bucket, and notes the use of the key once a minute. That the use could not be noted is
// no reason to refuse the request.
func Spend(ctx context.Context, keys Keys, key tracker.Key, now time.Time, logger *slog.Logger) Allowance {
	bucket, due := buckets.of(key, now)
	allowed := bucket.AllowN(now, 1)
	left := max(0, bucket.TokensAt(now))
	perSecond, burst := float64(bucket.Limit()), bucket.Burst()
	a := Allowance{
		Allowed: allowed, Limit: burst, Remaining: int(left),
		Reset: int(math.Ceil((float64(burst) - left) / perSecond)),
	}
	if !allowed {
		a.RetryAfter = max(1, int(math.Ceil((1-left)/perSecond)))
		return a
	}
	if due {
		noteUse(ctx, keys, key.ID, now, logger)
	}
	return a
}

func noteUse(ctx context.Context, keys Keys, id string, now time.Time, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, usedTime)
	defer cancel()
	if err := keys.KeyUsed(ctx, id, now); err != nil {
		logger.Warn("noting the use of a key", "key", id, "error", err)
	}
}

// limits holds each key's token bucket. A node counts for itself.
type limits struct {
	mu    sync.Mutex
	byKey map[string]*limit
}

type limit struct {
	*rate.Limiter
	used time.Time // when the key's use was last noted
}

// of returns the bucket of a key, and whether its use is to be noted now.
func (l *limits) of(key tracker.Key, now time.Time) (*limit, bool) {
	perSecond := key.Rate
	if perSecond <= 0 {
		perSecond = tracker.DefaultRate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket := l.byKey[key.ID]
	if bucket == nil || bucket.Limit() != rate.Limit(perSecond) {
		bucket = &limit{Limiter: rate.NewLimiter(rate.Limit(perSecond), 2*perSecond)}
		if key.LastUsedAt != nil {
			bucket.used = *key.LastUsedAt
		}
		l.add(key.ID, bucket)
	}
	due := now.Sub(bucket.used) >= usedEvery
	if due {
		bucket.used = now
	}
	return bucket, due
}

func (l *limits) add(id string, bucket *limit) {
	if l.byKey == nil {
		l.byKey = map[string]*limit{}
	}
	for other := range l.byKey {
		if len(l.byKey) < maxLimits {
			break
		}
		delete(l.byKey, other)
	}
	l.byKey[id] = bucket
}
