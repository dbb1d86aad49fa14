package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// daySums are moves of conversion_day, and of what it is summed up in, that have not been written yet. A transaction writes
// them last, one table after the other and each in the order of its keys, so that no two transactions wait for each other's rows.
type daySums map[dayKey]daySum

type dayKey struct {
	network                        string
	day, affiliate, campaign, link int64
	sub1, currency                 string
	status                         tracker.ConversionStatus
	paid                           bool
}

type daySum struct {
	conversions  int64
	amount, wage wideSum
}

// move counts after instead of before; either may be nil.
func (d daySums) move(before, after *tracker.Conversion) {
	d.count(before, -1)
	d.count(after, 1)
}

// add adds other moves.
func (d daySums) add(o daySums) {
	for key, sum := range o {
		d.book(key, sum)
	}
}

func (d daySums) book(key dayKey, by daySum) {
	sum := d[key]
	d[key] = daySum{sum.conversions + by.conversions, sum.amount.plus(by.amount), sum.wage.plus(by.wage)}
}

func (d daySums) count(c *tracker.Conversion, sign int64) {
	if c == nil {
		return
	}
	key := dayKey{
		network: c.Network, day: dayOf(c.OccurredAt), affiliate: c.AffiliateID, campaign: c.CampaignID, link: c.LinkID,
		sub1: c.Sub1, currency: c.Currency, status: c.Status, paid: c.CheckedOut,
	}
	d.book(key, daySum{sign, wide(sign * c.Amount), wide(sign * c.Wage)})
}

// dayOf is the day of a time: UTC, counted from 1970.
func dayOf(t time.Time) int64 { return millis(t) / (24 * time.Hour).Milliseconds() }

func (k dayKey) compare(o dayKey) int {
	return cmp.Or(
		cmp.Compare(k.network, o.network), cmp.Compare(k.day, o.day), cmp.Compare(k.affiliate, o.affiliate),
		cmp.Compare(k.campaign, o.campaign), cmp.Compare(k.link, o.link), cmp.Compare(k.sub1, o.sub1),
		cmp.Compare(k.currency, o.currency), cmp.Compare(k.status, o.status), compareBool(k.paid, o.paid),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// dayColumn is a column that rows of sums are told apart by.
type dayColumn struct {
	name         string
	ofConversion string                     // what it is of a conversion, in SQL
	of           func(keys []dayKey) Column // and of keys, without its name
}

// The columns in the order of dayKey.
var (
	dayNetwork   = dayColumn{"network", "network", dayText(func(k dayKey) string { return k.network })}
	dayDay       = dayColumn{"day", "occurred_at / 86400000", dayNumber(func(k dayKey) int64 { return k.day })}
	dayAffiliate = dayColumn{"affiliate_id", "affiliate_id", dayNumber(func(k dayKey) int64 { return k.affiliate })}
	dayCampaign  = dayColumn{"campaign_id", "campaign_id", dayNumber(func(k dayKey) int64 { return k.campaign })}
	dayLink      = dayColumn{"link_id", "link_id", dayNumber(func(k dayKey) int64 { return k.link })}
	daySub1      = dayColumn{"sub1", "sub1", dayText(func(k dayKey) string { return k.sub1 })}
	dayCurrency  = dayColumn{"currency", "currency", dayText(func(k dayKey) string { return k.currency })}
	dayStatus    = dayColumn{"status", "status", dayText(func(k dayKey) string { return string(k.status) })}
	dayPaid      = dayColumn{"paid", "paid_at <> 0", func(keys []dayKey) Column {
		return Column{Truth: each(keys, func(k dayKey) bool { return k.paid })}
	}}
)

func dayText(of func(dayKey) string) func([]dayKey) Column {
	return func(keys []dayKey) Column { return Column{Text: each(keys, of)} }
}

func dayNumber(of func(dayKey) int64) func([]dayKey) Column {
	return func(keys []dayKey) Column { return Column{Int: each(keys, of)} }
}

// daySummary is a table of sums by day, with what its rows are told apart by.
type daySummary struct {
	table string
	by    []dayColumn
	of    func(dayKey) (key dayKey, summed bool) // the row that those of conversion_day of that key are summed up in, if any is
	where string                                 // the same of the conversions, in SQL
}

// daySummaries are the tables that moves go to, in the order in which they are written.
var daySummaries = []daySummary{
	{
		"conversion_day", []dayColumn{dayNetwork, dayDay, dayAffiliate, dayCampaign, dayLink, daySub1, dayCurrency, dayStatus, dayPaid},
		func(k dayKey) (dayKey, bool) { return k, true }, "true",
	},
	{
		"conversion_partner_day", []dayColumn{dayNetwork, dayDay, dayAffiliate, dayCampaign, dayCurrency, dayStatus, dayPaid},
		func(k dayKey) (dayKey, bool) {
			k.link, k.sub1 = 0, ""
			return k, true
		}, "true",
	},
	{
		"conversion_sub_day", []dayColumn{dayNetwork, dayDay, daySub1, dayCurrency, dayStatus, dayPaid},
		func(k dayKey) (dayKey, bool) {
			k.affiliate, k.campaign, k.link = 0, 0, 0
			return k, k.sub1 != ""
		}, "sub1 <> ''",
	},
}

// write adds the moves to the sums.
func (d daySums) write(ctx context.Context, l *Ledger, tx *sql.Tx) error {
	for _, s := range daySummaries {
		sums := daySums{}
		for key, sum := range d {
			if of, summed := s.of(key); summed {
				sums.book(of, sum)
			}
		}
		maps.DeleteFunc(sums, func(_ dayKey, sum daySum) bool { return sum == daySum{} })
		if len(sums) == 0 {
			continue
		}
		if _, err := l.db.Insert(ctx, tx, s.rows(sums)); err != nil {
			return fmt.Errorf("moving a day's sums: %w", err)
		}
	}
	return nil
}

// rows lays the sums out by column.
func (s daySummary) rows(sums daySums) Rows {
	keys := slices.SortedFunc(maps.Keys(sums), dayKey.compare)
	columns := make([]Column, 0, len(s.by)+5)
	for _, by := range s.by {
		column := by.of(keys)
		column.Name = by.name
		columns = append(columns, column)
	}
	for _, c := range []struct {
		name string
		of   func(daySum) int64
	}{
		{"conversions", func(n daySum) int64 { return n.conversions }},
		{"amount_high", func(n daySum) int64 { return n.amount.high }},
		{"amount", func(n daySum) int64 { return n.amount.low }},
		{"wage_high", func(n daySum) int64 { return n.wage.high }},
		{"wage", func(n daySum) int64 { return n.wage.low }},
	} {
		columns = append(columns, Column{Name: c.name, Int: each(keys, func(k dayKey) int64 { return c.of(sums[k]) })})
	}
	return Rows{
		Table: s.table, Key: s.list(func(c dayColumn) string { return c.name }), Len: len(keys), Columns: columns,
		Conflict: strings.ReplaceAll(`UPDATE SET conversions = t.conversions + excluded.conversions,
			amount_high = t.amount_high + excluded.amount_high, amount = t.amount + excluded.amount,
			wage_high = t.wage_high + excluded.wage_high, wage = t.wage + excluded.wage`, "t.", s.table+"."),
	}
}

// list is what of says of the columns that rows are told apart by, with commas.
func (s daySummary) list(of func(dayColumn) string) string { return strings.Join(each(s.by, of), ", ") }

// each returns what of makes of each of all.
func each[T, V any](all []T, of func(T) V) []V {
	values := make([]V, len(all))
	for i, one := range all {
		values[i] = of(one)
	}
	return values
}
