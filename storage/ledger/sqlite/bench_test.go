package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
)

// BenchmarkApply prints sessions/s, in batches of several sizes.
func BenchmarkApply(b *testing.B) {
	ledgertest.BenchmarkApply(b, func(tb testing.TB) *ledger.Ledger {
		l, err := Open(tb.Context(), filepath.Join(tb.TempDir(), "ledger.db"))
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { l.Close() })
		return l
	})
}
