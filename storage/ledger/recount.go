package ledger

import (
	"context"
	"fmt"
)

// Recount counts the sums of reports that are not what the conversions come to, of all networks; more than 0 is our bug. It reads
// every conversion: a few seconds for a million.
func (l *Ledger) Recount(ctx context.Context) (wrong int64, err error) {
	for _, s := range daySummaries {
		var n int64
		if err := l.db.Read.QueryRowContext(ctx, s.recount()).Scan(&n); err != nil {
			return 0, l.told(fmt.Errorf("counting the conversions anew: %w", err))
		}
		wrong += n
	}
	return wrong, nil
}

// recount puts every conversion beside the sums of its day with the opposite sign, so that what is left is wrong. The parts of a
// sum may be carried into each other in different ways: only what they come to is compared.
func (s daySummary) recount() string {
	by := s.list(func(c dayColumn) string { return c.name })
	ofConversion := s.list(func(c dayColumn) string { return c.ofConversion })
	return `SELECT count(*) FROM (SELECT network FROM (
		SELECT ` + by + `, conversions, amount_high, amount, wage_high, wage FROM ` + s.table + `
		UNION ALL
		SELECT ` + ofConversion + `, -1, -(amount / 1000000000), -(amount % 1000000000),
			-(wage / 1000000000), -(wage % 1000000000) FROM conversion WHERE ` + s.where + `) d
		GROUP BY ` + by + `
		HAVING sum(conversions) <> 0
		OR CAST(sum(amount) AS bigint) % 1000000000 <> 0 OR sum(amount_high) + CAST(sum(amount) AS bigint) / 1000000000 <> 0
		OR CAST(sum(wage) AS bigint) % 1000000000 <> 0 OR sum(wage_high) + CAST(sum(wage) AS bigint) / 1000000000 <> 0) wrong`
}
