//go:build unix

package ledger_test

import (
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// BenchmarkApply prints sessions/s into a PostgreSQL with everything as it comes.
func BenchmarkApply(b *testing.B) {
	ledgertest.BenchmarkApply(b, func(tb testing.TB) *ledger.Ledger {
		return openOne(tb, servers.SharedPostgres(tb).Database(tb))
	})
}
