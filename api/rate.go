package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// maxLimits is how many keys' buckets are kept. Only keys that are good get one; beyond that, any of them begins anew.
const maxLimits = 4096

// buckets are those of the process: a key's does not begin anew with each configuration. Ids of keys are random, so those of all
// books fit in here.
var buckets limits

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

// spend takes the request out of its key's bucket and says in the header what is left
// (draft-ietf-httpapi-ratelimit-headers-03).
func (a *API) spend(w http.ResponseWriter, ctx context.Context, c *call) error {
	now := a.now()
	bucket, due := buckets.of(c.key, now)
	allowed := bucket.AllowN(now, 1)
	left := max(0, bucket.TokensAt(now))
	perSecond, burst := float64(bucket.Limit()), bucket.Burst()

	header := w.Header()
	header.Set("RateLimit-Limit", strconv.Itoa(burst))
	header.Set("RateLimit-Remaining", strconv.Itoa(int(left)))
	header.Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil((float64(burst)-left)/perSecond))))
	if !allowed {
		p := problem(http.StatusTooManyRequests, "rate", "Too many requests", "Wait as long as the header Retry-After says.")
		p.retryAfter = max(1, int(math.Ceil((1-left)/perSecond)))
		return p
	}
	if due {
		a.noteUse(ctx, c)
	}
	return nil
}
