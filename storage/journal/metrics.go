package journal

import "github.com/prometheus/client_golang/prometheus"

var (
	records = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_journal_records_total",
		Help: "Records made durable in the journal.",
	})
	writtenBytes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_journal_written_bytes_total",
		Help: "Bytes of records made durable in the journal, their headers included.",
	})
	fsyncSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "caddy_affiliate_journal_fsync_duration_seconds",
		Help: "Time that the disk took to fsync a batch of records.",
		Buckets: []float64{
			50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5,
		},
	})
	batchRecords = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "caddy_affiliate_journal_batch_records",
		Help:    "Records that shared one fsync.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 13),
	})
	writeFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_journal_write_failures_total",
		Help: "Failed writes and fsyncs, each of which ended an origin.",
	})
	unreadable = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "caddy_affiliate_journal_unreadable_records_total",
		Help: "Records found unreadable on disk, which go on as tombstones.",
	})
	segmentBytes = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_affiliate_journal_segment_bytes",
		Help: "Size of all segments on disk, those filled ahead of their use included.",
	})
)

// Collectors returns the journal's metrics, which belong to the process.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{
		records, writtenBytes, fsyncSeconds, batchRecords, writeFailures, unreadable, segmentBytes,
	}
}
