package ledgertest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var reportTests = []test{
	{"clicks are what a plain count says", testReportClicks},
	{"unique clicks", testUniques},
	{"clicks and money in one line", testReportLines},
	{"money by sub-id", testReportSubs},
	{"filters and another network's", testReportFilters},
	{"what is no report", testReportInvalid},
	{"too many rows", testReportBound},
}

// testReportClicks applies varied sessions in batches of all sizes from two origins, some of them refused and some given
// twice, and compares the reports with a plain count over what has landed.
func testReportClicks(t *testing.T, db Database) {
	l, random := open(t, db), rand.New(rand.NewPCG(5, 6))
	for i := range 3 {
		addLink(t, l, ledger.NewLink{Code: fmt.Sprintf("code-%d", i), Affiliate: fmt.Sprintf("partner %d", i/2)})
	}
	origins := []string{newOrigin(), newOrigin()}
	next := []uint64{1, 1}
	var given, landed []ledger.Record
	for range 40 {
		of := random.IntN(2)
		batch := variedSessions(random, next[of], 1+random.IntN(40))
		for i := range batch {
			switch random.IntN(12) {
			case 0:
				batch[i].Session.Time = time.UnixMilli(-1)
			case 1:
				if len(given) > 0 {
					batch[i].Session.ID = given[random.IntN(len(given))].Session.ID
				}
			}
		}
		next[of] += uint64(len(batch))
		before := len(sessions(t, l))
		done := apply(t, l, origins[of], batch)
		if after := len(sessions(t, l)); done.Sessions+done.Repeated+done.Quarantined != len(batch) || after < before {
			t.Fatalf("of %d sessions became %+v", len(batch), done)
		}
		given = append(given, batch...)
	}
	rows := map[tracker.SessionID]ledger.Session{}
	for _, s := range sessions(t, l) {
		rows[s.ID] = s
	}
	for _, r := range given { // in the order in which they came
		if s, there := rows[r.Session.ID]; there && s.Seq == r.Seq && s.Origin == r.Session.Origin {
			landed = append(landed, r)
		}
	}
	if len(landed) != len(rows) || len(rows) < 300 {
		t.Fatalf("%d sessions landed and %d are there", len(landed), len(rows))
	}
	for _, network := range []string{"default", "acme"} {
		for _, by := range [][]tracker.ReportBy{
			nil, {tracker.ByDay}, {tracker.ByLink}, {tracker.BySub1}, {tracker.ByAffiliate, tracker.ByCampaign},
			{tracker.ByDay, tracker.ByLink, tracker.BySub1}, {tracker.ByCurrency, tracker.ByDay, tracker.ByAffiliate, tracker.BySub1},
		} {
			got := report(t, l, network, tracker.ReportQuery{By: by})
			want := countClicks(t, l, network, by, landed)
			if !slices.Equal(got, want) {
				t.Errorf("network %s by %v:\n%+v, want\n%+v", network, by, got, want)
			}
		}
	}
}

// report asks for the days around the epoch, unless the query says others.
func report(t *testing.T, l *ledger.Ledger, network string, q tracker.ReportQuery) []tracker.ReportRow {
	t.Helper()
	if q.From.IsZero() {
		q.From, q.To = epoch.AddDate(0, 0, -100), epoch.AddDate(0, 0, 200)
	}
	rows, err := l.Report(t.Context(), network, q)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// countClicks counts the sessions one by one.
func countClicks(t *testing.T, l *ledger.Ledger, network string, by []tracker.ReportBy, landed []ledger.Record) []tracker.ReportRow {
	t.Helper()
	all, err := l.Links(t.Context(), network)
	if err != nil {
		t.Fatal(err)
	}
	links := map[int64]ledger.Link{}
	for _, link := range all {
		links[link.ID] = link
	}
	type first struct {
		visitor tracker.VisitorID
		link    int64
		day     string
	}
	seen := map[first]bool{}
	sums := map[tracker.ReportRow]tracker.ReportRow{}
	for _, r := range landed {
		s := r.Session
		if s.Network != network || s.Reconstructed {
			continue
		}
		link, day := links[s.LinkID], s.Time.UTC().Format(time.DateOnly)
		var key tracker.ReportRow
		for _, dimension := range by {
			switch dimension {
			case tracker.ByDay:
				key.Day = day
			case tracker.ByLink:
				key.LinkID, key.Code = link.ID, link.Code
			case tracker.ByAffiliate:
				key.AffiliateID, key.Affiliate = link.AffiliateID, link.Affiliate
			case tracker.ByCampaign:
				key.CampaignID, key.Campaign = link.CampaignID, link.Campaign
			case tracker.BySub1:
				key.Sub1 = s.SubIDs["sub1"]
			}
		}
		row, counted := sums[key]
		if !counted {
			row = key
		}
		switch s.Class {
		case tracker.ClassHuman, tracker.ClassRepeat:
			row.Clicks++
		case tracker.ClassBot, tracker.ClassPrefetch, tracker.ClassSubresource:
			row.Bots++
		default:
			row.OtherClicks++
		}
		if f := (first{s.Visitor, s.LinkID, day}); s.Class == tracker.ClassHuman && !s.Visitor.IsZero() && !seen[f] {
			seen[f] = true
			row.UniqueClicks++
		}
		sums[key] = row
	}
	rows := make([]tracker.ReportRow, 0, len(sums))
	for _, row := range sums {
		rows = append(rows, row)
	}
	slices.SortFunc(rows, compareRows)
	return rows
}

// compareRows is the order of a report's lines.
func compareRows(a, b tracker.ReportRow) int {
	return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.AffiliateID, b.AffiliateID), cmp.Compare(a.CampaignID, b.CampaignID),
		cmp.Compare(a.LinkID, b.LinkID), cmp.Compare(a.Sub1, b.Sub1), cmp.Compare(a.Currency, b.Currency))
}

// testUniques has one visitor click in ways that are unique, and in ways that are not.
func testUniques(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	visitor, seq := tracker.NewVisitorID(), uint64(0)
	click := func(code string, after time.Duration, class tracker.Class, visitor tracker.VisitorID) ledger.Record {
		seq++
		r := Record(seq, code)
		r.Session.Time, r.Session.Class, r.Session.Visitor = epoch.Add(after), class, visitor
		return r
	}
	batches := [][]ledger.Record{
		{click("a", 0, tracker.ClassBot, visitor), click("a", 0, tracker.ClassHuman, tracker.VisitorID{})},
		{click("a", time.Hour, tracker.ClassHuman, visitor), click("a", time.Minute, tracker.ClassHuman, visitor)},
		{click("a", 2*time.Hour, tracker.ClassHuman, visitor), click("b", time.Hour, tracker.ClassHuman, visitor)},
		{click("a", 12*time.Hour, tracker.ClassHuman, visitor), click("a", 11*time.Hour, tracker.ClassRepeat, visitor)},
	}
	for _, batch := range batches {
		apply(t, l, origin, batch)
	}
	got := map[string]int64{}
	for _, row := range report(t, l, "default", tracker.ReportQuery{By: []tracker.ReportBy{tracker.ByDay, tracker.ByLink}}) {
		got[row.Day+" "+row.Code] = row.UniqueClicks
	}
	if want := map[string]int64{"2026-11-21 a": 1, "2026-11-21 b": 1, "2026-11-22 a": 1}; !maps.Equal(got, want) {
		t.Errorf("the unique clicks are %v, want %v", got, want)
	}
}

// testUniquesTogether has two hubs apply clicks of the same visitors on the same links from two origins.
func testUniquesTogether(t *testing.T, db Database) {
	const batches, size = 40, 10
	origins := make([][]ledger.Record, 2)
	for seq := range uint64(batches * size) {
		visitor := tracker.NewVisitorID()
		for i := range origins {
			r := Record(seq+1, codes[seq%5])
			r.Session.Visitor = visitor
			origins[i] = append(origins[i], r)
		}
	}
	hubs, names := []*ledger.Ledger{open(t, db), open(t, db)}, []string{newOrigin(), newOrigin()}
	for batch := range batches {
		var both sync.WaitGroup
		for i, l := range hubs {
			both.Go(func() {
				if _, err := l.Apply(t.Context(), names[i], origins[i][batch*size:(batch+1)*size]); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
	rows := report(t, open(t, db), "default", tracker.ReportQuery{})
	if len(rows) != 1 || rows[0].Clicks != 2*batches*size || rows[0].UniqueClicks != batches*size {
		t.Errorf("of %d visitors who clicked twice there is %+v", batches*size, rows)
	}
}

func testReportLines(t *testing.T, db Database) {
	s := newShop(t, db)
	for _, code := range []string{"ann", "ann", "bob"} {
		s.record(s.click(code), tracker.NewVisitorID())
	}
	report := func(externalID, currency string, amount int64) tracker.Conversion {
		n := s.sale(externalID, amount)
		n.Currency = currency
		return s.report(n)
	}
	s.set(report("1", "USD", 1000).ID, tracker.StatusApproved)
	s.pay(report("2", "EUR", 2000).ID)
	s.set(report("3", "EUR", 500).ID, tracker.StatusRejected)
	report("4", "EUR", 700)
	nobody := s.sale("5", 900)
	nobody.Evidence = tracker.Evidence{}
	s.report(nobody)

	ann := tracker.ReportRow{AffiliateID: s.ann.AffiliateID, Affiliate: "Ann"}
	eur, usd, bob := ann, ann, tracker.ReportRow{AffiliateID: s.bob.AffiliateID, Affiliate: "Bob"}
	eur.Clicks, eur.UniqueClicks, eur.Currency, eur.Conversions, eur.Pending, eur.Approved, eur.Rejected = 2, 2, "EUR", 2, 1, 1, 1
	eur.Amount, eur.Wage, eur.WagePaid = 2700, 270, 200
	usd.Currency, usd.Conversions, usd.Approved, usd.Amount, usd.Wage = "USD", 1, 1, 1000, 100
	bob.Clicks, bob.UniqueClicks = 1, 1
	want := []tracker.ReportRow{{Currency: "EUR", Conversions: 1, Pending: 1, Amount: 900}, eur, usd, bob}
	if got := s.reportBy(tracker.ByAffiliate); !slices.Equal(got, want) {
		t.Errorf("by affiliate there is\n%+v, want\n%+v", got, want)
	}
	all := s.reportBy()
	if len(all) != 2 || all[0].Clicks != 3 || all[0].Amount != 3600 || all[1].Clicks != 0 || all[1].Amount != 1000 {
		t.Errorf("of all together there is %+v", all)
	}
	s.wantBalanced()
}

// testReportSubs has two partners earn by clicks with sub-ids and without, in two currencies.
func testReportSubs(t *testing.T, db Database) {
	s := newShop(t, db)
	for i, c := range []struct {
		code, sub1, currency string
		amount               int64
	}{
		{"ann", "mail", "EUR", 1000}, {"ann", "mail", "USD", 2000}, {"bob", "mail", "EUR", 4000}, {"ann", "", "EUR", 8000},
		{"bob", "news", "USD", 16000}, {"ann", "news", "EUR", 32000},
	} {
		n := s.saleFrom(c.code, c.sub1, fmt.Sprint(i), c.amount)
		n.Currency = c.currency
		booked := s.report(n)
		if c.code == "ann" && c.sub1 == "news" {
			s.set(booked.ID, tracker.StatusRejected)
		} else {
			s.pay(booked.ID)
		}
	}
	got := map[string]int64{}
	for _, row := range s.reportBy(tracker.BySub1) {
		got[row.Sub1+" "+row.Currency] = row.Amount
	}
	if want := map[string]int64{" EUR": 8000, "mail EUR": 5000, "mail USD": 2000, "news EUR": 0, "news USD": 16000}; !maps.Equal(got, want) {
		t.Errorf("the money by sub-id is %v, want %v", got, want)
	}
	s.wantBalanced()
}

// saleFrom is a sale that a click with that sub-id, or with none, brought.
func (s *shop) saleFrom(code, sub1, externalID string, amount int64) tracker.NewConversion {
	s.Helper()
	click := s.click(code)
	r := Record(1, code)
	r.Session.ID, r.Session.Network, r.Session.Time, r.Session.SubIDs = click.Session, s.network, click.Time, map[string]string{}
	if sub1 != "" {
		r.Session.SubIDs["sub1"] = sub1
	}
	apply(s.T, s.Ledger, newOrigin(), []ledger.Record{r})
	n := s.sale(externalID, amount)
	n.Evidence = tracker.Evidence{Session: click.Session}
	return n
}

// reportBy asks for the days around the epoch.
func (s *shop) reportBy(by ...tracker.ReportBy) []tracker.ReportRow {
	s.Helper()
	return report(s.T, s.Ledger, s.network, tracker.ReportQuery{By: by})
}

func testReportFilters(t *testing.T, db Database) {
	s := newShop(t, db)
	acme := s.in(t, "acme")
	for i, code := range []string{"ann", "bob", "ann"} {
		at := s.click(code)
		at.Time = epoch.AddDate(0, 0, i)
		s.record(at, tracker.NewVisitorID())
	}
	acme.record(acme.click("ann"), tracker.NewVisitorID())
	s.report(s.sale("1", 1000))
	acme.report(acme.sale("1", 70))
	for name, c := range map[string]struct {
		query          tracker.ReportQuery
		clicks, amount int64
	}{
		"affiliate":        {tracker.ReportQuery{AffiliateID: s.ann.AffiliateID}, 2, 1000},
		"campaign":         {tracker.ReportQuery{CampaignID: s.leads.ID}, 1, 0},
		"another's":        {tracker.ReportQuery{AffiliateID: acme.ann.AffiliateID}, 0, 0},
		"one day":          {tracker.ReportQuery{From: epoch.AddDate(0, 0, 1), To: epoch.AddDate(0, 0, 1)}, 1, 0},
		"two days":         {tracker.ReportQuery{From: epoch.Add(-12 * time.Hour), To: epoch.AddDate(0, 0, 1)}, 2, 1000},
		"before all of it": {tracker.ReportQuery{From: epoch.AddDate(0, 0, -9), To: epoch.AddDate(0, 0, -8)}, 0, 0},
	} {
		var clicks, amount int64
		for _, row := range report(t, s.Ledger, s.network, c.query) {
			clicks, amount = clicks+row.Clicks, amount+row.Amount
		}
		if clicks != c.clicks || amount != c.amount {
			t.Errorf("%s: %d clicks and %d, want %d and %d", name, clicks, amount, c.clicks, c.amount)
		}
	}
	if rows := acme.reportBy(); len(rows) != 1 || rows[0].Clicks != 1 || rows[0].Amount != 70 {
		t.Errorf("of network acme there is %+v", rows)
	}
}

func testReportInvalid(t *testing.T, db Database) {
	l := open(t, db)
	day := func(n int) time.Time { return epoch.AddDate(0, 0, n) }
	for want, q := range map[string]tracker.ReportQuery{
		"from: is required":                      {To: day(0)},
		"to: is required":                        {From: day(0)},
		"to: is before from":                     {From: day(1), To: day(0)},
		"to: is more than 399 days after from":   {From: day(0), To: day(400)},
		"by[1]: is there already":                {From: day(0), To: day(0), By: []tracker.ReportBy{tracker.ByDay, tracker.ByDay}},
		"by[0]: is not one of day, affiliate, …": {From: day(0), To: day(0), By: []tracker.ReportBy{"weather"}},
		"by: has more than 3 dimensions besides the currency": {From: day(0), To: day(0), By: []tracker.ReportBy{
			tracker.ByDay, tracker.ByLink, tracker.ByCurrency, tracker.BySub1, tracker.ByCampaign}},
	} {
		_, err := l.Report(t.Context(), "default", q)
		var invalid tracker.Invalid
		if !errors.As(err, &invalid) || len(invalid) != 1 || !strings.HasPrefix(invalid.Error(), strings.TrimSuffix(want, "…")) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if rows, err := l.Report(t.Context(), "default", tracker.ReportQuery{From: day(0), To: day(399)}); err != nil || len(rows) > 0 {
		t.Errorf("of 400 days without anything: %+v, %v", rows, err)
	}
}

func testReportBound(t *testing.T, db Database) {
	l := open(t, db)
	const n = 10_001
	all := Sessions(1, n)
	for i := range all {
		all[i].Session.SubIDs = map[string]string{"sub1": fmt.Sprint(i)}
	}
	origin := newOrigin()
	apply(t, l, origin, all[:n-1])
	bySub1 := tracker.ReportQuery{From: epoch, To: epoch, By: []tracker.ReportBy{tracker.BySub1}}
	if rows := report(t, l, "default", bySub1); len(rows) != n-1 {
		t.Errorf("a report has %d rows, want %d", len(rows), n-1)
	}
	apply(t, l, origin, all[n-1:])
	_, err := l.Report(t.Context(), "default", bySub1)
	var invalid tracker.Invalid
	if !errors.As(err, &invalid) || invalid[0].Field != "by" {
		t.Errorf("a report of %d rows: %v", n, err)
	}
}
