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

// schema is the folder of the schema's files.
const schema = "../../storage/ledger/migrations"

func TestPostgresUpgrade(t *testing.T) {
	dsn, raw := rawPostgres(t)
	ledgertest.Upgrade(t, raw, "postgres", schema, func(t testing.TB) *ledger.Ledger { return open(t, dsn) })
}

func TestPostgresUpgradeSums(t *testing.T) {
	dsn, raw := rawPostgres(t)
	ledgertest.UpgradeSums(t, raw, "postgres", schema, func(t testing.TB) *ledger.Ledger { return open(t, dsn) })
}

func TestPostgresUpgradeMoney(t *testing.T) {
	dsn, raw := rawPostgres(t)
	ledgertest.UpgradeMoney(t, raw, "postgres", schema, func(t testing.TB) *ledger.Ledger { return open(t, dsn) })
}

// rawPostgres opens an empty database and returns its address.
func rawPostgres(t *testing.T) (dsn string, raw *sql.DB) {
	t.Helper()
	dsn = servers.SharedPostgres(t).Database(t)
	raw, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return dsn, raw
}
