package ledger

import (
	"fmt"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// reportSource is a table of daily sums.
type reportSource struct {
	table    string
	partners bool     // it has affiliates and campaigns itself; otherwise those of its links count
	sub1     bool     // it has sub-ids
	currency bool     // it has currencies
	sums     []string // what is summed up, of the table as d
}

var clickColumns = []string{`d.clicks`, `d.uniques`, `d.bots`, `d.others`}

var moneyColumns = []string{
	`CASE WHEN d.status = 'pending' THEN d.conversions ELSE 0 END`,
	`CASE WHEN d.status = 'approved' THEN d.conversions ELSE 0 END`,
	`CASE WHEN d.status = 'rejected' THEN d.conversions ELSE 0 END`,
	`CASE WHEN d.status = 'duplicated' THEN d.conversions ELSE 0 END`,
	`CASE WHEN d.status IN ('pending', 'approved') THEN d.amount_high ELSE 0 END`,
	`CASE WHEN d.status IN ('pending', 'approved') THEN d.amount ELSE 0 END`,
	`CASE WHEN d.status IN ('pending', 'approved') THEN d.wage_high ELSE 0 END`,
	`CASE WHEN d.status IN ('pending', 'approved') THEN d.wage ELSE 0 END`,
	`CASE WHEN d.status IN ('pending', 'approved') AND d.paid THEN d.wage_high ELSE 0 END`,
	`CASE WHEN d.status IN ('pending', 'approved') AND d.paid THEN d.wage ELSE 0 END`,
}

var (
	clickSource    = reportSource{table: `click_day`, sums: clickColumns}
	clickSubSource = reportSource{table: `click_sub_day`, sub1: true, sums: clickColumns}
	subSource      = reportSource{table: `sub_day`, sub1: true, sums: clickColumns} // of all links together
	moneySource    = reportSource{table: `conversion_day`, partners: true, sub1: true, currency: true, sums: moneyColumns}
	partnerSource  = reportSource{table: `conversion_partner_day`, partners: true, currency: true, sums: moneyColumns}
	moneySubSource = reportSource{table: `conversion_sub_day`, sub1: true, currency: true, sums: moneyColumns} // of all partners together
)

// statement returns the query of the source's sums by the report's dimensions, with the names that they have, and what it
// binds. Of a dimension that the report does not have there is nothing. What comes before the names is bounded.
func (r *tally) statement(from reportSource) (query string, args []any) {
	table, s := r.source(from)
	g := grouping{sums: from.sums}
	partner := `d`
	if !from.partners && (r.by[tracker.ByAffiliate] || r.by[tracker.ByCampaign]) {
		// By link first: there are few of them, and each is looked up once.
		partner = `p`
		inner := grouping{sums: from.sums}
		inner.by(r.by[tracker.ByDay], `d.day`, `0`, `day`)
		inner.by(true, `d.link_id`, ``, `link_id`)
		inner.by(r.by[tracker.BySub1] && from.sub1, `d.sub1`, `''`, `sub1`)
		table = `(` + inner.query(table+s.text) + `) AS d JOIN link p ON p.id = d.link_id`
		s.text, g.sums = ``, inner.names()
	}
	g.by(r.by[tracker.ByDay], `d.day`, `0`, `day`)
	g.by(r.by[tracker.ByAffiliate], partner+`.affiliate_id`, `0`, `affiliate_id`)
	g.by(r.by[tracker.ByCampaign], partner+`.campaign_id`, `0`, `campaign_id`)
	g.by(r.by[tracker.ByLink], `d.link_id`, `0`, `link_id`)
	g.by(r.by[tracker.BySub1] && from.sub1, `d.sub1`, `''`, `sub1`)
	g.by(from.currency, `d.currency`, `''`, `currency`)
	query = `(` + g.query(table+s.text) + ` LIMIT ` + s.bind(reportRows+1) + `) AS d`
	return r.named(query, from, g), s.args
}

// source is the table with its condition. Of one affiliate or campaign clicks are looked up by link.
func (r *tally) source(from reportSource) (table string, s *selection) {
	q := r.query
	if from.partners || q.AffiliateID == 0 && q.CampaignID == 0 {
		table, s = from.table+` d`, selectOf(`d.network`, r.network)
		andIf(s, `d.affiliate_id = ?`, q.AffiliateID)
		andIf(s, `d.campaign_id = ?`, q.CampaignID)
	} else {
		table, s = `link k JOIN `+from.table+` d ON d.link_id = k.id`, selectOf(`k.network`, r.network)
		andIf(s, `k.affiliate_id = ?`, q.AffiliateID)
		andIf(s, `k.campaign_id = ?`, q.CampaignID)
	}
	s.and(`d.day >= ?`, dayOf(q.From))
	s.and(`d.day <= ?`, dayOf(q.To))
	return table, s
}

// named adds the names of the numbers that the report shows.
func (r *tally) named(query string, from reportSource, g grouping) string {
	columns := []string{`d.day`}
	joins := ``
	for _, n := range []struct {
		by                  tracker.ReportBy
		number, table, name string
	}{
		{tracker.ByAffiliate, `affiliate_id`, `affiliate`, `name`},
		{tracker.ByCampaign, `campaign_id`, `campaign`, `name`},
		{tracker.ByLink, `link_id`, `link`, `code`},
	} {
		columns = append(columns, `d.`+n.number)
		if r.by[n.by] {
			columns = append(columns, fmt.Sprintf(`coalesce(%s_.%s, '')`, n.table, n.name))
			joins += fmt.Sprintf(` LEFT JOIN %[1]s %[1]s_ ON %[1]s_.id = d.%[2]s`, n.table, n.number)
		} else {
			columns = append(columns, `''`)
		}
	}
	columns = append(columns, `d.sub1`)
	if from.currency {
		columns = append(columns, `d.currency`)
	}
	return `SELECT ` + strings.Join(append(columns, g.names()...), `, `) + ` FROM ` + query + joins
}

// grouping is a query of sums by dimensions.
type grouping struct {
	columns, groups, sums []string
}

// by adds a column: a dimension if it is wanted, or nothing.
func (g *grouping) by(wanted bool, column, nothing, name string) {
	if wanted {
		g.groups = append(g.groups, column)
	} else {
		column = nothing
	}
	g.columns = append(g.columns, column+` AS `+name)
}

func (g *grouping) query(from string) string {
	columns := g.columns
	for i, sum := range g.sums {
		columns = append(columns, fmt.Sprintf(`CAST(sum(%s) AS bigint) AS sum%d`, sum, i))
	}
	query := `SELECT ` + strings.Join(columns, `, `) + ` FROM ` + from
	if len(g.groups) > 0 {
		query += ` GROUP BY ` + strings.Join(g.groups, `, `)
	}
	return query + ` HAVING count(*) > 0`
}

// names are the sums in the query around this one, as d.
func (g *grouping) names() []string {
	names := make([]string, len(g.sums))
	for i := range names {
		names[i] = fmt.Sprintf(`d.sum%d`, i)
	}
	return names
}
