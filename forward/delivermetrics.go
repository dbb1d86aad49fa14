package forward

import (
	"errors"
	"iter"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var (
	deliveries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_delivery_attempts_total",
		Help: "Attempts at deliveries, by destination and outcome: sent, skipped (nothing to do there), retry, dead, or gone (nothing to send any more).",
	}, []string{"destination", "outcome"})
	attemptSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caddy_affiliate_delivery_attempt_seconds",
		Help:    "Duration of attempts at deliveries, by destination.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15},
	}, []string{"destination"})
	inFlight = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "caddy_affiliate_deliveries_in_flight",
		Help: "Attempts that this process has under way, by destination.",
	}, []string{"destination"})
	breakerOpen = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "caddy_affiliate_delivery_breaker_open",
		Help: "Whether the endpoint is left alone because attempts have failed (1) or is being tried again (0.5), by destination.",
	}, []string{"destination"})
	dueDeliveries = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "caddy_affiliate_deliveries_due",
		Help: "Deliveries that are not sent yet, in the whole ledger, by destination.",
	}, []string{"destination"})
	deadDeliveries = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "caddy_affiliate_deliveries_dead",
		Help: "Deliveries that have been given up, in the whole ledger, by destination.",
	}, []string{"destination"})
	oldestDue = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "caddy_affiliate_delivery_oldest_due_seconds",
		Help: "How long the delivery that waits the longest has waited, by destination.",
	}, []string{"destination"})
	destinationsDisabled = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_destinations_disabled_total",
		Help: "Times that this process has disabled a destination for its failures, by destination.",
	}, []string{"destination"})
)

func deliverCollectors() []prometheus.Collector {
	return []prometheus.Collector{
		deliveries, attemptSeconds, inFlight, breakerOpen, dueDeliveries, deadDeliveries, oldestDue, destinationsDisabled,
	}
}

// forgetGauges drops what the gauges say of destinations of which this process knows nothing any more.
func forgetGauges(destinations iter.Seq[string]) {
	for destination := range destinations {
		for _, g := range []*prometheus.GaugeVec{breakerOpen, dueDeliveries, deadDeliveries, oldestDue} {
			g.DeleteLabelValues(destination)
		}
	}
}

// count counts an attempt.
func count(destination string, state tracker.DeliveryState, err error) {
	outcome := string(state)
	switch {
	case errors.Is(err, ErrSkip):
		outcome = "skipped"
	case state == tracker.DeliveryDue:
		outcome = "retry"
	}
	deliveries.WithLabelValues(destination, outcome).Inc()
}
