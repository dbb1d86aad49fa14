package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx

	_ "github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite" // the driver sqlite
)

// What the books are filled with. The lower a link's number, the more conversions it has; of 100 conversions
// 55 are approved, 30 pending, 12 rejected and 3 duplicated, and what was approved 60 days ago is paid.
const (
	conversions    = 1_000_000
	conversionDays = 400
	maxAmount      = 100_000
	wagePart       = 10 // a tenth of the amount

	links      = 2000
	linksOfOne = 100 // of one affiliate
	reportDays = 30
)

// fill is the statements that fill the books, the same for both engines. They copy what all conversions have in common from
// one that the API made, and make up the rest; only the kept answers, which no list reads, they leave out.
var fill = []string{
	`CREATE TEMPORARY TABLE model AS SELECT c.*, e.time, e.actor, e.hash, e.rules, e.decision FROM conversion c
	JOIN conversion_change e ON e.conversion_id = c.id AND e.n = 1 ORDER BY c.id LIMIT 1`,

	`CREATE TEMPORARY TABLE made AS ` + numbers(conversions) + `, drawn AS (
		SELECT i, r1 * 100 / @p AS state, 1 + r2 * r2 / @p * @links / @p AS link_id, 1 + r3 * @maxAmount / @p AS amount,
		@now - (@conversions - i) * @step AS at, r4 * 100 / @p AS way, r5 * 5 / @p AS sub
		FROM random)
	SELECT i, '01900000-0000-7000-8000-' || CAST(100000000000 + i AS text) AS id, 'filled-' || CAST(i AS text) AS external_id,
	CASE WHEN state < 55 THEN 'approved' WHEN state < 85 THEN 'pending' WHEN state < 97 THEN 'rejected' ELSE 'duplicated' END AS status,
	CASE WHEN state < 85 THEN amount / @wagePart ELSE 0 END AS wage, state < 55 AND at < @now - 60 * @day AS paid,
	CASE WHEN way < 60 THEN 'api' WHEN way < 85 THEN 'header' WHEN way < 95 THEN 'postback' ELSE 'pixel' END AS source,
	CASE WHEN way % 7 = 0 THEN 'lead' ELSE 'sale' END AS type,
	'sub' || CAST(link_id % 40 * 5 + sub AS text) AS sub1, amount, at, link_id, 1 + (link_id - 1) / @linksOfOne AS affiliate_id
	FROM drawn`,

	`INSERT INTO conversion_identity (network, source, type, external_id, repeats)
	SELECT m.network, d.source, d.type, d.external_id, 1 FROM made d, model m ORDER BY d.i`,

	`INSERT INTO conversion (id, network, source, type, external_id, repeat, status, amount, currency, wage, closed, paid_at,
	affiliate_id, campaign_id, link_id, occurred_at, created_at, updated_at, code, session_id, visitor_id, customer_id, sub1, coupon,
	name, commissions, meta_data)
	SELECT d.id, m.network, d.source, d.type, d.external_id, 0, d.status, d.amount, m.currency, d.wage, d.paid,
	CASE WHEN d.paid THEN d.at + 60 * @day ELSE 0 END, d.affiliate_id, m.campaign_id, d.link_id, d.at, d.at,
	CASE WHEN d.paid THEN d.at + 60 * @day ELSE d.at END, 'link' || CAST(d.link_id AS text),
	'01900000-0000-7000-9000-' || CAST(100000000000 + d.i AS text), '01900000-0000-7000-a000-' || CAST(100000000000 + d.i / 3 AS text),
	'', d.sub1, '', '', m.commissions, '' FROM made d, model m ORDER BY d.i`,

	`INSERT INTO conversion_change (conversion_id, n, time, kind, status, amount, wage, external_id, note, actor, hash, rules,
	decision, answer)
	SELECT d.id, 1, d.at, 'created', d.status, d.amount, d.wage, '', '', m.actor, m.hash, m.rules, m.decision, ''
	FROM made d, model m ORDER BY d.i`,

	`INSERT INTO conversion_day (network, day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid, conversions, amount_high, amount, wage_high, wage)
	SELECT m.network, d.at / @day, d.affiliate_id, m.campaign_id, d.link_id, d.sub1, m.currency, d.status, d.paid, count(*),
	0, sum(d.amount), 0, sum(d.wage) FROM made d, model m WHERE d.at / @day < @now / @day AND d.at / @day >= @now / @day - @reportDays
	GROUP BY m.network, d.at / @day, d.affiliate_id, m.campaign_id, d.link_id, d.sub1, m.currency, d.status, d.paid`,

	`INSERT INTO conversion_partner_day (network, day, affiliate_id, campaign_id, currency, status, paid, conversions, amount_high, amount, wage_high, wage)
	SELECT network, day, affiliate_id, campaign_id, currency, status, paid, sum(conversions), sum(amount_high), sum(amount), sum(wage_high), sum(wage) FROM conversion_day
	WHERE day < @now / @day GROUP BY network, day, affiliate_id, campaign_id, currency, status, paid`,

	`INSERT INTO conversion_sub_day (network, day, sub1, currency, status, paid, conversions, amount_high, amount, wage_high, wage)
	SELECT network, day, sub1, currency, status, paid, sum(conversions), sum(amount_high), sum(amount), sum(wage_high), sum(wage) FROM conversion_day
	WHERE day < @now / @day AND sub1 <> '' GROUP BY network, day, sub1, currency, status, paid`,

	// What 167 sessions of each link a day come to, each with one of the link's five sub-ids: 10,050,000 in all.
	`INSERT INTO click_sub_day (network, day, link_id, sub1, clicks, uniques, bots, others) ` + numbers(reportDays*links*5) + `
	SELECT m.network, @now / @day - @reportDays + (i - 1) / (5 * @links), 1 + (i - 1) / 5 % @links,
	'sub' || CAST((1 + (i - 1) / 5 % @links) % 40 * 5 + i % 5 AS text), 12 + r1 * 21 / @p, 8 + r2 * 5 / @p, 5 + r3 * 7 / @p, r4 * 8 / @p
	FROM random, model m ORDER BY i`,

	`INSERT INTO click_day (network, day, link_id, clicks, uniques, bots, others)
	SELECT network, day, link_id, sum(clicks), sum(uniques), sum(bots), sum(others) FROM click_sub_day
	WHERE day < @now / @day GROUP BY network, day, link_id ORDER BY day, link_id`,

	`INSERT INTO sub_day (network, day, sub1, clicks, uniques, bots, others)
	SELECT network, day, sub1, sum(clicks), sum(uniques), sum(bots), sum(others) FROM click_sub_day
	WHERE day < @now / @day GROUP BY network, day, sub1 ORDER BY day, sub1`,
}

// numbers is the beginning of a statement that has the table random, of i and numbers from 0 to below @p. The factors are
// those that Fishman and Moore found best for the modulus 2³¹ − 1 (SIAM J. Sci. Stat. Comput. 7, 1986).
func numbers(n int) string {
	return fmt.Sprintf(`WITH RECURSIVE counted (i) AS (SELECT CAST(1 AS bigint) UNION ALL SELECT i + 1 FROM counted WHERE i < %d),
	random AS (SELECT i, i * 742938285 %% @p AS r1, i * 950706376 %% @p AS r2, i * 1226874159 %% @p AS r3,
		i * 62089911 %% @p AS r4, i * 1343714438 %% @p AS r5 FROM counted)`, n)
}

// fillBoth fills both engines' books at once, while their Caddys are down.
func fillBoth(sqlite, postgres *books, dsn string) {
	sqlite.b.Helper()
	sqlite.Term()
	postgres.Term()
	file := "file:" + filepath.Join(sqlite.Dir, "ledger.db") +
		"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-524288)&_pragma=temp_store(MEMORY)"
	ctx := sqlite.b.Context()
	var errs [2]error
	var both sync.WaitGroup
	both.Go(func() {
		errs[0] = fillBooks(ctx, "sqlite", file, nil,
			`SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'conversion' AND sql IS NOT NULL`, nil)
	})
	both.Go(func() {
		errs[1] = fillBooks(ctx, "pgx", dsn,
			[]string{`SET session_replication_role = replica`, `SET synchronous_commit = off`, `SET maintenance_work_mem = '512MB'`},
			`SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'conversion' AND indexname <> 'conversion_pkey'`,
			[]string{`VACUUM (ANALYZE)`, `CHECKPOINT`}) // as autovacuum would within the minute
	})
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		sqlite.b.Fatal(err)
	}
	for _, s := range []*books{sqlite, postgres} {
		s.Restart()
		s.AwaitHealth()
	}
}

// fillBooks runs the statements. Meanwhile conversions have no index but their key, which is several times faster.
func fillBooks(ctx context.Context, driver, dsn string, before []string, indexes string, after []string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := db.Conn(ctx) // one, since its settings and temporary tables are
	if err != nil {
		return err
	}
	defer c.Close()
	names, definitions, err := readIndexes(ctx, c, indexes)
	if err != nil {
		return err
	}
	for _, name := range names {
		before = append(before, `DROP INDEX `+name)
	}
	for _, statement := range slices.Concat(before, fill, definitions, after) {
		statement = named.Replace(statement)
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("filling the books: %w:\n%s", err, statement)
		}
	}
	return nil
}

// named puts numbers in the place of their names.
var named = strings.NewReplacer(
	"@p", "2147483647", "@now", fmt.Sprint(time.Now().UnixMilli()), "@day", "CAST(86400000 AS bigint)", "@conversions", fmt.Sprint(conversions),
	"@step", fmt.Sprint(conversionDays*24*(int64(time.Hour)/1e6)/conversions),
	"@maxAmount", fmt.Sprint(maxAmount), "@wagePart", fmt.Sprint(wagePart),
	"@linksOfOne", fmt.Sprint(linksOfOne), "@links", fmt.Sprint(links), "@reportDays", fmt.Sprint(reportDays))

func readIndexes(ctx context.Context, c *sql.Conn, query string) (names, definitions []string, err error) {
	rows, err := c.QueryContext(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, definition string
		if err := rows.Scan(&name, &definition); err != nil {
			return nil, nil, err
		}
		names, definitions = append(names, name), append(definitions, definition)
	}
	return names, definitions, rows.Err()
}
