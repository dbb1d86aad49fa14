package ledgertest

import (
	"encoding/json"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// shop is a network in which ann earns 10 % by her link "ann" and bob 5 EUR by his link "bob", and bob has the coupon SAVE10
// of ann's campaign.
type shop struct {
	*testing.T
	*ledger.Ledger
	network string
	now     *atomic.Int64 // the ledger's clock, in milliseconds

	ann, bob     tracker.CatalogLink
	sales, leads tracker.Campaign
}

// newShop opens the shop in the default network.
func newShop(t *testing.T, db Database) *shop {
	t.Helper()
	s := &shop{T: t, Ledger: open(t, db), network: tracker.DefaultNetwork, now: new(atomic.Int64)}
	s.now.Store(epoch.UnixMilli())
	s.SetClock(s.clock)
	s.build()
	return s
}

func (s *shop) clock() time.Time { return time.UnixMilli(s.now.Load()) }

// pass lets the clock go on.
func (s *shop) pass(d time.Duration) { s.now.Add(d.Milliseconds()) }

// also opens one more ledger on the database, with the same clock.
func (s *shop) also(db Database) *shop {
	s.Helper()
	other := *s
	other.Ledger = open(s.T, db)
	other.SetClock(s.clock)
	return &other
}

// in is the same shop in another network, for the test t.
func (s *shop) in(t *testing.T, network string) *shop {
	t.Helper()
	other := *s
	other.T, other.network = t, network
	other.build()
	return &other
}

func (s *shop) build() {
	s.Helper()
	ann := must(s.CreateAffiliate(s.Context(), s.network, tracker.AffiliateFields{Name: "Ann"}))(s)
	bob := must(s.CreateAffiliate(s.Context(), s.network, tracker.AffiliateFields{Name: "Bob"}))(s)
	s.sales = must(s.CreateCampaign(s.Context(), s.network, tracker.CampaignFields{
		Name: "sales", Commissions: []tracker.Commission{{Name: "default", Percent: 10_0000}},
		Coupons: []tracker.Coupon{{Code: "SAVE10", AffiliateID: bob.ID}},
	}))(s)
	s.leads = must(s.CreateCampaign(s.Context(), s.network, tracker.CampaignFields{
		Name: "leads", Commissions: []tracker.Commission{{Name: "default", Fixed: &tracker.Money{Amount: 500, Currency: "EUR"}}},
	}))(s)
	s.ann = must(s.CreateLink(s.Context(), s.network, tracker.LinkFields{
		Code: "ann", AffiliateID: ann.ID, CampaignID: s.sales.ID, Enabled: true}))(s)
	s.bob = must(s.CreateLink(s.Context(), s.network, tracker.LinkFields{
		Code: "bob", AffiliateID: bob.ID, CampaignID: s.leads.ID, Enabled: true}))(s)
}

// must returns the value of a call that has to succeed.
func must[T any](v T, err error) func(s *shop) T {
	return func(s *shop) T {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
		return v
	}
}

// click is a touch of the code, an hour ago.
func (s *shop) click(code string) tracker.Touch {
	at := s.clock().Add(-time.Hour).UTC()
	return tracker.Touch{Session: tracker.NewSessionID(at), Code: code, Time: at}
}

// token is that of a visitor who made the clicks, in order.
func (s *shop) token(clicks ...tracker.Touch) *tracker.Token {
	return &tracker.Token{
		Network: s.network, Visitor: tracker.NewVisitorID(), First: clicks[0], Last: clicks[len(clicks)-1],
	}
}

// sale is a sale that ann's link brought.
func (s *shop) sale(externalID string, amount int64) tracker.NewConversion {
	return tracker.NewConversion{
		Network: s.network, ExternalID: externalID, Type: tracker.TypeBuy, Amount: amount, Currency: "EUR", Actor: "key",
		Evidence: tracker.Evidence{Token: s.token(s.click("ann"))},
	}
}

// report reports a conversion that has to be new.
func (s *shop) report(n tracker.NewConversion) tracker.Conversion {
	s.Helper()
	answer, replayed, err := s.CreateConversion(s.Context(), n)
	if err != nil || replayed {
		s.Fatalf("reporting %s: replayed %t, %v", n.ExternalID, replayed, err)
	}
	return decode[tracker.Conversion](s, answer)
}

// refund takes back a part of the sale of that external id.
func (s *shop) refund(externalID, of string, amount int64) tracker.Refund {
	s.Helper()
	answer, replayed, err := s.RefundConversion(s.Context(), s.newRefund(externalID, of, amount))
	if err != nil || replayed {
		s.Fatalf("refunding %s: replayed %t, %v", of, replayed, err)
	}
	return decode[tracker.Refund](s, answer)
}

func (s *shop) newRefund(externalID, of string, amount int64) tracker.NewRefund {
	return tracker.NewRefund{
		Network: s.network, ExternalID: externalID, ConversionType: tracker.TypeBuy, ConversionExternalID: of,
		Amount: amount, Currency: "EUR", Actor: "key",
	}
}

// set changes the conversion's status.
func (s *shop) set(id string, status tracker.ConversionStatus) tracker.Conversion {
	s.Helper()
	return must(s.UpdateConversion(s.Context(), s.network, id, tracker.ConversionUpdate{Status: &status}))(s)
}

// pay approves the conversion and pays it.
func (s *shop) pay(id string) tracker.Conversion {
	s.Helper()
	approved, paid := tracker.StatusApproved, true
	return must(s.UpdateConversion(s.Context(), s.network, id, tracker.ConversionUpdate{Status: &approved, Paid: &paid}))(s)
}

// stored reads the conversion.
func (s *shop) stored(id string) tracker.Conversion {
	s.Helper()
	return must(s.Conversion(s.Context(), s.network, id))(s)
}

// list reads all conversions of the filter, page by page.
func (s *shop) list(f tracker.ConversionFilter, size int) (all []tracker.Conversion) {
	s.Helper()
	page := tracker.Page{Limit: size}
	for {
		rows, next, err := s.Conversions(s.Context(), s.network, f, page)
		if err != nil {
			s.Fatal(err)
		}
		if all = append(all, rows...); next == "" {
			return all
		}
		if len(rows) != page.Size() {
			s.Fatalf("a page of %d has %d rows and another after it", page.Size(), len(rows))
		}
		page.After = next
	}
}

func decode[T any](s *shop, answer []byte) (v T) {
	s.Helper()
	if err := json.Unmarshal(answer, &v); err != nil {
		s.Fatalf("an answer is %s: %v", answer, err)
	}
	return v
}

// wantMoney compares a conversion's status and money.
func (s *shop) wantMoney(c tracker.Conversion, status tracker.ConversionStatus, amount, wage int64) {
	s.Helper()
	if c.Status != status || c.Amount != amount || c.Wage != wage {
		s.Errorf("the conversion is %s with %d and earns %d; want %s, %d, %d", c.Status, c.Amount, c.Wage, status, amount, wage)
	}
}

// balancedBy are reports whose money is read from different sums.
var balancedBy = [][]tracker.ReportBy{
	nil, {tracker.ByDay, tracker.BySub1}, {tracker.ByDay, tracker.ByAffiliate, tracker.ByCampaign},
	{tracker.ByAffiliate, tracker.BySub1}, {tracker.ByDay, tracker.ByLink, tracker.BySub1},
}

// wantBalanced checks that each conversion is what its history and its parts add up to, and the reports what the conversions
// do.
func (s *shop) wantBalanced() {
	s.Helper()
	var booked []tracker.Conversion
	for _, listed := range s.list(tracker.ConversionFilter{}, 0) {
		c := s.stored(listed.ID)
		s.wantSums(c)
		listed.History = c.History
		if !reflect.DeepEqual(listed, c) {
			s.Errorf("in the list it is %+v, alone %+v", listed, c)
		}
		booked = append(booked, c)
	}
	for _, by := range balancedBy {
		want := map[tracker.ReportRow]tracker.ReportRow{}
		for _, c := range booked {
			countReported(want, c, by)
		}
		if got := s.reportedMoney(by); !reflect.DeepEqual(got, want) {
			s.Errorf("by %v the report says\n%+v, the conversions\n%+v", by, got, want)
		}
	}
	if wrong := must(s.Recount(s.Context()))(s); wrong != 0 {
		s.Errorf("%d sums are wrong", wrong)
	}
}

// reportedMoney is the money of a report, by its dimensions.
func (s *shop) reportedMoney(by []tracker.ReportBy) map[tracker.ReportRow]tracker.ReportRow {
	s.Helper()
	rows, err := s.Report(s.Context(), s.network, tracker.ReportQuery{From: epoch.AddDate(0, 0, -10), To: epoch.AddDate(0, 0, 380), By: by})
	if err != nil {
		s.Fatal(err)
	}
	money := map[tracker.ReportRow]tracker.ReportRow{}
	for _, r := range rows {
		if r.Currency == "" { // clicks alone
			continue
		}
		key := tracker.ReportRow{
			Day: r.Day, AffiliateID: r.AffiliateID, CampaignID: r.CampaignID, LinkID: r.LinkID, Sub1: r.Sub1, Currency: r.Currency,
		}
		r.Affiliate, r.Campaign, r.Code, r.Clicks, r.UniqueClicks, r.Bots, r.OtherClicks = "", "", "", 0, 0, 0, 0
		if r != key {
			money[key] = r
		}
	}
	return money
}

// countReported adds the conversion to the rows of a report by those dimensions.
func countReported(rows map[tracker.ReportRow]tracker.ReportRow, c tracker.Conversion, by []tracker.ReportBy) {
	key := tracker.ReportRow{Currency: c.Currency}
	for _, dimension := range by {
		switch dimension {
		case tracker.ByDay:
			key.Day = c.OccurredAt.Format(time.DateOnly)
		case tracker.ByAffiliate:
			key.AffiliateID = c.AffiliateID
		case tracker.ByCampaign:
			key.CampaignID = c.CampaignID
		case tracker.ByLink:
			key.LinkID = c.LinkID
		case tracker.BySub1:
			key.Sub1 = c.Sub1
		}
	}
	r, known := rows[key]
	if !known {
		r = key
	}
	switch c.Status {
	case tracker.StatusPending:
		r.Pending++
	case tracker.StatusApproved:
		r.Approved++
	case tracker.StatusRejected:
		r.Rejected++
	case tracker.StatusDuplicated:
		r.Duplicated++
	}
	if c.Status == tracker.StatusPending || c.Status == tracker.StatusApproved {
		r.Conversions++
		r.Amount += c.Amount
		r.Wage += c.Wage
	}
	if c.CheckedOut {
		r.WagePaid += c.Wage
	}
	rows[key] = r
}

// wantSums checks that a conversion is what its history and its parts add up to.
func (s *shop) wantSums(c tracker.Conversion) {
	s.Helper()
	var amount, wage, parts, wages int64
	for i, e := range c.History {
		amount, wage = amount+e.Amount, wage+e.Wage
		if e.N != i+1 || amount < 0 || wage < 0 {
			s.Errorf("entry %d of the history is %+v; until then it comes to %d and earns %d", i+1, e, amount, wage)
		}
	}
	for _, part := range c.Commissions {
		parts, wages = parts+part.SubAmount, wages+part.Wage
		if part.SubAmount < 0 || part.Wage < 0 {
			s.Errorf("a part is %+v", part)
		}
	}
	if amount != c.Amount || parts != c.Amount || wage != c.Wage || wages != c.Wage {
		s.Errorf("the amount is %d, by history %d, by parts %d; the wage is %d, by history %d, by parts %d",
			c.Amount, amount, parts, c.Wage, wage, wages)
	}
	if last := c.History[len(c.History)-1]; last.Status != c.Status || last.Time.After(c.UpdatedAt) && last.Kind != tracker.ChangeRefused {
		s.Errorf("the conversion is %s of %v, the end of its history %+v", c.Status, c.UpdatedAt, last)
	}
}
