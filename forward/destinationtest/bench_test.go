package destinationtest

import (
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
)

// BenchmarkDeliveries prints deliveries/s out of SQLite.
func BenchmarkDeliveries(b *testing.B) { BenchmarkDeliver(b, sqlitetest.Open) }
