package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
)

func TestUpgrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	raw, err := sql.Open("sqlite", writerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	ledgertest.Upgrade(t, raw, "sqlite3", "../migrations", func(t testing.TB) *ledger.Ledger { return open(t, path) })
}
