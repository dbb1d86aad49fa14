package access

import (
	"strconv"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestLimitsAreBounded(t *testing.T) {
	var l limits
	now := time.Now()
	for i := range 2 * maxLimits {
		l.of(tracker.Key{ID: strconv.Itoa(i)}, now)
	}
	if len(l.byKey) > maxLimits {
		t.Errorf("%d buckets, at most %d", len(l.byKey), maxLimits)
	}
}
