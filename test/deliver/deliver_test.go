//go:build unix

// Package deliver measures deliveries out of a PostgreSQL of its own.
package deliver

import (
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/forward/destinationtest"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/postgres"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// BenchmarkDeliveries prints deliveries/s out of PostgreSQL.
func BenchmarkDeliveries(b *testing.B) {
	destinationtest.BenchmarkDeliver(b, func(tb testing.TB) *ledger.Ledger {
		l, err := postgres.Open(tb.Context(), servers.SharedPostgres(tb).Database(tb))
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { l.Close() })
		return l
	})
}
