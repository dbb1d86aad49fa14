package engine

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
)

var (
	linkTableSize = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_affiliate_links",
		Help: "Links in the edge's table, disabled ones included.",
	})
	snapshotDamaged = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_link_snapshot_damaged_entries_total",
		Help: "Entries of the links' snapshot on disk that a start could not read.",
	})
	auditJournalled = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_affiliate_audit_journalled_records",
		Help: "Records on their way to the ledger, as the last audit counted them.",
	})
	auditUnbalanced = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_affiliate_audit_unbalanced_origins",
		Help: "Origins whose sum does not hold or that lost a record; anything but 0 needs a person.",
	})
	waitingRefunds = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_affiliate_waiting_refunds",
		Help: "Refunds of which something waits for conversions to take it from.",
	})
	forgottenRows = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_forgotten_rows_total",
		Help: "Rows of the books from which this node took what was older than its retention.",
	})
	scrubbedRecords = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_scrubbed_records_total",
		Help: "Records of the journal out of which people who were erased have been taken.",
	})
)

// Collectors returns the metrics of the engine and of everything below it.
func Collectors() []prometheus.Collector {
	return slices.Concat(
		[]prometheus.Collector{linkTableSize, snapshotDamaged, auditJournalled, auditUnbalanced, waitingRefunds, forgottenRows, scrubbedRecords},
		journal.Collectors(), relay.Collectors(), forward.Collectors(),
	)
}
