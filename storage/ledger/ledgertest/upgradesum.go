package ledgertest

import (
	"database/sql"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// beforeFirstCPA is the last schema whose sums do not say when a customer first earned a CPA commission.
const beforeFirstCPA = 7

// sumRows are a customer with two transactions that did, and one that took some of it back.
var sumRows = []string{
	`INSERT INTO network VALUES ('acme', 1000)`,
	`INSERT INTO customer VALUES ('01900000-0000-7000-8000-000000000001', 'acme', 'c-1', 'shoes', 'hash', '{}', false, '', '', 0, 0, 0, '',
		2000, '', '', false, false, '', '', '', '{"considered":[]}', 2000, 2000)`,
	sumRow(1, 90_000_000, 0), sumRow(2, 80_000_000, 700), sumRow(3, 70_000_000, 300), sumRow(4, 60_000_000, -100),
	`INSERT INTO customer_sum VALUES ('01900000-0000-7000-8000-000000000001', 'EUR', 4, 0, 0, 0, 0, 0, 0, 900, 0)`,
	`INSERT INTO customer_sum VALUES ('01900000-0000-7000-8000-000000000001', 'USD', 1, 0, 0, 0, 5, 0, 0, 0, 0)`,
}

func sumRow(n int, at, commission int64) string {
	return fmt.Sprintf(`INSERT INTO customer_transaction VALUES ('01900000-0000-7000-8000-10000000000%d', 'acme',
		'01900000-0000-7000-8000-000000000001', 't-%d', 'hash', '{}', '', %d, 'EUR', 0, 0, 0, 0, %d, 0, '', '', '', '', 2000)`,
		n, n, at, commission)
}

// UpgradeSums checks that sums of before the schema with first_cpa_at have it afterwards. The arguments are those of Upgrade.
func UpgradeSums(t *testing.T, raw *sql.DB, dialect goose.Dialect, folder string, openIt func(t testing.TB) *ledger.Ledger) {
	p, err := goose.NewProvider(dialect, raw, os.DirFS(folder), goose.WithTableName("affiliate_migration"),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), beforeFirstCPA); err != nil {
		t.Fatal(err)
	}
	for _, statement := range sumRows {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	c, err := open(t, Database{Open: openIt}).CustomerByExternalID(t.Context(), "acme", "c-1", "shoes")
	if err != nil {
		t.Fatal(err)
	}
	first := time.UnixMilli(70_000_000).UTC()
	want := []tracker.CustomerSum{
		{Currency: "EUR", Transactions: 4, CPACommission: 900, FirstCPAAt: &first}, {Currency: "USD", Transactions: 1, GrossRevenue: 5},
	}
	if !reflect.DeepEqual(c.Sums, want) {
		t.Errorf("the sums are %+v, want %+v", c.Sums, want)
	}
}
