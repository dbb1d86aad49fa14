package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// BenchmarkApply measures sessions/s into a ledger that open returns, with ordinary sessions in batches of several sizes.
func BenchmarkApply(b *testing.B, open func(testing.TB) *ledger.Ledger) {
	for _, size := range []int{500, 2000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			l := open(b)
			origin := tracker.NewSessionID(time.Now()).String()
			for _, code := range codes {
				if _, err := l.AddLink(b.Context(), ledger.NewLink{Code: code}); err != nil {
					b.Fatal(err)
				}
			}
			seq, applied := uint64(0), 0
			for b.Loop() {
				b.StopTimer()
				records := Sessions(seq+1, size)
				seq += uint64(size)
				b.StartTimer()
				done, err := l.Apply(b.Context(), origin, records)
				if err != nil {
					b.Fatal(err)
				}
				applied += done.Sessions
			}
			if applied != int(seq) {
				b.Fatalf("%d of %d sessions were applied", applied, seq)
			}
			b.ReportMetric(float64(applied)/b.Elapsed().Seconds(), "sessions/s")
		})
	}
}
