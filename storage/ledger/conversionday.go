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

// daySummary is a table of sums by day, with what its rows are told apart by.
type daySummary struct {
	table string
	by    []string
	of    func(dayKey) (key dayKey, summed bool) // the row that those of conversion_day of that key are summed up in, if any is
	where string                                 // the same of the conversions, in SQL
}

// daySummaries are the tables that moves go to, in the order in which they are written.
var daySummaries = []daySummary{
	{
		"conversion_day", []string{"network", "day", "affiliate_id", "campaign_id", "link_id", "sub1", "currency", "status", "paid"},
		func(k dayKey) (dayKey, bool) { return k, true }, "true",
	},
	{
		"conversion_partner_day", []string{"network", "day", "affiliate_id", "campaign_id", "currency", "status", "paid"},
		func(k dayKey) (dayKey, bool) {
			k.link, k.sub1 = 0, ""
			return k, true
		}, "true",
	},
	{
		"conversion_sub_day", []string{"network", "day", "sub1", "currency", "status", "paid"},
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
	for _, name := range s.by {
		columns = append(columns, dayColumn(name, keys))
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
		Table: s.table, Key: strings.Join(s.by, ", "), Len: len(keys), Columns: columns,
		Conflict: strings.ReplaceAll(`UPDATE SET conversions = t.conversions + excluded.conversions,
			amount_high = t.amount_high + excluded.amount_high, amount = t.amount + excluded.amount,
			wage_high = t.wage_high + excluded.wage_high, wage = t.wage + excluded.wage`, "t.", s.table+"."),
	}
}

// dayColumn is the column of the keys that has that name.
func dayColumn(name string, keys []dayKey) Column {
	c := Column{Name: name}
	switch name {
	case "network":
		c.Text = each(keys, func(k dayKey) string { return k.network })
	case "day":
		c.Int = each(keys, func(k dayKey) int64 { return k.day })
	case "affiliate_id":
		c.Int = each(keys, func(k dayKey) int64 { return k.affiliate })
	case "campaign_id":
		c.Int = each(keys, func(k dayKey) int64 { return k.campaign })
	case "link_id":
		c.Int = each(keys, func(k dayKey) int64 { return k.link })
	case "sub1":
		c.Text = each(keys, func(k dayKey) string { return k.sub1 })
	case "currency":
		c.Text = each(keys, func(k dayKey) string { return k.currency })
	case "status":
		c.Text = each(keys, func(k dayKey) string { return string(k.status) })
	case "paid":
		c.Truth = each(keys, func(k dayKey) bool { return k.paid })
	}
	return c
}

// each returns what of makes of each of all.
func each[T, V any](all []T, of func(T) V) []V {
	values := make([]V, len(all))
	for i, one := range all {
		values[i] = of(one)
	}
	return values
}
