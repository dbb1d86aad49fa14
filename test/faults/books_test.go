package faults

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// PostgreSQL is killed and comes back while shops report sales, approve and refund them by the API, and repeat each request
// until it is answered: each counts once, each repeat gets the first one's answer, and the sums are those of the rows.
func TestPostgresKilledUnderTheAPI(t *testing.T) {
	server := servers.Postgres(t)
	dsn := server.Database(t)
	p := caddy.Start(t, strings.Replace(with(secret, "ledger postgres "+dsn), page, "http://:{$HTTP_PORT} {\n\taffiliate_api\n}\n", 1))
	p.AwaitHealth()
	s := open(t, p, 8)
	for range check.Times(2, 30) {
		s.more(t, 20+rand.IntN(100))
		server.Kill()
		failed := s.failures()
		await(t, "the shops to notice", func() bool { return s.failures() >= failed+10 })
		server.Restart(t)
		back := time.Now()
		s.more(t, 1)
		t.Logf("an order was done %s after PostgreSQL was back", time.Since(back).Round(time.Millisecond))
	}
	s.more(t, 100)
	orders := s.stop()
	t.Logf("%d orders were done, %d requests made again", len(orders), s.failed)
	if s.wrong != nil {
		t.Error(s.wrong)
	}

	done := map[string]bool{}
	for _, order := range orders {
		done[order] = true
	}
	for _, c := range check.Counted(t, orders, 0, p) {
		if done[c.ExternalID] && (c.Status != "approved" || c.Amount != 900 || c.Wage != 90 || c.Affiliate != "Sara") {
			t.Fatalf("an order was approved and a tenth of it taken back; it is %+v", c)
		}
	}
	balanced(t, connect(t, dsn))
}

// balanced fails the test unless every sum of the books is that of what it sums up.
func balanced(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	const sums = `SELECT network, occurred_at / 86400000 AS day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid_at > 0 AS paid,
		count(*)::bigint AS conversions, sum(amount)::bigint AS amount, sum(wage)::bigint AS wage FROM conversion GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9`
	const amount, wage = `amount_high * 1000000000 + amount`, `wage_high * 1000000000 + wage`
	const columns, summed = `conversions, ` + amount + `, ` + wage, `sum(conversions)::bigint, sum(amount)::bigint, sum(wage)::bigint`
	const counted = ` WHERE conversions <> 0 OR ` + amount + ` <> 0 OR ` + wage + ` <> 0`
	const kept = `SELECT network, day, affiliate_id, campaign_id, link_id, sub1, currency, status, paid, conversions,
		` + amount + ` AS amount, ` + wage + ` AS wage FROM conversion_day` + counted
	const partners = `SELECT network, day, affiliate_id, campaign_id, currency, status, paid, `
	const subs = `SELECT network, day, sub1, currency, status, paid, `
	for what, question := range map[string]string{
		"sums of a partner that are not those of their links": `SELECT count(*) FROM ((` + partners + columns + ` FROM conversion_partner_day` + counted +
			`) EXCEPT (` + partners + summed + ` FROM (` + kept + `) k GROUP BY 1, 2, 3, 4, 5, 6, 7)) AS wrong`,
		"sums of links that their partner does not have": `SELECT count(*) FROM ((` + partners + summed + ` FROM (` + kept +
			`) k GROUP BY 1, 2, 3, 4, 5, 6, 7) EXCEPT (` + partners + columns + ` FROM conversion_partner_day)) AS wrong`,
		"sums of a sub-id that are not those of its links": `SELECT count(*) FROM ((` + subs + columns + ` FROM conversion_sub_day` + counted +
			`) EXCEPT (` + subs + summed + ` FROM (` + kept + `) k GROUP BY 1, 2, 3, 4, 5, 6)) AS wrong`,
		"sums of a day that the rows do not bear out": `SELECT count(*) FROM ((` + kept + `) EXCEPT (` + sums + `)) AS wrong`,
		"rows that the sums of their day do not have": `SELECT count(*) FROM ((` + sums + `) EXCEPT (` + kept + `)) AS wrong`,
		"conversions that are not the sum of their history": `SELECT count(*) FROM conversion c, LATERAL (SELECT sum(amount) AS amount,
			sum(wage) AS wage FROM conversion_change WHERE conversion_id = c.id) h WHERE (c.amount, c.wage) IS DISTINCT FROM (h.amount, h.wage)`,
		"conversions that are not the sum of their parts": `SELECT count(*) FROM conversion c, LATERAL (SELECT sum((part->>'sub_amount')::bigint) AS amount,
			sum((part->>'wage')::bigint) AS wage FROM json_array_elements(c.commissions::json) part) p
			WHERE (c.amount, c.wage) IS DISTINCT FROM (p.amount, p.wage)`,
		"refunds that were not taken once, as they say": `SELECT count(*) FROM refund r WHERE r.taken IS DISTINCT FROM
			coalesce((SELECT -sum(h.amount) FROM conversion_change h JOIN conversion c ON c.id = h.conversion_id
			WHERE c.network = r.network AND c.external_id = r.conversion_external_id AND c.type = r.conversion_type AND c.source = r.source
			AND h.kind = 'refund' AND h.external_id = r.external_id), 0)`,
	} {
		if n := number(t, conn, question); n > 0 {
			t.Errorf("there are %d %s", n, what)
		}
	}
	if rows, sums := number(t, conn, `SELECT count(*) FROM conversion`), number(t, conn, `SELECT sum(conversions) FROM conversion_day`); rows != sums || rows == 0 {
		t.Errorf("there are %d conversions, and %d in the sums", rows, sums)
	}
}
