package caddymodule

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/forward/postback"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// What the edge counts. The collectors belong to the process, not to a configuration: Caddy makes a new registry for each
// configuration, and these are registered in each, so a reload resets nothing.
var (
	clicks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_clicks_total",
		Help: "Referral clicks seen, by class.",
	}, []string{"class"})
	tokens = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_tokens_total",
		Help: "Tokens handed out: human clicks whose record was durable in time.",
	})
	withheld = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_withheld_total",
		Help: "Human clicks that were answered without a token, by reason.",
	}, []string{"reason"})
	unknownCodes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_unknown_codes_total",
		Help: "Codes in requests that no link has.",
	})
	tokenRejects = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_token_rejects_total",
		Help: "Tokens in requests that none of the secrets opens.",
	})
	addedWait = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "caddy_affiliate_added_wait_seconds",
		Help:    "Time that a click's response was held for the journal, beyond the upstream's own.",
		Buckets: []float64{.0001, .00025, .0005, .001, .002, .005, .01, .015, .02, .025, .05},
	})
	truncated = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_truncated_total",
		Help: "Captured values that were cut to their cap, by field; params is a query of which not every parameter was looked at.",
	}, []string{"field"})
	panics = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_panics_total",
		Help: "Panics of the plugin that were recovered, the request going on.",
	})
	dropped = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_dropped_total",
		Help: "Clicks of other classes than human that were not recorded: the journal could not take them, or has room for people's only.",
	})
	earlyData = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_early_data_total",
		Help: "Requests in TLS early data that named a known link and could not be counted as a click.",
	})
	handoffs = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_handoffs_total",
		Help: "Sessions taken over from another host of ours.",
	})
	conversions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_affiliate_conversions_total",
		Help: "Conversions that came by the edge, by way and by what became of them; recorded is on disk.",
	}, []string{"source", "outcome"})
)

// The labels are closed lists, shown from the start so that a rate over them is never missing its first increment.
func init() {
	for _, class := range tracker.Classes {
		clicks.WithLabelValues(string(class))
	}
	for _, reason := range []string{"late", "disk", "queue", "starting"} {
		withheld.WithLabelValues(reason)
	}
	for _, source := range []string{tracker.SourceHeader, tracker.SourceBlock, tracker.SourcePixel} {
		for _, outcome := range []string{
			outcomeRecorded, "late", "disk", "queue", "starting", outcomeMalformed, outcomeIncomplete, outcomeIgnored, outcomeDropped,
		} {
			conversions.WithLabelValues(source, outcome)
		}
	}
	for _, field := range []string{"host", "params", "query", "referrer", "route", "user_agent"} {
		truncated.WithLabelValues(field)
	}
}

// collectors returns all that the plugin measures.
func collectors() []prometheus.Collector {
	own := []prometheus.Collector{
		clicks, tokens, withheld, unknownCodes, tokenRejects, addedWait, truncated, panics, dropped, earlyData, handoffs,
		conversions,
	}
	return slices.Concat(own, api.Collectors(), platform.Collectors(), postback.Collectors(), engine.Collectors())
}

// registerMetrics puts the collectors into a configuration's registry.
func registerMetrics(registry *prometheus.Registry) error {
	for _, c := range collectors() {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}
