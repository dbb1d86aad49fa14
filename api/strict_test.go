package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestIDsAreCheckedAndFolded(t *testing.T) {
	s := newShop(t)
	p := s.furnish()
	upper := strings.ToUpper
	body := sale.with("external_id", "by customer").with("customer_id", upper(p.customer))
	if got := s.do("POST", "conversions", body).want(http.StatusCreated); got.text("customer_id") != p.customer || got.object()["affiliate_id"] == nil {
		t.Errorf("by an id in capitals: %s", got.body)
	}
	s.do("POST", "conversions", body.with("customer_id", "c-1")).wantProblem(http.StatusUnprocessableEntity, "invalid", "customer_id")
	for path, want := range map[string]int{
		"conversions?customer_id=" + upper(p.customer): 1, "conversions?session_id=" + upper(p.session): 2,
		"conversions?visitor_id=" + upper(p.visitor): 2, "sessions?visitor_id=" + upper(p.visitor): 1,
		"customers?session_id=" + upper(p.session): 1, "transactions?customer_id=" + upper(p.customer): 1,
	} {
		if rows := s.do("GET", path, nil).rows(); len(rows) != want {
			t.Errorf("%s shows %d, want %d", path, len(rows), want)
		}
	}
	for path, field := range map[string]string{
		"customers?session_id=junk": "session_id", "transactions?customer_id=c-1": "customer_id", "sessions?visitor_id=7": "visitor_id",
		"conversions?visitor_id=00000000000000000000000000000000": "visitor_id",
	} {
		s.do("GET", path, nil).wantProblem(http.StatusUnprocessableEntity, "invalid", field)
	}
}

func TestTextHasNoWhiteSpaceAtItsEnds(t *testing.T) {
	s := newShop(t)
	for field, values := range map[string][]string{
		"external_id": {" order-1", "order-1 ", "order\t1", "order-1\u00a0", "order-1\u2003", "\u0085order"}, "name": {" Zoë"},
		"coupon": {"X "}, "customer_external_id": {" c"}, "customer_brand": {"b\u2028"},
	} {
		for _, value := range values {
			s.do("POST", "conversions", sale.with(field, value)).wantProblem(http.StatusUnprocessableEntity, "invalid", field)
		}
	}
	s.do("POST", "conversions", sale.with("commissions", []fields{{"name": "books ", "sub_amount": 9990}})).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "commissions[0].name")
	s.do("POST", "customers", fields{"external_id": "c-1 "}).wantProblem(http.StatusUnprocessableEntity, "invalid", "external_id")
	s.do("POST", "links", fields{"code": " demo", "affiliate": "A"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "code")
	s.do("POST", "customers", fields{"external_id": "c-1", "note": "\nas they wrote it \n"}).want(http.StatusCreated)
	id := s.do("POST", "conversions", sale).want(http.StatusCreated).text("id")
	if other := s.do("POST", "conversions", sale.with("external_id", "Order-1")).want(http.StatusCreated).text("id"); other == id {
		t.Error("an external id in another case is the same")
	}
}

// TestFormIsJudgedFirst has a body that is wrong in every way: what it means is judged only once its form is right.
func TestFormIsJudgedFirst(t *testing.T) {
	s := newShop(t)
	meant := sale.with("currency", "EURO").with("type", "gift")
	both := meant.with("amount", "99.90").with("occurred_at", 5).with("colour", "red")
	got := s.do("POST", "conversions", both).wantProblem(http.StatusUnprocessableEntity, "invalid", "amount", "occurred_at", "colour")
	if strings.Contains(got.body, `{"path":"currency"`) || strings.Contains(got.body, `{"path":"type"`) {
		t.Errorf("beside the form the meaning is judged: %s", got.body)
	}
	s.do("POST", "conversions", meant).wantProblem(http.StatusUnprocessableEntity, "invalid", "currency", "type")
}

func TestHalvesOfSurrogatesMergeNothing(t *testing.T) {
	s := newShop(t)
	body := func(id string) string {
		return `{"external_id":"` + id + `","type":"buy","amount":1,"currency":"EUR"}`
	}
	for _, id := range []string{`\ud800X`, `\udfffX`, `\ud800\ud800`, `\uDBFF\u0041`, `\ude00\ud83d`, `\\\ud800`} {
		s.do("POST", "conversions", body(id)).wantProblem(http.StatusBadRequest, "malformed")
	}
	for _, id := range []string{`\ud83d\ude00`, `\\ud800`, `\\\\ud800\"\u00e9`} {
		s.do("POST", "conversions", body(id)).want(http.StatusCreated)
	}
	if rows := s.do("GET", "conversions", nil).rows(); len(rows) != 3 {
		t.Errorf("there are %d conversions", len(rows))
	}
}

func TestACursorIsOfItsList(t *testing.T) {
	s := newShop(t)
	for _, id := range []string{"1", "2"} {
		s.do("POST", "conversions", sale.with("external_id", id)).want(http.StatusCreated)
		s.do("POST", "customers", fields{"external_id": id}).want(http.StatusCreated)
		s.do("POST", "affiliates", fields{"name": id}).want(http.StatusCreated)
	}
	for _, list := range []string{"conversions", "customers", "affiliates"} {
		next := s.do("GET", list+"?limit=1", nil).want(http.StatusOK).text("next")
		if rows := s.do("GET", list+"?limit=1&after="+next, nil).rows(); len(rows) != 1 {
			t.Errorf("the second page of %s has %d rows", list, len(rows))
		}
		for _, other := range []string{"conversions", "customers", "affiliates", "campaigns", "links", "sessions", "transactions", "deliveries"} {
			if other != list {
				s.do("GET", other+"?after="+next, nil).wantProblem(http.StatusUnprocessableEntity, "cursor")
			}
		}
		for _, bad := range []string{list + ".", "." + next, strings.TrimPrefix(next, list+"."), next + "A"} {
			s.do("GET", list+"?after="+bad, nil).wantProblem(http.StatusUnprocessableEntity, "cursor")
		}
	}
}

func TestIdempotencyKeysProtectOrAreRefused(t *testing.T) {
	s := newShop(t)
	send := func(path string, body fields, keys ...string) reply {
		r := s.request("POST", path, body)
		r.Header["Idempotency-Key"] = keys
		return s.send(r)
	}
	for _, keys := range [][]string{{""}, {"a\tb"}, {"é"}, {strings.Repeat("k", 256)}, {"a", "b"}} {
		send("conversions", sale, keys...).wantProblem(http.StatusUnprocessableEntity, "invalid", "Idempotency-Key")
	}
	send("conversions", sale, "a").want(http.StatusCreated)
	for path, body := range map[string]fields{
		"refunds":   {"conversion_external_id": "order-1", "conversion_type": "buy", "external_id": "r", "amount": 1, "currency": "EUR"},
		"customers": {"external_id": "c"}, "transactions": {"external_id": "t", "customer_external_id": "c", "currency": "EUR", "deposit": 1},
	} {
		send(path, body, "a").wantProblem(http.StatusUnprocessableEntity, "invalid", "Idempotency-Key")
	}
	send("affiliates", fields{"name": "A"}, "a").want(http.StatusCreated)
}

func TestBodiesAreNotEncoded(t *testing.T) {
	s := newShop(t)
	for encoding, status := range map[string]int{"gzip": http.StatusUnsupportedMediaType, "br, identity": http.StatusUnsupportedMediaType, "Identity": http.StatusCreated} {
		r := s.request("POST", "conversions", sale)
		r.Header.Set("Content-Encoding", encoding)
		if got := s.send(r).want(status); status != http.StatusCreated {
			got.wantProblem(status, "media-type")
		}
	}
}
