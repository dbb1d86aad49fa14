package relay

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

var (
	callsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_relay_calls_total",
		Help: "Calls to Redis, by operation and result: ok, full (out of memory) or error.",
	}, []string{"operation", "result"})
	refusedTotal = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_relay_refused_total",
		Help: "Appends that did nothing because the stream ended elsewhere than expected.",
	})
	resetsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_relay_resets_total",
		Help: "Streams that an edge found broken and began anew, by what became of the old one.",
	}, []string{"stream"})
	entriesTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_relay_entries_total",
		Help: "Entries that went through Redis: appended by this node, or read and verified by it.",
	}, []string{"direction"})
	damagedTotal = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_relay_damaged_entries_total",
		Help: "Entries that did not verify and were deleted for the edge to send again.",
	})
	adoptedTotal = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_relay_adopted_total",
		Help: "Origins found with a stream and without an announcement.",
	})
	appendSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "caddy_affiliate_relay_append_seconds",
		Help:    "Time of one append, from sending its entries to the answer.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	})
)

// Collectors returns the package's metrics, which are those of the whole process.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{callsTotal, refusedTotal, resetsTotal, entriesTotal, damagedTotal, adoptedTotal, appendSeconds}
}

// done counts a call to Redis and returns its error.
func done(operation string, err error) error {
	result := "ok"
	switch {
	case redis.IsOOMError(err):
		result = "full"
	case err != nil:
		result = "error"
	}
	callsTotal.WithLabelValues(operation, result).Inc()
	return err
}

// operation is the call's label.
func (c Call) operation() string {
	switch {
	case len(c.Entries) == 0:
		return "poll"
	case c.Reset:
		return "reset"
	default:
		return "append"
	}
}

// count books an answered call.
func (c Call) count(a Answer, took time.Duration) {
	if len(c.Entries) == 0 {
		return
	}
	appendSeconds.Observe(took.Seconds())
	if !a.OK {
		refusedTotal.Inc()
		return
	}
	entriesTotal.WithLabelValues("appended").Add(float64(len(c.Entries)))
	switch {
	case c.Reset && c.Old:
		resetsTotal.WithLabelValues("parked").Inc()
	case c.Reset:
		resetsTotal.WithLabelValues("deleted").Inc()
	}
}
