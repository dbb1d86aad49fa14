package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The bounds of a report.
const (
	reportDays = 400
	reportRows = 10_000
	reportBy   = 3 // dimensions, besides the currency
)

// Report returns what the network's clicks and conversions came to, in days of UTC, by up to three dimensions, in the order of
// their values. Clicks count under the affiliate and the campaign that their link has now, money under those that earned it.
// tracker.Invalid: the range is missing or longer than 400 days, a dimension is unknown or given twice, or the report would
// have more than 10,000 rows.
func (l *Ledger) Report(ctx context.Context, network string, q tracker.ReportQuery) ([]tracker.ReportRow, error) {
	r := tally{
		network: network, query: q, by: map[tracker.ReportBy]bool{},
		clicks: map[reportKey]clickCounts{}, money: map[reportKey][]moneySums{},
	}
	err := r.check()
	if err == nil {
		err = l.view(ctx, func(tx *sql.Tx) error { return r.read(ctx, tx) })
	}
	if err != nil {
		return nil, fmt.Errorf("making a report: %w", err)
	}
	return r.rows()
}

// tally is a report in the making. Clicks and money are read apart and put together by key.
type tally struct {
	network string
	query   tracker.ReportQuery
	by      map[tracker.ReportBy]bool

	clicks map[reportKey]clickCounts
	money  map[reportKey][]moneySums
}

// reportKey is what a line is of: of each dimension of the report its value, of the others nothing.
type reportKey struct {
	day                       int64
	affiliateID, campaignID   int64
	linkID                    int64
	affiliate, campaign, code string
	sub1                      string
}

// moneySums is what the conversions of a line in one currency came to.
type moneySums struct {
	currency                                string
	pending, approved, rejected, duplicated int64
	amount, wage, wagePaid                  wideSum
}

func (m moneySums) minus(o moneySums) moneySums {
	return moneySums{
		currency: m.currency, pending: m.pending - o.pending, approved: m.approved - o.approved, rejected: m.rejected - o.rejected,
		duplicated: m.duplicated - o.duplicated, amount: m.amount.minus(o.amount), wage: m.wage.minus(o.wage), wagePaid: m.wagePaid.minus(o.wagePaid),
	}
}

// isNothing reports whether no money and no conversion is left in the sums. Of one that is kept in two parts either may be left.
func (m moneySums) isNothing() bool {
	return m.pending|m.approved|m.rejected|m.duplicated == 0 &&
		m.amount.number() == 0 && m.wage.number() == 0 && m.wagePaid.number() == 0
}

func (r *tally) check() error {
	var wrong tracker.Invalid
	q := r.query
	switch {
	case q.From.IsZero():
		wrong.Add("from", "is required")
	case q.To.IsZero():
		wrong.Add("to", "is required")
	case dayOf(q.To) < dayOf(q.From):
		wrong.Add("to", "is before from")
	case dayOf(q.To)-dayOf(q.From) >= reportDays:
		wrong.Add("to", fmt.Sprintf("is more than %d days after from", reportDays-1))
	}
	known := []tracker.ReportBy{
		tracker.ByDay, tracker.ByAffiliate, tracker.ByCampaign, tracker.ByLink, tracker.BySub1, tracker.ByCurrency,
	}
	for i, by := range q.By {
		field := fmt.Sprintf("by[%d]", i)
		if !slices.Contains(known, by) {
			wrong.Add(field, "is not one of day, affiliate, campaign, link, sub1, currency")
		} else if r.by[by] {
			wrong.Add(field, "is there already")
		}
		r.by[by] = true
	}
	if delete(r.by, tracker.ByCurrency); len(r.by) > reportBy {
		wrong.Add("by", fmt.Sprintf("has more than %d dimensions besides the currency", reportBy))
	}
	return wrong.Err()
}

// read reads everything, from the tables that have the fewest rows of it. Where those of a sub-id are apart from the whole, they
// are taken out of it: the rest is what no sub-id has.
func (r *tally) read(ctx context.Context, tx *sql.Tx) error {
	clicks, money := []reportSource{clickSource}, []reportSource{partnerSource}
	switch {
	case r.by[tracker.BySub1] && r.tellsLinksApart():
		clicks, money = append(clicks, clickSubSource), []reportSource{moneySource}
	case r.by[tracker.BySub1]:
		clicks, money = append(clicks, subSource), append(money, moneySubSource)
	case r.by[tracker.ByLink]:
		money = []reportSource{moneySource}
	}
	for _, from := range clicks {
		if err := r.readClicks(ctx, tx, from); err != nil {
			return err
		}
	}
	for _, from := range money {
		if err := r.readMoney(ctx, tx, from); err != nil {
			return err
		}
	}
	return nil
}

// tellsLinksApart reports whether it matters of which link a click is.
func (r *tally) tellsLinksApart() bool {
	return r.by[tracker.ByAffiliate] || r.by[tracker.ByCampaign] || r.by[tracker.ByLink] ||
		r.query.AffiliateID != 0 || r.query.CampaignID != 0
}

func (r *tally) readClicks(ctx context.Context, tx *sql.Tx, from reportSource) error {
	rows := 0
	var c clickCounts
	return r.each(ctx, tx, from, []any{&c.clicks, &c.uniques, &c.bots, &c.others}, func(key reportKey) error {
		rows++
		r.clicks[key] = c
		if key.sub1 != "" {
			whole := key
			whole.sub1 = ""
			r.clicks[whole] = r.clicks[whole].minus(c)
		}
		return bounded(rows)
	})
}

func (r *tally) readMoney(ctx context.Context, tx *sql.Tx, from reportSource) error {
	rows := 0
	var m moneySums
	into := []any{&m.currency, &m.pending, &m.approved, &m.rejected, &m.duplicated,
		&m.amount.high, &m.amount.low, &m.wage.high, &m.wage.low, &m.wagePaid.high, &m.wagePaid.low}
	return r.each(ctx, tx, from, into, func(key reportKey) error {
		if m.isNothing() {
			return nil
		}
		rows++
		r.money[key] = append(r.money[key], m)
		if key.sub1 != "" && !from.partners {
			whole := key
			whole.sub1 = ""
			r.takeMoney(whole, m)
		}
		return bounded(rows)
	})
}

// takeMoney takes the sums out of those of the key in the same currency.
func (r *tally) takeMoney(key reportKey, m moneySums) {
	sums := r.money[key]
	i := slices.IndexFunc(sums, func(o moneySums) bool { return o.currency == m.currency })
	if i < 0 {
		sums, i = append(sums, moneySums{currency: m.currency}), len(sums)
	}
	if sums[i] = sums[i].minus(m); sums[i].isNothing() {
		sums = slices.Delete(sums, i, i+1)
	}
	if r.money[key] = sums; len(sums) == 0 {
		delete(r.money, key)
	}
}

// each calls yield with each key of the source, when into has what its sums are.
func (r *tally) each(ctx context.Context, tx *sql.Tx, from reportSource, into []any, yield func(key reportKey) error) error {
	query, args := r.statement(from)
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reading sums: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var k reportKey
		key := []any{&k.day, &k.affiliateID, &k.affiliate, &k.campaignID, &k.campaign, &k.linkID, &k.code, &k.sub1}
		if err := rows.Scan(append(key, into...)...); err != nil {
			return fmt.Errorf("reading sums: %w", err)
		}
		if err := yield(k); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading sums: %w", err)
	}
	return nil
}

// bounded returns an Invalid if there are too many rows.
func bounded(rows int) error {
	if rows <= reportRows {
		return nil
	}
	return tracker.Invalid{{Field: "by", Message: fmt.Sprintf("makes more than %d rows; ask for fewer days, "+
		"fewer dimensions, or one affiliate or campaign", reportRows)}}
}

// rows are the report's lines, one for each currency. The clicks of a key stand in the first.
func (r *tally) rows() ([]tracker.ReportRow, error) {
	rows := make([]tracker.ReportRow, 0, len(r.clicks)+len(r.money))
	for key, clicks := range r.clicks {
		if _, more := r.money[key]; !more && clicks != (clickCounts{}) {
			rows = append(rows, r.row(key, clicks, moneySums{}))
		}
	}
	for key, sums := range r.money {
		slices.SortFunc(sums, func(a, b moneySums) int { return strings.Compare(a.currency, b.currency) })
		clicks := r.clicks[key]
		for _, m := range sums {
			rows = append(rows, r.row(key, clicks, m))
			clicks = clickCounts{}
		}
	}
	if err := bounded(len(rows)); err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b tracker.ReportRow) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.AffiliateID, b.AffiliateID),
			cmp.Compare(a.CampaignID, b.CampaignID), cmp.Compare(a.LinkID, b.LinkID),
			cmp.Compare(a.Sub1, b.Sub1), cmp.Compare(a.Currency, b.Currency))
	})
	return rows, nil
}

func (r *tally) row(k reportKey, c clickCounts, m moneySums) tracker.ReportRow {
	row := tracker.ReportRow{
		AffiliateID: k.affiliateID, Affiliate: k.affiliate, CampaignID: k.campaignID, Campaign: k.campaign,
		LinkID: k.linkID, Code: k.code, Sub1: k.sub1,
		Clicks: c.clicks, UniqueClicks: c.uniques, Bots: c.bots, OtherClicks: c.others,
		Currency: m.currency, Conversions: m.pending + m.approved, Pending: m.pending, Approved: m.approved,
		Rejected: m.rejected, Duplicated: m.duplicated, Amount: m.amount.number(), Wage: m.wage.number(), WagePaid: m.wagePaid.number(),
	}
	if r.by[tracker.ByDay] {
		row.Day = time.UnixMilli(k.day * dayMillis).UTC().Format(time.DateOnly)
	}
	return row
}
