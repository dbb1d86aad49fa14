package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// BenchmarkApply measures sessions/s into a ledger that open returns, with ordinary sessions in batches of several sizes, and what
// it costs to tell destinations of them.
func BenchmarkApply(b *testing.B, open func(testing.TB) *ledger.Ledger) {
	for _, size := range []int{500, 2000} {
		benchmarkApply(b, fmt.Sprintf("batch=%d", size), size, 0, open)
	}
	for _, destinations := range []int{1, 3} {
		benchmarkApply(b, fmt.Sprintf("batch=2000,destinations=%d", destinations), 2000, destinations, open)
	}
}

func benchmarkApply(b *testing.B, name string, size, destinations int, open func(testing.TB) *ledger.Ledger) {
	b.Run(name, func(b *testing.B) {
		l := open(b)
		var routes []tracker.Route
		for i := range destinations {
			routes = append(routes, tracker.Route{Destination: fmt.Sprint(i), Network: tracker.DefaultNetwork, Kinds: tracker.EventKinds})
		}
		l.UseRoutes(routes)
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
