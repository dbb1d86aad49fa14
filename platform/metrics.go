package platform

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	requestsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_platform_requests_total",
		Help: "Requests in the dialects of other systems, by dialect, operation (unknown where there is no route) and class of status.",
	}, []string{"dialect", "operation", "status"})
	requestSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caddy_affiliate_platform_request_seconds",
		Help:    "Time from a request's header to the end of its answer, by dialect and operation.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"dialect", "operation"})
)

// Collectors returns the package's metrics, which are those of the whole process.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{requestsTotal, requestSeconds}
}

// observe counts a request, whose status is a class. The operations are those of our own routes, so the labels are bounded.
func observe(dialect, operation, status string, took time.Duration) {
	if operation == "" {
		operation = "unknown"
	}
	requestsTotal.WithLabelValues(dialect, operation, status).Inc()
	requestSeconds.WithLabelValues(dialect, operation).Observe(took.Seconds())
}
