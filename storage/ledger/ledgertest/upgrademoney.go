package ledgertest

import (
	"database/sql"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// beforePartnerDay is the last schema that has the sums of conversions in one table.
const beforePartnerDay = 13

// moneyRows are the sums of two partners' conversions, on day 20000.
var moneyRows = []string{
	`INSERT INTO network VALUES ('acme', 1000)`,
	`INSERT INTO conversion_day VALUES ('acme', 20000, 1, 1, 1, 'mail', 'EUR', 'approved', true, 2, 100, 10),
		('acme', 20000, 1, 1, 2, 'mail', 'EUR', 'approved', true, 3, 200, 20), ('acme', 20000, 1, 1, 2, '', 'EUR', 'pending', false, 4, 400, 40),
		('acme', 20000, 2, 1, 3, 'mail', 'EUR', 'pending', false, 5, 800, 80), ('acme', 20000, 2, 1, 3, 'mail', 'USD', 'rejected', false, 1, 50, 0),
		('other', 20000, 2, 1, 3, 'mail', 'EUR', 'pending', false, 5, 800, 80)`,
}

// UpgradeMoney checks that reports of conversions of before the schema with conversion_partner_day and conversion_sub_day are
// whole. The arguments are those of Upgrade.
func UpgradeMoney(t *testing.T, raw *sql.DB, dialect goose.Dialect, folder string, openIt func(t testing.TB) *ledger.Ledger) {
	p, err := goose.NewProvider(dialect, raw, os.DirFS(folder), goose.WithTableName("affiliate_migration"),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), beforePartnerDay); err != nil {
		t.Fatal(err)
	}
	for _, statement := range moneyRows {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	l := open(t, Database{Open: openIt})
	day := time.UnixMilli(20000 * dayMillis).UTC()
	for _, c := range []struct {
		by   tracker.ReportBy
		want []tracker.ReportRow
	}{
		{tracker.ByAffiliate, []tracker.ReportRow{
			{AffiliateID: 1, Currency: "EUR", Conversions: 9, Pending: 4, Approved: 5, Amount: 700, Wage: 70, WagePaid: 30},
			{AffiliateID: 2, Currency: "EUR", Conversions: 5, Pending: 5, Amount: 800, Wage: 80},
			{AffiliateID: 2, Currency: "USD", Rejected: 1},
		}},
		{tracker.BySub1, []tracker.ReportRow{
			{Currency: "EUR", Conversions: 4, Pending: 4, Amount: 400, Wage: 40},
			{Sub1: "mail", Currency: "EUR", Conversions: 10, Pending: 5, Approved: 5, Amount: 1100, Wage: 110, WagePaid: 30},
			{Sub1: "mail", Currency: "USD", Rejected: 1},
		}},
	} {
		got := report(t, l, "acme", tracker.ReportQuery{From: day, To: day, By: []tracker.ReportBy{c.by}})
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("by %s there is\n%+v, want\n%+v", c.by, got, c.want)
		}
	}
}
