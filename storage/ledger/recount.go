package ledger

import (
	"context"
	"fmt"
)

// recountDays puts every conversion beside the sums of its day with the opposite sign, so that what is left is wrong. The parts of a
// sum may be carried into each other in different ways: only what they come to is compared.
const recountDays = `SELECT count(*) FROM (SELECT network FROM (
	SELECT network, day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid, conversions, amount_high, amount,
		wage_high, wage FROM conversion_day
	UNION ALL
	SELECT network, occurred_at / 86400000, affiliate_id, campaign_id, link_id, sub1, currency, status, paid_at <> 0, -1,
		-(amount / 1000000000), -(amount % 1000000000), -(wage / 1000000000), -(wage % 1000000000) FROM conversion) d
	GROUP BY network, day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid
	HAVING sum(conversions) <> 0
	OR CAST(sum(amount) AS bigint) % 1000000000 <> 0 OR sum(amount_high) + CAST(sum(amount) AS bigint) / 1000000000 <> 0
	OR CAST(sum(wage) AS bigint) % 1000000000 <> 0 OR sum(wage_high) + CAST(sum(wage) AS bigint) / 1000000000 <> 0) wrong`

// Recount counts the sums of reports that are not what the conversions come to, of all networks; more than 0 is our bug. It reads
// every conversion: a few seconds for a million.
func (l *Ledger) Recount(ctx context.Context) (wrong int64, err error) {
	if err := l.db.Read.QueryRowContext(ctx, recountDays).Scan(&wrong); err != nil {
		return 0, l.told(fmt.Errorf("counting the conversions anew: %w", err))
	}
	return wrong, nil
}
