package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// possessions are the ids of what a network has.
type possessions struct {
	affiliate, campaign, link, key                        string
	session, visitor, customer, transaction, sale, refund string
	token                                                 string // the visitor's
	delivery                                              string // where the network forwards
}

// stranger is a shop whose key is of another network. It notes which operations it has asked.
type stranger struct {
	*shop
	document openAPI
	asked    map[string]bool
}

func (s *stranger) do(method, path string, body any) reply {
	s.Helper()
	s.asked[s.operation(method, path)] = true
	return s.shop.do(method, path, body)
}

// operation finds the operation of a request in the document.
func (s *stranger) operation(method, path string) string {
	s.Helper()
	path, _, _ = strings.Cut(path, "?")
	asked := strings.Split("/"+path, "/")
	for template, operations := range s.document.Paths {
		fits := func(segment, of string) bool { return segment == of || strings.HasPrefix(of, "{") }
		if op, ok := operations[strings.ToLower(method)]; ok && slices.EqualFunc(asked, strings.Split(template, "/"), fits) {
			return op.OperationID
		}
	}
	s.Fatalf("the document has no %s %s", method, path)
	return ""
}

// wantAll fails for each operation that was not asked.
func (s *stranger) wantAll() {
	s.Helper()
	for path, operations := range s.document.Paths {
		for method, op := range operations {
			if !s.asked[op.OperationID] {
				s.Errorf("nobody of another network has asked %s %s", method, path)
			}
		}
	}
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
	p.refund = s.do("POST", "refunds", waitingRefund).want(http.StatusCreated).text("id")
	if rows := s.do("GET", "deliveries", nil).rows(); len(rows) > 0 {
		p.delivery = rows[0]["id"].(string)
	}
	p.key = s.do("POST", "keys", fields{"name": "second", "scopes": []string{"read"}}).want(http.StatusCreated).text("id")
	return p
}

// waitingRefund is of a sale that nobody has reported.
var waitingRefund = fields{
	"conversion_external_id": "order-9", "conversion_type": "buy", "external_id": "refund-9", "amount": 5, "currency": "EUR",
}

func TestAnotherNetworksThingsAreNotFound(t *testing.T) {
	document, _ := readDocument(t)
	s := &stranger{forwarding(t), document, map[string]bool{}}
	theirs := s.furnish()
	owner := s.key
	s.key = s.books.NewKey("rival", tracker.ScopeAll)
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
		{"GET", "refunds/" + theirs.refund, "", nil},
		{"DELETE", "refunds/" + theirs.refund, "", nil},
		{"DELETE", "keys/" + theirs.key, "", nil},
		{"DELETE", "keys/" + owner[4:16], "", nil},
		{"POST", "privacy/export", "", fields{"customer_id": theirs.customer}},
		{"POST", "privacy/erase", "", fields{"customer_id": theirs.customer}},
		{"GET", "deliveries/" + theirs.delivery, "", nil},
		{"POST", "deliveries/retry", "", fields{"id": theirs.delivery}},
		{"POST", "destinations/hook/drop", "", nil},
		{"POST", "destinations/hook/pause", "", nil},
		{"POST", "destinations/hook/resume", "", nil},
		{"POST", "destinations/hook/test", "", nil},
	} {
		got := s.do(r.method, r.path, r.body)
		if got.status != http.StatusNotFound {
			t.Errorf("%s %s: %d %s", r.method, r.path, got.status, got.body)
			continue
		}
		got.wantProblem(http.StatusNotFound, "not-found")
	}
	for _, path := range []string{
		"affiliates", "campaigns", "links", "sessions", "customers", "transactions", "conversions", "refunds", "reports?from=2026-01-01&to=2026-12-31",
		"links?affiliate_id=" + theirs.affiliate, "sessions?link_id=" + theirs.link, "sessions?visitor_id=" + theirs.visitor,
		"customers?session_id=" + theirs.session, "customers?external_id=c-1", "transactions?customer_id=" + theirs.customer,
		"deliveries", "deliveries?destination=hook", "deliveries?subject=" + theirs.sale, "conversions?external_id=order-1", "conversions?visitor_id=" + theirs.visitor,
		"reports?from=2026-01-01&to=2026-12-31&by=affiliate&affiliate_id=" + theirs.affiliate,
	} {
		if rows := s.do("GET", path, nil).rows(); len(rows) != 0 {
			t.Errorf("%s shows another network's %v", path, rows)
		}
	}
	if rows := s.do("GET", "keys", nil).rows(); len(rows) != 1 {
		t.Errorf("the keys of another network are among %v", rows)
	}
	if got := s.do("GET", "destinations", nil).want(http.StatusOK); strings.Contains(got.body, "hook") || len(s.tested) > 0 {
		t.Errorf("the destinations of another network are among %s; tested were %v", got.body, s.tested)
	}
	if got := s.do("POST", "deliveries/retry", fields{"destination": "hook", "state": "due"}); got.status == http.StatusOK && got.number("retried") != 0 {
		t.Errorf("deliveries of another network are sent again: %s", got.body)
	}
	s.refuseForeignReferences(theirs)
	s.wantAll()
	s.key = owner
	s.unharmed(theirs)
}

// refuseForeignReferences names another network's things in new ones.
func (s *stranger) refuseForeignReferences(theirs possessions) {
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
	s.do("POST", "transactions", fields{"external_id": "t-9", "customer_external_id": "c-1", "currency": "EUR", "deposit": 1}).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "customer_external_id")
	s.do("POST", "keys", fields{"name": "k", "scopes": []string{"read"}, "network": "acme"}).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "network")
	refund := fields{"external_id": "r-1", "conversion_external_id": "order-1", "conversion_type": "buy", "amount": 90, "currency": "EUR"}
	if got := s.do("POST", "refunds", refund).want(http.StatusCreated); got.number("taken") != 0 || got.object()["conversion_id"] != nil {
		s.Errorf("a refund takes from another network's conversion: %s", got.body)
	}
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
