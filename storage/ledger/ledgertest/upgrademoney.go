package ledgertest

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// beforeWideSums is the last schema whose sums of a day are one number each.
const beforeWideSums = 13

// pixels are so many sales of 1e15 cents on the epoch's day as make their sum overflow, and what SQLite made of it.
const pixels = 9_300

var moneyRows = []string{
	`INSERT INTO network VALUES ('default', 1000)`,
	`INSERT INTO conversion_identity (network, source, type, external_id, repeats)
		WITH RECURSIVE made (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM made WHERE i < ` + fmt.Sprint(pixels) + `)
		SELECT 'default', 'pixel', 'buy', 'order-' || CAST(i AS text), 1 FROM made`,
	`INSERT INTO conversion (id, network, source, type, external_id, repeat, status, amount, currency, wage, closed, paid_at,
		affiliate_id, campaign_id, link_id, occurred_at, created_at, updated_at, code, session_id, visitor_id, customer_id, sub1,
		coupon, name, commissions, meta_data)
		WITH RECURSIVE made (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM made WHERE i < ` + fmt.Sprint(pixels) + `)
		SELECT '01900000-0000-7000-8000-1' || substr(CAST(100000000000 + i AS text), 2), 'default', 'pixel', 'buy',
		'order-' || CAST(i AS text), 0, 'pending', CASE WHEN i = 1 THEN 0 ELSE 1000000000000000 END, 'EUR', 0, false, 0, 0, 0, 0, ` +
		fmt.Sprint(epoch.UnixMilli()) + `, 2000, 2000, '', '', '', '', CASE WHEN i % 2 = 0 THEN 'mail' ELSE '' END, '', '',
		'[{"name":"default","sub_amount":' || CASE WHEN i = 1 THEN '0' ELSE '1000000000000000' END || ',"wage":0}]', '' FROM made`,
	`INSERT INTO conversion_change (conversion_id, n, time, kind, status, amount, wage, external_id, note, actor, hash, rules, decision, answer)
		SELECT id, 1, 2000, 'created', 'pending', 1000000000000000, 0, '', '', 'edge', 'hash', '[]', '{"considered":[]}', '{}' FROM conversion`,
	`INSERT INTO conversion_change (conversion_id, n, time, kind, status, amount, wage, external_id, note, actor, hash, rules, decision, answer)
		SELECT id, 2, 2000, 'reversed', 'pending', -1000000000000000, 0, '', '', 'key', '', '', '', '' FROM conversion WHERE amount = 0`,
	`INSERT INTO conversion_day VALUES ('default', ` + fmt.Sprint(epoch.UnixMilli()/dayMillis) + `, 0, 0, 0, '', 'EUR', 'pending', false,
		12, 34, 56)`,
	`INSERT INTO customer VALUES ('01900000-0000-7000-8000-000000000001', 'default', 'c-1', 'shoes', 'hash', '{}', false, '', '', 0, 0, 0, '',
		2000, '', '', false, false, '', '', '', '{"considered":[]}', 2000, 2000)`,
	`INSERT INTO customer_sum (customer_id, currency, transactions, deposits, first_deposit_at, first_deposit, gross_revenue, wagered,
		rev_share_commission, cpa_commission, fixed_commission, first_cpa_at)
		VALUES ('01900000-0000-7000-8000-000000000001', 'EUR', 1, ` + fmt.Sprint(int64(ledger.MaxCustomerSum)) + `, 2000, 1, ` +
		fmt.Sprint(-int64(ledger.MaxCustomerSum)) + `, 0, 0, 0, 0, 0)`,
	`INSERT INTO conversion_identity VALUES ('default', 'api', 'buy', 'later', 0)`,
	`INSERT INTO refund VALUES ('01900000-0000-7000-8000-000000000002', 'default', 'api', 'refund-1', 'hash', '{}', 'buy', 'later', '',
		300, 0, 'EUR', '', 'key', 2000)`,
}

// UpgradeMoney checks that sums which had no room left are right again in the present schema, and take whatever comes. The
// arguments are those of Upgrade.
func UpgradeMoney(t *testing.T, raw *sql.DB, dialect goose.Dialect, folder string, openIt func(t testing.TB) *ledger.Ledger) {
	p, err := goose.NewProvider(dialect, raw, os.DirFS(folder), goose.WithTableName("affiliate_migration"),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), beforeWideSums); err != nil {
		t.Fatal(err)
	}
	for _, statement := range moneyRows {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	s := newShop(t, Database{Open: openIt})
	s.wantDay(pixels, math.MaxInt64)
	s.wantSubs(pixels/2, (pixels/2-1)*1_000_000_000_000_000, pixels/2*1_000_000_000_000_000)

	more := s.edgeRecord(1, "one more", s.click("ann"))
	more.Conversion.Amount, more.Conversion.Source, more.Conversion.Evidence = tracker.MaxAmount, tracker.SourcePixel, tracker.Evidence{}
	wantApplied(t, s.Ledger, newOrigin(), []ledger.Record{more}, ledger.Applied{Cursor: 1, Conversions: 1})
	s.wantDay(pixels+1, math.MaxInt64)

	pending, err := raw.QueryContext(t.Context(), `SELECT id FROM conversion WHERE amount = 1000000000000000 ORDER BY id LIMIT 100`)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for pending.Next() {
		var id string
		if err := pending.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := errors.Join(pending.Err(), pending.Close()); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		s.set(id, tracker.StatusRejected)
	}
	s.wantDay(pixels+1-100, (pixels-1-100)*1_000_000_000_000_000+tracker.MaxAmount)

	wantUpgradedBooks(s)
	wantRecount(s, raw)
	wantReversedOnce(s, raw)
}

// wantReversedOnce checks that no report takes over what was reversed and given an amount again, as former versions let people.
func wantReversedOnce(s *shop, raw *sql.DB) {
	s.Helper()
	n := s.sale("amended", 1000)
	n.Duplicates = tracker.DuplicateUpdate
	id := s.report(n).ID
	if _, err := raw.ExecContext(s.Context(), `INSERT INTO conversion_change (conversion_id, n, time, kind, status, amount, wage,
		external_id, note, actor, hash, rules, decision, answer)
		SELECT conversion_id, 2, time, 'reversed', status, -amount, -wage, '', '', 'key', '', '', '', '' FROM conversion_change
			WHERE conversion_id = '`+id+`'
		UNION ALL SELECT conversion_id, 3, time, 'amount', status, amount, wage, '', '', 'key', '', '', '', '' FROM conversion_change
			WHERE conversion_id = '`+id+`'`); err != nil {
		s.Fatal(err)
	}
	n.Amount, n.Commissions = 5000, nil
	if _, _, err := s.CreateConversion(s.Context(), n); !errors.Is(err, tracker.ErrConflict) {
		s.Errorf("reported again after a reversal: %v", err)
	}
	s.wantMoney(s.stored(id), tracker.StatusPending, 1000, 100)
	if r := s.refund("refund-2", "amended", 400); r.Taken != 400 {
		s.Errorf("the refund is %+v", r)
	}
	s.wantMoney(s.stored(id), tracker.StatusPending, 600, 60)
}

// wantRecount alters a sum and a conversion, each by itself and then both alike.
func wantRecount(s *shop, raw *sql.DB) {
	s.Helper()
	for _, c := range []struct {
		statement string
		want      int64
	}{
		{`UPDATE conversion_day SET day = day`, 0},
		{`UPDATE conversion_day SET amount = amount + 1 WHERE status = 'rejected' AND sub1 = ''`, 1},
		{`UPDATE conversion_day SET amount = amount - 1000000001, amount_high = amount_high + 1 WHERE status = 'rejected' AND sub1 = ''`, 0},
		{`UPDATE conversion_day SET wage_high = wage_high - 1 WHERE status = 'rejected' AND sub1 = ''`, 1},
		{`UPDATE conversion_partner_day SET amount = amount + 1 WHERE status = 'rejected'`, 2},
		{`UPDATE conversion_sub_day SET wage = wage + 1 WHERE status = 'rejected'`, 3},
		{`UPDATE conversion SET status = 'approved' WHERE external_id = 'one more'`, 3 + 2 + 2},
	} {
		if _, err := raw.ExecContext(s.Context(), c.statement); err != nil {
			s.Fatal(err)
		}
		if wrong := must(s.Recount(s.Context()))(s); wrong != c.want {
			s.Errorf("after %s %d sums are wrong, want %d", c.statement, wrong, c.want)
		}
	}
}

// wantDay compares the report of the epoch's day, and of all days.
func (s *shop) wantDay(conversions, amount int64) {
	s.Helper()
	for _, by := range [][]tracker.ReportBy{nil, {tracker.ByDay}, {tracker.ByAffiliate, tracker.ByLink}} {
		rows := report(s.T, s.Ledger, s.network, tracker.ReportQuery{By: by})
		if len(rows) != 1 || rows[0].Conversions != conversions || rows[0].Amount != amount {
			s.Errorf("by %v the report is %+v, want %d conversions of %d", by, rows, conversions, amount)
		}
	}
}

// wantSubs compares the report by sub-id: as many conversions with one as without.
func (s *shop) wantSubs(each, without, with int64) {
	s.Helper()
	rows := report(s.T, s.Ledger, s.network, tracker.ReportQuery{By: []tracker.ReportBy{tracker.BySub1}})
	if len(rows) != 2 || rows[0].Conversions != each || rows[0].Amount != without || rows[1].Conversions != each || rows[1].Amount != with {
		s.Errorf("by sub-id the report is %+v, want %d conversions of %d and of %d", rows, each, without, with)
	}
}

// wantUpgradedBooks checks what else is new in the schema: whether a conversion is reversed, what of a refund waits, and that a
// customer's sums end before a number does.
func wantUpgradedBooks(s *shop) {
	s.Helper()
	var invalid tracker.Invalid
	for _, deposit := range []int64{1, tracker.MaxAmount} {
		_, _, err := s.AddTransaction(s.Context(), s.deposit(fmt.Sprint("t-", deposit), deposit, time.Time{}))
		if !errors.As(err, &invalid) || len(invalid) != 1 || invalid[0].Field != "deposit" {
			s.Errorf("past a customer's largest sum: %v", err)
		}
	}
	loss := s.deposit("t-3", -1, time.Time{})
	loss.GrossRevenue = -1
	if _, _, err := s.AddTransaction(s.Context(), loss); !errors.As(err, &invalid) || invalid[0].Field != "gross_revenue" {
		s.Errorf("past a customer's largest loss: %v", err)
	}
	s.addTransaction(s.deposit("t-4", -tracker.MaxAmount, time.Time{}))
	s.addTransaction(s.deposit("t-5", tracker.MaxAmount, time.Time{}))

	yes := true
	reversed := s.list(tracker.ConversionFilter{IsReversed: &yes}, 0)
	if len(reversed) != 1 || reversed[0].ExternalID != "order-1" || !reversed[0].IsReversed {
		s.Errorf("those that are reversed are %+v", reversed)
	}
	s.wantRefunds(tracker.RefundFilter{Waiting: &yes}, "refund-1")
	s.wantMoney(s.report(s.sale("later", 1000)), tracker.StatusPending, 700, 70)
	s.wantRefunds(tracker.RefundFilter{Waiting: &yes})
}
