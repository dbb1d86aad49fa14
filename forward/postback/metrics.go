package postback

import "github.com/prometheus/client_golang/prometheus"

var unresolved = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "caddy_affiliate_postback_unresolved_macros_total",
	Help: "Macros of postback URLs for which an event had no value, by macro; they were left empty.",
}, []string{"macro"})

// Collectors returns the package's metrics, which are those of the whole process.
func Collectors() []prometheus.Collector { return []prometheus.Collector{unresolved} }
