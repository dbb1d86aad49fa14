package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
)

func TestConformance(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledgertest.Database {
		return database(filepath.Join(t.TempDir(), "ledger.db"))
	})
}

func database(path string) ledgertest.Database {
	return ledgertest.Database{
		Open: func(t testing.TB) *ledger.Ledger {
			t.Helper()
			sqlitetest.Place(t, path)
			l, err := sqlite.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			return l
		},
		Copy: func(t testing.TB) ledgertest.Database {
			t.Helper()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			older := filepath.Join(t.TempDir(), "older.db")
			if err := os.WriteFile(older, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return database(older)
		},
	}
}
