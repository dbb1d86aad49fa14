//go:build unix

package ledger_test

import (
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

func TestPostgresUpgrade(t *testing.T) {
	dsn := servers.SharedPostgres(t).Database(t)
	raw, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	const schema = "../../storage/ledger/migrations"
	ledgertest.Upgrade(t, raw, "postgres", schema, func(t testing.TB) *ledger.Ledger { return open(t, dsn) })
}
