//go:build !race

// One goroutine moves thousands of rows: the race detector has nothing to see, and takes a minute for it.

package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
)

func TestUpgrade(t *testing.T) {
	path, raw := rawDatabase(t)
	ledgertest.Upgrade(t, raw, "sqlite3", "../migrations", func(t testing.TB) *ledger.Ledger { return open(t, path) })
}

func TestUpgradeSums(t *testing.T) {
	path, raw := rawDatabase(t)
	ledgertest.UpgradeSums(t, raw, "sqlite3", "../migrations", func(t testing.TB) *ledger.Ledger { return open(t, path) })
}

func TestUpgradeMoney(t *testing.T) {
	path, raw := rawDatabase(t)
	ledgertest.UpgradeMoney(t, raw, "sqlite3", "../migrations", func(t testing.TB) *ledger.Ledger { return open(t, path) })
}

// rawDatabase opens an empty database and returns its path.
func rawDatabase(t *testing.T) (path string, raw *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ledger.db")
	raw, err := sql.Open("sqlite", writerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	raw.SetMaxOpenConns(1)
	return path, raw
}
