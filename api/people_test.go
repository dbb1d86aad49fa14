package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestSessions(t *testing.T) {
	s := newShop(t)
	link := s.newLink("partner").object()
	clicked, _ := s.click("acme", "partner")
	path := "sessions/" + clicked.ID.String()
	got := s.do("GET", path, nil).want(http.StatusOK).object()
	for field, want := range map[string]any{
		"id": clicked.ID.String(), "network": "acme", "code": "partner", "affiliate": link["affiliate"], "visitor_id": clicked.Visitor.String(),
		"time": "2026-11-21T11:00:00Z", "ip": "203.0.113.7", "query": "via=partner&sub1=news", "class": "human", "reconstructed": false,
		"sub_ids": map[string]any{"sub1": "news"}, "click_ids": map[string]any{},
	} {
		if !reflect.DeepEqual(got[field], want) {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	s.do("GET", "sessions/"+someID, nil).wantProblem(http.StatusNotFound, "not-found")
	s.do("GET", "sessions/not-a-uuid", nil).wantProblem(http.StatusNotFound, "not-found")
	for query, want := range map[string]int{
		"": 1, "class=human": 1, "class=bot": 0, "code=PARTNER": 1, "code=x": 0, "link_id=" + toText(link["id"]): 1, "link_id=99": 0,
		"affiliate_id=" + toText(link["affiliate_id"]): 1, "visitor_id=" + clicked.Visitor.String(): 1, "min_time=2026-11-21T11:00:00Z": 1,
		"min_time=2026-11-21T11:00:01Z": 0, "max_time=2026-11-21T11:00:00Z": 1, "sub1=news": 1, "sub1=old": 0, "sub2=news": 0,
		"reconstructed=false": 1, "reconstructed=true": 0,
	} {
		if rows := s.do("GET", "sessions?"+query, nil).rows(); len(rows) != want {
			t.Errorf("%s shows %d, want %d", query, len(rows), want)
		}
	}
	s.do("GET", "sessions?sub1=a&sub2=b", nil).wantProblem(http.StatusUnprocessableEntity, "invalid")
	s.do("GET", "sessions?visitor_id=7", nil).wantProblem(http.StatusUnprocessableEntity, "invalid", "visitor_id")
	s.do("GET", "sessions?class=robot", nil).wantProblem(http.StatusUnprocessableEntity, "invalid", "class")
}

func TestCustomersAndTransactions(t *testing.T) {
	s := newShop(t)
	link := s.newLink("partner").object()
	session, token := s.click("acme", "partner")
	body := fields{"external_id": "c-1", "brand": "b", "username": "ada", "country_code": "DE", "token": token}
	first := s.do("POST", "customers", body).want(http.StatusCreated)
	made := first.object()
	if made["affiliate"] != link["affiliate"] || made["session_id"] != session.ID.String() || made["organic"] != false {
		t.Errorf("made %s", first.body)
	}
	if again := s.do("POST", "customers", body).want(http.StatusCreated); again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a repeat is answered %s", again.body)
	}
	s.do("POST", "customers", body.with("username", "eve")).wantProblem(http.StatusConflict, "conflict")
	for field, value := range map[string]any{"organic": true, "affiliate_id": 1, "country_code": "Germany", "external_id": " ", "sums": nil} {
		s.do("POST", "customers", body.with(field, value)).wantProblem(http.StatusUnprocessableEntity, "invalid", field)
	}
	path := "customers/" + made["id"].(string)

	transaction := fields{"external_id": "t-1", "customer_external_id": "c-1", "customer_brand": "b", "currency": "EUR", "deposit": 5000, "type": "deposit"}
	booked := s.do("POST", "transactions", transaction).want(http.StatusCreated)
	if again := s.do("POST", "transactions", transaction).want(http.StatusCreated); again.body != booked.body || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("a transaction's repeat is answered %s", again.body)
	}
	s.do("POST", "transactions", transaction.with("deposit", 1)).wantProblem(http.StatusConflict, "conflict")
	if got := s.do("GET", "transactions/"+booked.text("id"), nil).want(http.StatusOK); got.number("deposit") != 5000 {
		t.Errorf("the transaction is %s", got.body)
	}
	for field, value := range map[string]any{"customer_external_id": "nobody", "customer_brand": "other"} {
		s.do("POST", "transactions", transaction.with("external_id", "t-2").with(field, value)).
			wantProblem(http.StatusUnprocessableEntity, "invalid", "customer_external_id")
	}

	patched := s.do("PATCH", path, fields{"note": "vip", "username": ""}).want(http.StatusOK).object()
	sums := patched["sums"].([]any)
	if patched["note"] != "vip" || patched["username"] != nil || patched["country_code"] != "DE" || len(sums) != 1 ||
		toText(sums[0].(map[string]any)["deposits"]) != "5000" {
		t.Errorf("changed to %v", patched)
	}
	s.do("PATCH", path, fields{"external_id": "c-2"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "external_id")
	for query, want := range map[string]int{
		"customers?external_id=c-1": 1, "customers?brand=b": 1, "customers?brand=x": 0, "customers?organic=true": 0, "customers?organic=false": 1,
		"customers?affiliate_id=" + toText(link["affiliate_id"]): 1, "customers?session_id=" + session.ID.String(): 1,
		"customers?min_created_at=2030-01-01T00:00:00Z": 0, "transactions?type=deposit": 1, "transactions?external_id=x": 0,
		"transactions?customer_id=" + made["id"].(string): 1, "transactions?max_time=2026-01-01T00:00:00Z": 0,
	} {
		if rows := s.do("GET", query, nil).rows(); len(rows) != want {
			t.Errorf("%s shows %d, want %d", query, len(rows), want)
		}
	}
}

func TestOrganicCustomersMayBeRefused(t *testing.T) {
	s := newShop(t)
	if got := s.do("POST", "customers", fields{"external_id": "c-1"}).want(http.StatusCreated); got.object()["organic"] != true {
		t.Errorf("made %s", got.body)
	}
	s.books.UseTerms(tracker.Terms{Rule: tracker.LastClick, Window: 30 * 24 * time.Hour, Organic: tracker.OrganicReject})
	s.do("POST", "customers", fields{"external_id": "c-2"}).wantProblem(http.StatusUnprocessableEntity, "organic")
}

func TestErasureAndExport(t *testing.T) {
	s := newShop(t)
	p := s.furnish()
	kinds := func(person fields) map[string]int {
		t.Helper()
		var all []struct {
			Kind   string          `json:"kind"`
			Object json.RawMessage `json:"object"`
		}
		got := s.do("POST", "privacy/export", person).want(http.StatusOK)
		got.read(&all)
		count := map[string]int{}
		for _, one := range all {
			count[one.Kind]++
		}
		return count
	}
	want := map[string]int{"session": 1, "customer": 1, "transaction": 1, "conversion": 1}
	for _, person := range []fields{{"token": p.token}, {"visitor_id": p.visitor}, {"customer_id": p.customer}, {"customer_external_id": "c-1"}} {
		if got := kinds(person); !reflect.DeepEqual(got, want) {
			t.Errorf("%v: exported %v, want %v", person, got, want)
		}
	}
	if got := s.do("POST", "privacy/export", fields{"visitor_id": p.visitor}); !strings.Contains(got.body, `"ip":"203.0.113.7"`) ||
		!strings.Contains(got.body, `"visitor_id":"`+p.visitor+`"`) {
		t.Errorf("exported %s", got.body)
	}
	if got := s.do("POST", "privacy/export", fields{"visitor_id": strings.Repeat("7", 32)}).want(http.StatusOK); strings.TrimSpace(got.body) != "[]" {
		t.Errorf("of nobody is known %s", got.body)
	}
	for path, person := range map[string]fields{
		"": {}, "visitor_id": {"visitor_id": "x"}, "customer_id": {"customer_id": "x"}, "token": {"token": "x"},
		"customer_brand": {"customer_id": someID, "customer_brand": "x"},
	} {
		s.do("POST", "privacy/erase", person).wantProblem(http.StatusUnprocessableEntity, "invalid", path)
	}
	s.do("POST", "privacy/erase", fields{"token": p.token, "visitor_id": p.visitor}).wantProblem(http.StatusUnprocessableEntity, "invalid", "")

	erased := s.do("POST", "privacy/erase", fields{"token": p.token}).want(http.StatusOK)
	if erased.number("sessions") != 1 || erased.number("customers") != 1 {
		t.Errorf("erased %s", erased.body)
	}
	if got := s.do("GET", "sessions/"+p.session, nil).want(http.StatusOK); got.text("ip")+got.text("visitor_id")+got.text("query") != "" {
		t.Errorf("the session is still %s", got.body)
	}
	if got := s.do("GET", "conversions/"+p.sale, nil).want(http.StatusOK); got.number("amount") != 9990 || strings.Contains(got.body, p.visitor) {
		t.Errorf("the conversion is %s", got.body)
	}
}
