package api

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// possessions are the ids of what a network has.
type possessions struct {
	affiliate, campaign, link, key                string
	session, visitor, customer, transaction, sale string
	token                                         string // the visitor's
}

// furnish gives the shop's network one of everything.
func (s *shop) furnish() (p possessions) {
	s.Helper()
	link := s.newLink("partner").object()
	number := func(field string) string { return toText(link[field]) }
	p.affiliate, p.campaign, p.link = number("affiliate_id"), number("campaign_id"), number("id")
	session, token := s.click("acme", "partner")
	p.session, p.visitor, p.token = session.ID.String(), session.Visitor.String(), token
	p.customer = s.do("POST", "customers", fields{"external_id": "c-1", "token": token}).want(http.StatusCreated).text("id")
	p.transaction = s.do("POST", "transactions", fields{
		"external_id": "t-1", "customer_external_id": "c-1", "currency": "EUR", "deposit": -5,
	}).want(http.StatusCreated).text("id")
	p.sale = s.do("POST", "conversions", sale.with("token", token)).want(http.StatusCreated).text("id")
	p.key = s.do("POST", "keys", fields{"name": "second", "scopes": []string{"read"}}).want(http.StatusCreated).text("id")
	return p
}

func TestAnotherNetworksThingsAreNotFound(t *testing.T) {
	s := newShop(t)
	theirs := s.furnish()
	owner := s.key
	s.key = s.newKey("rival", tracker.ScopeAll)
	for _, r := range []route{
		{"GET", "affiliates/" + theirs.affiliate, "", nil},
		{"PATCH", "affiliates/" + theirs.affiliate, "", fields{"name": "X"}},
		{"DELETE", "affiliates/" + theirs.affiliate, "", nil},
		{"GET", "campaigns/" + theirs.campaign, "", nil},
		{"PATCH", "campaigns/" + theirs.campaign, "", fields{"name": "X"}},
		{"DELETE", "campaigns/" + theirs.campaign, "", nil},
		{"GET", "links/" + theirs.link, "", nil},
		{"PATCH", "links/" + theirs.link, "", fields{"enabled": false}},
		{"GET", "sessions/" + theirs.session, "", nil},
		{"GET", "customers/" + theirs.customer, "", nil},
		{"PATCH", "customers/" + theirs.customer, "", fields{"note": "X"}},
		{"GET", "transactions/" + theirs.transaction, "", nil},
		{"GET", "conversions/" + theirs.sale, "", nil},
		{"PATCH", "conversions/" + theirs.sale, "", fields{"status": "approved"}},
		{"POST", "conversions/" + theirs.sale + "/reversal", "", nil},
		{"DELETE", "keys/" + theirs.key, "", nil},
		{"DELETE", "keys/" + owner[4:16], "", nil},
		{"POST", "privacy/export", "", fields{"customer_id": theirs.customer}},
		{"POST", "privacy/erase", "", fields{"customer_id": theirs.customer}},
	} {
		got := s.do(r.method, r.path, r.body)
		if got.status != http.StatusNotFound {
			t.Errorf("%s %s: %d %s", r.method, r.path, got.status, got.body)
			continue
		}
		got.wantProblem(http.StatusNotFound, "not-found")
	}
	for _, path := range []string{
		"affiliates", "campaigns", "links", "sessions", "customers", "transactions", "conversions", "reports?from=2026-01-01&to=2026-12-31",
		"links?affiliate_id=" + theirs.affiliate, "sessions?link_id=" + theirs.link, "sessions?visitor_id=" + theirs.visitor,
		"customers?session_id=" + theirs.session, "customers?external_id=c-1", "transactions?customer_id=" + theirs.customer,
		"conversions?external_id=order-1", "conversions?visitor_id=" + theirs.visitor,
		"reports?from=2026-01-01&to=2026-12-31&by=affiliate&affiliate_id=" + theirs.affiliate,
	} {
		if rows := s.do("GET", path, nil).rows(); len(rows) != 0 {
			t.Errorf("%s shows another network's %v", path, rows)
		}
	}
	if rows := s.do("GET", "keys", nil).rows(); len(rows) != 1 {
		t.Errorf("the keys of another network are among %v", rows)
	}
	s.refuseForeignReferences(theirs)
	s.key = owner
	s.unharmed(theirs)
}

// refuseForeignReferences names another network's things in new ones.
func (s *shop) refuseForeignReferences(theirs possessions) {
	s.Helper()
	mine := s.do("POST", "affiliates", fields{"name": "mine"}).want(http.StatusCreated).number("id")
	number := func(text string) int64 { n, _ := strconv.ParseInt(text, 10, 64); return n }
	s.do("POST", "links", fields{"code": "steal", "affiliate_id": number(theirs.affiliate)}).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "affiliate_id")
	s.do("POST", "links", fields{"code": "steal", "affiliate_id": mine, "campaign_id": number(theirs.campaign)}).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "campaign_id")
	s.do("POST", "campaigns", fields{"name": "steal", "coupons": []fields{{"code": "X", "affiliate_id": number(theirs.affiliate)}}}).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "coupons[0].affiliate_id")
	s.do("POST", "customers", fields{"external_id": "x", "token": theirs.token}).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "token")
	s.do("POST", "conversions", sale.with("token", theirs.token)).wantProblem(http.StatusUnprocessableEntity, "invalid", "token")
	s.do("POST", "privacy/erase", fields{"token": theirs.token}).wantProblem(http.StatusUnprocessableEntity, "invalid", "token")
	for _, evidence := range []fields{{"session_id": theirs.session}, {"customer_id": theirs.customer}, {"customer_external_id": "c-1"}} {
		body := sale
		for name, value := range evidence {
			body = body.with(name, value).with("external_id", "by "+name)
		}
		if got := s.do("POST", "conversions", body).want(http.StatusCreated); got.object()["affiliate_id"] != nil || strings.Contains(got.body, "partner") {
			s.Errorf("%v of another network earns: %s", evidence, got.body)
		}
	}
}

// unharmed fails if another network has changed anything.
func (s *shop) unharmed(p possessions) {
	s.Helper()
	if s.do("GET", "links/"+p.link, nil).object()["enabled"] != true {
		s.Error("the link was disabled")
	}
	if got := s.do("GET", "conversions/"+p.sale, nil); got.text("status") != "pending" || got.number("amount") != 9990 || got.text("affiliate") == "" {
		s.Errorf("the conversion is %s", got.body)
	}
	if got := s.do("GET", "sessions/"+p.session, nil); got.text("ip") != "203.0.113.7" {
		s.Errorf("the session is %s", got.body)
	}
	if got := s.do("GET", "customers/"+p.customer, nil); got.text("external_id") != "c-1" {
		s.Errorf("the customer is %s", got.body)
	}
}
