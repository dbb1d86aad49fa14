package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// daySums are moves of conversion_day that have not been written yet. A transaction writes them last and in the order of
// their keys, so that no two transactions wait for each other's rows.
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

// write adds the moves to the sums.
func (d daySums) write(ctx context.Context, tx *sql.Tx) error {
	keys := make([]dayKey, 0, len(d))
	for key, sum := range d {
		if sum != (daySum{}) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, dayKey.compare)
	for _, k := range keys {
		sum := d[k]
		_, err := tx.ExecContext(ctx, `INSERT INTO conversion_day
			(network, day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid, conversions, amount_high, amount, wage_high, wage)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (network, day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid) DO UPDATE SET
			conversions = conversion_day.conversions + excluded.conversions,
			amount_high = conversion_day.amount_high + excluded.amount_high, amount = conversion_day.amount + excluded.amount,
			wage_high = conversion_day.wage_high + excluded.wage_high, wage = conversion_day.wage + excluded.wage`,
			k.network, k.day, k.affiliate, k.campaign, k.link, k.sub1, k.currency, string(k.status), k.paid,
			sum.conversions, sum.amount.high, sum.amount.low, sum.wage.high, sum.wage.low)
		if err != nil {
			return fmt.Errorf("moving a day's sums: %w", err)
		}
	}
	return nil
}
