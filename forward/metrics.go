package forward

import "github.com/prometheus/client_golang/prometheus"

var (
	relayUp = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_affiliate_ship_up",
		Help: "Whether records reach Redis (1) or wait in the journal (0).",
	})
	forks = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_ship_forks_total",
		Help: "Times that this process found itself to be a copy of one that goes on elsewhere.",
	})
	moved = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_ship_moved_records_total",
		Help: "Records that were written again under another origin, since another copy of this process writes theirs.",
	})
	applyUp = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_affiliate_apply_up",
		Help: "Whether records reach the ledger (1) or wait (0).",
	})
	applyBatches = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_apply_batches_total",
		Help: "Transactions that applied records to the ledger.",
	})
	applySeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "caddy_affiliate_apply_duration_seconds",
		Help:    "Duration of the transactions that apply records to the ledger.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	})
	applyLag = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_affiliate_apply_lag_seconds",
		Help: "Age of the oldest record that the ledger does not take; where it takes all, of the newest at the moment it was applied.",
	})
	applied = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_applied_sessions_total",
		Help: "Sessions booked in the ledger by this process.",
	})
	repeated = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_repeated_sessions_total",
		Help: "Sessions that were offered to the ledger a second time and dropped; stays 0 unless a process was copied.",
	})
	appliedConversions = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_applied_conversions_total",
		Help: "Conversions from the edges that were booked in the ledger by this process.",
	})
	replayedConversions = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_replayed_conversions_total",
		Help: "Conversions from the edges that had been reported before and count once.",
	})
	quarantined = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_quarantined_records_total",
		Help: "Records that the ledger refused and keeps in quarantine.",
	})
	lost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_lost_records_total",
		Help: "Records that could not be read any more and are booked as lost.",
	})
	holes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_relay_holes_total",
		Help: "Gaps and entries that do not verify in streams; the edge sends what is missing again.",
	})
)

// Collectors returns the metrics of shipping, applying and delivering.
func Collectors() []prometheus.Collector {
	return append(deliverCollectors(),
		relayUp, forks, moved, applyUp, applyBatches, applySeconds, applyLag, applied, repeated,
		appliedConversions, replayedConversions, quarantined, lost, holes,
	)
}

func boolGauge(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}
