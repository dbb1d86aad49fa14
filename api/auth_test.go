package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// route is an operation as the scopes are given out: written down once more, so that a changed scope is seen.
type route struct {
	method, path string
	scope        tracker.Scope
	body         any
}

const someID = "0193a000-0000-7000-8000-000000000001"

var routes = []route{
	{"GET", "affiliates", "affiliates:read", nil},
	{"POST", "affiliates", "affiliates:write", fields{"name": "A"}},
	{"GET", "affiliates/1", "affiliates:read", nil},
	{"PATCH", "affiliates/1", "affiliates:write", fields{"name": "B"}},
	{"DELETE", "affiliates/1", "affiliates:write", nil},
	{"GET", "campaigns", "campaigns:read", nil},
	{"POST", "campaigns", "campaigns:write", fields{"name": "A"}},
	{"GET", "campaigns/1", "campaigns:read", nil},
	{"PATCH", "campaigns/1", "campaigns:write", fields{"name": "B"}},
	{"DELETE", "campaigns/1", "campaigns:write", nil},
	{"GET", "links", "links:read", nil},
	{"POST", "links", "links:write", fields{"code": "a", "affiliate_id": 1}},
	{"GET", "links/1", "links:read", nil},
	{"PATCH", "links/1", "links:write", fields{"enabled": false}},
	{"GET", "sessions", "sessions:read", nil},
	{"GET", "sessions/" + someID, "sessions:read", nil},
	{"GET", "customers", "customers:read", nil},
	{"POST", "customers", "customers:write", fields{"external_id": "c"}},
	{"GET", "customers/" + someID, "customers:read", nil},
	{"PATCH", "customers/" + someID, "customers:write", fields{"note": "x"}},
	{"GET", "transactions", "transactions:read", nil},
	{"POST", "transactions", "transactions:write", fields{"external_id": "t", "customer_external_id": "c", "currency": "EUR"}},
	{"GET", "transactions/" + someID, "transactions:read", nil},
	{"GET", "conversions", "conversions:read", nil},
	{"POST", "conversions", "conversions:write", sale},
	{"GET", "conversions/" + someID, "conversions:read", nil},
	{"PATCH", "conversions/" + someID, "conversions:write", fields{"status": "approved"}},
	{"POST", "conversions/" + someID + "/reversal", "conversions:write", nil},
	{"GET", "refunds", "conversions:read", nil},
	{"GET", "refunds/" + someID, "conversions:read", nil},
	{"DELETE", "refunds/" + someID, "conversions:write", nil},
	{"POST", "refunds", "conversions:write", fields{"external_id": "r", "conversion_external_id": "o", "conversion_type": "buy", "amount": 1, "currency": "EUR"}},
	{"GET", "keys", "keys:read", nil},
	{"POST", "keys", "keys:write", fields{"name": "k", "scopes": []string{"keys:write"}}},
	{"DELETE", "keys/abcdefghijkl", "keys:write", nil},
	{"GET", "deliveries", "deliveries:read", nil},
	{"GET", "deliveries/" + someID, "deliveries:read", nil},
	{"POST", "deliveries/retry", "deliveries:write", fields{"destination": "hook"}},
	{"GET", "destinations", "deliveries:read", nil},
	{"POST", "destinations/hook/pause", "deliveries:write", nil},
	{"POST", "destinations/hook/resume", "deliveries:write", nil},
	{"POST", "destinations/hook/drop", "deliveries:write", nil},
	{"POST", "destinations/hook/test", "deliveries:write", nil},
	{"GET", "reports?from=2026-11-01&to=2026-11-30", "reports:read", nil},
	{"POST", "privacy/export", "privacy:read", fields{"visitor_id": strings.Repeat("1", 32)}},
	{"POST", "privacy/erase", "privacy:write", fields{"visitor_id": strings.Repeat("1", 32)}},
}

func TestRoutesAreThoseOfTheDocument(t *testing.T) {
	document, _ := readDocument(t)
	n := 0
	for _, operations := range document.Paths {
		n += len(operations)
	}
	if n != len(routes) {
		t.Errorf("the document has %d operations, the tests %d", n, len(routes))
	}
}

func TestEachRouteNeedsItsScope(t *testing.T) {
	s := newShop(t)
	for _, r := range routes {
		name := r.method + " " + r.path
		s.key = ""
		s.do(r.method, r.path, r.body).wantProblem(http.StatusUnauthorized, "unauthorized")

		var others []tracker.Scope
		for _, scope := range allScopes() {
			if scope != r.scope && scope != tracker.ScopeAll && scope != tracker.ScopeRead {
				others = append(others, scope)
			}
		}
		s.key = s.books.NewKey("acme", others...)
		got := s.do(r.method, r.path, r.body).wantProblem(http.StatusForbidden, "forbidden")
		if !strings.Contains(got.text("detail"), string(r.scope)) {
			t.Errorf("%s without %s is told %q", name, r.scope, got.text("detail"))
		}
		for _, scope := range []tracker.Scope{r.scope, tracker.ScopeAll, tracker.ScopeRead} {
			s.key = s.books.NewKey("acme", scope)
			allowed := scope != tracker.ScopeRead || strings.HasSuffix(string(r.scope), ":read") && r.scope != "privacy:read"
			if got := s.do(r.method, r.path, r.body); (got.status != http.StatusForbidden) != allowed || got.status >= 500 {
				t.Errorf("%s with the scope %s: %d %s", name, scope, got.status, got.body)
			}
		}
	}
}

func TestWhateverIsWrongWithAKeyIsAnsweredAlike(t *testing.T) {
	s := newShop(t)
	good := s.key
	unknown := good[:4] + "aaaaaaaaaaaa" + good[16:]
	wrong := good[:len(good)-2] + "AA"
	if wrong == good {
		wrong = good[:len(good)-2] + "QA"
	}
	revoked := s.books.NewKey("acme", tracker.ScopeAll)
	if _, err := s.books.RevokeKey(t.Context(), "acme", revoked[4:16]); err != nil {
		t.Fatal(err)
	}
	cases := []http.Header{
		{}, {"Authorization": {good}}, {"Authorization": {"Basic " + good}}, {"Authorization": {"Bearer"}}, {"Authorization": {"Bearer "}},
		{"Authorization": {"Bearer " + unknown}}, {"Authorization": {"Bearer " + wrong}}, {"Authorization": {"Bearer " + revoked}},
		{"Authorization": {"Bearer " + good + "x"}}, {"Authorization": {"Bearer " + good, "Bearer " + good}},
		{"Authorization": {"Bearer " + wrong}, "X-Api-Key": {good}}, {"X-Api-Key": {wrong}}, {"X-Api-Key": {good, good}},
		{"X-Api-Key": {strings.ToUpper(good)}}, {"Cookie": {"key=" + good}},
	}
	var first string
	for i, header := range cases {
		r := s.request("GET", "affiliates", nil)
		r.Header = header.Clone()
		r.Header.Set("X-Request-Id", "same")
		got := s.send(r).wantProblem(http.StatusUnauthorized, "unauthorized")
		if got.header.Get("WWW-Authenticate") != `Bearer realm="affiliate"` {
			t.Errorf("case %d: WWW-Authenticate is %q", i, got.header.Get("WWW-Authenticate"))
		}
		if first == "" {
			first = got.body
		}
		if got.body != first {
			t.Errorf("case %d is told something else: %s", i, got.body)
		}
	}
	for _, header := range []http.Header{{"Authorization": {"bearer  " + good}}, {"X-Api-Key": {good}}} {
		r := s.request("GET", "affiliates", nil)
		r.Header = header
		s.send(r).want(http.StatusOK)
	}
}

func TestRevocationIsEffectiveAtOnce(t *testing.T) {
	s := newShop(t)
	other := s.books.NewKey("acme", tracker.ScopeAll)
	admin := s.key
	s.key = other
	s.do("GET", "links", nil).want(http.StatusOK)
	s.key = admin
	s.do("DELETE", "keys/"+other[4:16], nil).want(http.StatusNoContent)
	s.key = other
	s.do("GET", "links", nil).wantProblem(http.StatusUnauthorized, "unauthorized")
}

func TestUseOfAKeyIsNotedToTheMinute(t *testing.T) {
	s := newShop(t)
	used := func() time.Time {
		key, err := s.books.KeyByID(t.Context(), s.key[4:16])
		if err != nil || key.LastUsedAt == nil {
			t.Fatal(key, err)
		}
		return *key.LastUsedAt
	}
	start := s.books.Now()
	for _, step := range []struct{ after, noted time.Duration }{
		{0, 0}, {30 * time.Second, 0}, {59 * time.Second, 0}, {61 * time.Second, 61 * time.Second}, {100 * time.Second, 61 * time.Second},
		{time.Hour, time.Hour},
	} {
		s.books.At(start.Add(step.after))
		s.do("GET", "links", nil).want(http.StatusOK)
		if got := used().Sub(start); got != step.noted {
			t.Errorf("%s later the last use is %s later, want %s", step.after, got, step.noted)
		}
	}
}

func TestRateLimit(t *testing.T) {
	s := newShop(t)
	key, text := tracker.NewKey("acme", "slow", []tracker.Scope{"links:read"}, 2, s.books.Now())
	if err := s.books.CreateKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	fast := s.key
	s.key = text
	for left := 3; left >= 0; left-- {
		got := s.do("GET", "links", nil).want(http.StatusOK)
		if got.header.Get("RateLimit-Limit") != "4" || got.header.Get("RateLimit-Remaining") != strconv.Itoa(left) {
			t.Errorf("%d left: %v", left, got.header)
		}
	}
	refused := s.do("GET", "links", nil).wantProblem(http.StatusTooManyRequests, "rate")
	if refused.header.Get("Retry-After") != "1" || refused.header.Get("RateLimit-Remaining") != "0" || refused.header.Get("RateLimit-Reset") != "2" {
		t.Errorf("refused with %v", refused.header)
	}
	s.do("POST", "links", fields{}).wantProblem(http.StatusTooManyRequests, "rate") // also what the key may not do
	s.key = fast
	s.do("GET", "links", nil).want(http.StatusOK)
	s.key = text
	s.books.Pass(time.Second)
	s.do("GET", "links", nil).want(http.StatusOK)
	s.do("GET", "links", nil).want(http.StatusOK)
	s.do("GET", "links", nil).wantProblem(http.StatusTooManyRequests, "rate")
}

func TestARateOutlivesTheConfiguration(t *testing.T) {
	s := newShop(t)
	s.key = s.books.NewSlowKey("acme", 1, "links:read")
	s.do("GET", "links", nil).want(http.StatusOK)
	s.do("GET", "links", nil).want(http.StatusOK)
	s.api = New(Options{Books: s.api.books, Now: s.api.now})
	s.do("GET", "links", nil).wantProblem(http.StatusTooManyRequests, "rate")
}

func TestOperatorNeedsNoKeyAndCannotBeForged(t *testing.T) {
	s := newShop(t)
	s.do("POST", "affiliates", fields{"name": "A"}).want(http.StatusCreated)
	s.key = ""
	r := AsOperator(s.request("GET", "affiliates?network=acme&limit=5", nil), "acme")
	if rows := s.send(r).rows(); len(rows) != 1 {
		t.Errorf("the operator of acme sees %v", rows)
	}
	if rows := s.send(AsOperator(s.request("GET", "affiliates?network=other", nil), "other")).rows(); len(rows) != 0 {
		t.Errorf("the operator of another network sees %v", rows)
	}
	created := s.send(AsOperator(s.request("POST", "conversions?network=acme", sale), "acme")).want(http.StatusCreated)
	if actor := created.object()["history"].([]any)[0].(map[string]any)["actor"]; actor != "admin" {
		t.Errorf("the operator is %v in the history", actor)
	}
	forged := s.request("GET", "affiliates", nil)
	for _, name := range []string{"Operator", "X-Operator", "X-Admin", "X-Network", "X-Forwarded-User", "Authorization", "X-Api-Key"} {
		forged.Header.Set(name, "acme")
	}
	//lint:ignore SA1029 a key of another package must not do
	forged = forged.WithContext(context.WithValue(t.Context(), "operatorKey", "acme"))
	s.send(forged).wantProblem(http.StatusUnauthorized, "unauthorized")
}
