package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// maxReportDays is how many days a report may be over, the first and the last included. The ledger has the same bound.
const maxReportDays = 400

func (a *API) reports() {
	register(a, operation{
		id: "get-report", method: http.MethodGet, path: "reports", scope: "reports:read",
		summary: "Clicks and conversions in sums", answer: List[tracker.ReportRow]{}, csv: true,
		about: fmt.Sprintf("Over at most %d days in UTC, by up to three dimensions besides the currency, in one answer. Where a line has "+
			"conversions in several currencies there is one row for each, and the clicks stand in the first.", maxReportDays),
	}, a.getReport)
}

type reportQuery struct {
	From        string   `query:"from" required:"true" format:"date" doc:"the first day"`
	To          string   `query:"to" required:"true" format:"date" doc:"the last day"`
	By          []string `query:"by" enum:"day,affiliate,campaign,link,sub1,currency" doc:"with commas between them, up to three besides currency; default: none"`
	AffiliateID int64    `query:"affiliate_id" minimum:"1"`
	CampaignID  int64    `query:"campaign_id" minimum:"1"`
	Format      string   `query:"format" enum:"json,csv" doc:"csv for CSV, as the header Accept: text/csv"`
}

func (in *reportQuery) query() (tracker.ReportQuery, error) {
	q := tracker.ReportQuery{AffiliateID: in.AffiliateID, CampaignID: in.CampaignID}
	var wrong tracker.Invalid
	day := func(name, text string) time.Time {
		t, err := time.Parse(time.DateOnly, text)
		if err != nil {
			wrong.Add(name, "must be a day such as 2026-01-31")
		}
		return t
	}
	q.From, q.To = day("from", in.From), day("to", in.To)
	switch after := int(q.To.Sub(q.From) / (24 * time.Hour)); {
	case len(wrong) > 0:
	case after < 0:
		wrong.Add("to", "is before from")
	case after >= maxReportDays:
		wrong.Add("to", fmt.Sprintf("is more than %d days after from, and a report is over at most %d", maxReportDays-1, maxReportDays))
	}
	for _, by := range in.By {
		q.By = append(q.By, tracker.ReportBy(by))
	}
	return q, wrong.Err()
}

func (a *API) getReport(ctx context.Context, c *call, in *reportQuery) (answer, error) {
	query, err := in.query()
	if err != nil {
		return nil, err
	}
	rows, err := c.books.Report(ctx, c.network, query)
	if err != nil {
		return nil, err
	}
	return listing(rows, "", reportColumns), nil
}

var reportColumns = []column[tracker.ReportRow]{
	{"day", func(r *tracker.ReportRow) any { return r.Day }},
	{"affiliate_id", func(r *tracker.ReportRow) any { return number(r.AffiliateID) }},
	{"affiliate", func(r *tracker.ReportRow) any { return r.Affiliate }},
	{"campaign_id", func(r *tracker.ReportRow) any { return number(r.CampaignID) }},
	{"campaign", func(r *tracker.ReportRow) any { return r.Campaign }},
	{"link_id", func(r *tracker.ReportRow) any { return number(r.LinkID) }},
	{"code", func(r *tracker.ReportRow) any { return r.Code }},
	{"sub1", func(r *tracker.ReportRow) any { return r.Sub1 }},
	{"clicks", func(r *tracker.ReportRow) any { return r.Clicks }},
	{"unique_clicks", func(r *tracker.ReportRow) any { return r.UniqueClicks }},
	{"bots", func(r *tracker.ReportRow) any { return r.Bots }},
	{"other_clicks", func(r *tracker.ReportRow) any { return r.OtherClicks }},
	{"currency", func(r *tracker.ReportRow) any { return r.Currency }},
	{"conversions", func(r *tracker.ReportRow) any { return r.Conversions }},
	{"pending", func(r *tracker.ReportRow) any { return r.Pending }},
	{"approved", func(r *tracker.ReportRow) any { return r.Approved }},
	{"rejected", func(r *tracker.ReportRow) any { return r.Rejected }},
	{"duplicated", func(r *tracker.ReportRow) any { return r.Duplicated }},
	{"amount", func(r *tracker.ReportRow) any { return r.Amount }},
	{"wage", func(r *tracker.ReportRow) any { return r.Wage }},
	{"wage_paid", func(r *tracker.ReportRow) any { return r.WagePaid }},
}
