package destinationtest

import (
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
)

// BenchmarkDeliveries prints deliveries/s out of SQLite.
func BenchmarkDeliveries(b *testing.B) {
	BenchmarkDeliver(b, func(tb testing.TB) *ledger.Ledger {
		l, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "ledger.db"))
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { l.Close() })
		return l
	})
}
