package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestUnknownRoutesAndMethods(t *testing.T) {
	s := newShop(t)
	for _, path := range []string{"", "nothing", "affiliates/", "affiliates/1/2", "/affiliates", "affiliates/../campaigns", "openapi.yaml", "docs", "schemas/Link", "keys/%00", "keys/%ff"} {
		s.do("GET", path, nil).wantProblem(http.StatusNotFound, "no-route")
	}
	for method, allow := range map[string]string{"PUT": "GET, POST", "DELETE": "GET, POST", "OPTIONS": "GET, POST", "BREW": "GET, POST"} {
		got := s.do(method, "affiliates", nil).wantProblem(http.StatusMethodNotAllowed, "method")
		if got.header.Get("Allow") != allow {
			t.Errorf("%s: Allow is %q, want %q", method, got.header.Get("Allow"), allow)
		}
	}
	if got := s.do("DELETE", "links/1", nil).wantProblem(http.StatusMethodNotAllowed, "method"); got.header.Get("Allow") != "GET, PATCH" {
		t.Errorf("a link: Allow is %q", got.header.Get("Allow"))
	}
}

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	s := newShop(t)
	for _, r := range []reply{
		s.do("GET", "affiliates", nil), s.do("GET", "nothing", nil), s.do("POST", "affiliates", "{"), s.do("GET", "openapi.json", nil),
		s.do("GET", "affiliates/7", nil), s.do("GET", "affiliates?x=1", nil),
	} {
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Content-Type-Options") != "nosniff" || len(r.header.Get("X-Request-Id")) != 36 {
			t.Errorf("status %d has the header %v", r.status, r.header)
		}
	}
}

func TestEveryJSONAnswerEndsWithALineFeed(t *testing.T) {
	s := newShop(t)
	for _, r := range []reply{
		s.do("POST", "conversions", sale).want(http.StatusCreated), s.do("POST", "conversions", sale).want(http.StatusCreated),
		s.do("POST", "customers", fields{"external_id": "c"}).want(http.StatusCreated), s.do("POST", "affiliates", fields{"name": "A"}),
		s.do("GET", "affiliates", nil), s.do("GET", "affiliates/1", nil), s.do("GET", "openapi.json", nil),
		s.do("GET", "nothing", nil), s.do("GET", "affiliates?limit=x", nil), s.do("POST", "affiliates", "{"),
		s.do("POST", "privacy/export", fields{"visitor_id": strings.Repeat("7", 32)}).want(http.StatusOK),
	} {
		if !strings.HasSuffix(r.body, "\n") || strings.HasSuffix(r.body, "\n\n") || !json.Valid([]byte(r.body)) {
			t.Errorf("status %d ends with %q", r.status, r.body[max(0, len(r.body)-20):])
		}
	}
}

func TestRequestIDIsEchoedIfItIsPlain(t *testing.T) {
	s := newShop(t)
	for _, id := range []string{"a", "Order-1_x.y", strings.Repeat("z", 128)} {
		r := s.request("GET", "affiliates/7", nil)
		r.Header.Set("X-Request-Id", id)
		if got := s.send(r).wantProblem(http.StatusNotFound, "not-found").header.Get("X-Request-Id"); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
	for _, id := range []string{"a b", "a\tb", "<script>", "é", strings.Repeat("z", 129), "a\"b"} {
		r := s.request("GET", "affiliates", nil)
		r.Header.Set("X-Request-Id", id)
		if got := s.send(r).header.Get("X-Request-Id"); len(got) != 36 || strings.Contains(got, id) {
			t.Errorf("%q became %q, want a new one", id, got)
		}
	}
}

func TestQueriesAreStrict(t *testing.T) {
	s := newShop(t)
	for query, path := range map[string]string{
		"nonsense=1": "nonsense", "Limit=1": "Limit", "limit=x": "limit", "limit=0": "limit", "limit=501": "limit", "limit=-1": "limit",
		"limit=1&limit=2": "limit", "a;b": "query", "a=%zz": "query", "name=%00": "query", "name=%ff": "query", "status=gone": "status",
		"network=other": "network", "format=xml": "format", "name=": "name", "name": "name", "after=": "after", "status=": "status",
		"format=": "format",
	} {
		s.do("GET", "affiliates?"+query, nil).wantProblem(http.StatusUnprocessableEntity, "invalid", path)
	}
	for query, path := range map[string]string{
		"min_amount=1.5": "min_amount", "is_closed=maybe": "is_closed", "min_created_at=yesterday": "min_created_at",
		"max_amount=9223372036854775808": "max_amount", "type=gift": "type", "external_id=": "external_id", "min_amount=": "min_amount",
		"is_closed=": "is_closed", "customer_id=x": "customer_id", "session_id=1": "session_id", "visitor_id=" + someID: "visitor_id",
	} {
		s.do("GET", "conversions?"+query, nil).wantProblem(http.StatusUnprocessableEntity, "invalid", path)
	}
	s.do("GET", "affiliates?after=nonsense", nil).wantProblem(http.StatusUnprocessableEntity, "cursor")
	s.do("GET", "affiliates/1?x=1", nil).wantProblem(http.StatusUnprocessableEntity, "invalid", "x")
	s.do("GET", "affiliates/one", nil).wantProblem(http.StatusUnprocessableEntity, "invalid", "id")
	for _, id := range []string{"+2", "01", "-01", "+0", "%2b2"} {
		s.do("GET", "affiliates/"+id, nil).wantProblem(http.StatusNotFound, "not-found")
		s.do("PATCH", "links/"+id, fields{"enabled": true}).wantProblem(http.StatusNotFound, "not-found")
	}
	s.do("POST", "affiliates?x=1", fields{"name": "A"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "x")
	if n := len(s.do("GET", "affiliates", nil).rows()); n != 0 {
		t.Errorf("a refused request made %d affiliates", n)
	}
}

func TestBodiesAreStrict(t *testing.T) {
	s := newShop(t)
	for body, path := range map[string]string{
		`{"name":"A","nonsense":1}`:              "nonsense",
		`{"name":"A","id":7}`:                    "id",
		`{"name":"A","network":"other"}`:         "network",
		`{"Name":"A"}`:                           "Name",
		`{"name":"A","name":"B"}`:                "name",
		`{"name":null}`:                          "name",
		`{"name":7}`:                             "name",
		`{}`:                                     "name",
		`{"name":"A","users":{}}`:                "users",
		`{"name":"A","users":[{"role":"king"}]}`: "users[0].role",
		`{"name":"A","users":[{"email_settings":[{"at":1}]}]}`:      "users[0].email_settings[0].at",
		`{"name":"A","custom_data":{"a":1}}`:                        "custom_data.a",
		`{"name":"A\u0000"}`:                                        "name",
		`{"name":"A","sites":[{"id_from_network":"1"},{"x":[[]]}]}`: "sites[1].x",
	} {
		s.do("POST", "affiliates", body).wantProblem(http.StatusUnprocessableEntity, "invalid", path)
	}
	for _, body := range []string{`{"name":"\ud800X"}`, `{"name":"\udfffX"}`, `{"name":"\ud83dx\ude00"}`, `{"name":"A","custom_data":{"\uDC00":"x"}}`,
		"{", "{}{}", "{'name':1}", "name=A", "\xff", "{\"name\":\"\xff\"}", "{} x", strings.Repeat("[", 60000),
		"[]", " [{}]", `"name"`, "7", "null", "\u00a0{}", "{}\u00a0"} {
		s.do("POST", "affiliates", body).wantProblem(http.StatusBadRequest, "malformed")
		s.do("PATCH", "affiliates/1", body).wantProblem(http.StatusBadRequest, "malformed")
	}
	if got := s.do("POST", "affiliates", "[]").text("detail"); !strings.Contains(got, "must be a JSON object") {
		t.Errorf("an array is told %q", got)
	}
	s.do("POST", "affiliates", "").wantProblem(http.StatusUnprocessableEntity, "invalid", "name")
	if n := len(s.do("GET", "affiliates", nil).rows()); n != 0 {
		t.Errorf("refused bodies made %d affiliates", n)
	}
}

func TestBodyLimitAndContentType(t *testing.T) {
	s := newShop(t)
	fill := func(n int) string { return `{"name":"A"` + strings.Repeat(" ", n-len(`{"name":"A"}`)) + `}` }
	s.do("POST", "affiliates", fill(access.MaxBody+1)).wantProblem(http.StatusRequestEntityTooLarge, "too-large")
	s.do("POST", "affiliates", fill(10*access.MaxBody)).wantProblem(http.StatusRequestEntityTooLarge, "too-large")
	s.do("POST", "affiliates", fill(access.MaxBody)).want(http.StatusCreated)

	for _, mediaType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1",
		"application/vnd.x+json", "application/jsonp", "a;b;c"} {
		r := s.request("POST", "affiliates", fields{"name": "B"})
		r.Header.Set("Content-Type", mediaType)
		s.send(r).wantProblem(http.StatusUnsupportedMediaType, "media-type")
	}
	r := s.request("POST", "affiliates", fields{"name": "B"})
	r.Header.Set("Content-Type", "Application/JSON; charset=UTF-8")
	s.send(r).want(http.StatusCreated)
}

func TestStrangeAcceptHeadersChangeNothing(t *testing.T) {
	s := newShop(t)
	for _, accept := range []string{"text/csv;,x", "a;,b", ";", ",,,", "text/html", "é;q=é", "application/problem+json;q=0"} {
		for _, path := range []string{"affiliates", "affiliates?limit=x", "affiliates/7"} {
			r := s.request("GET", path, nil)
			r.Header.Set("Accept", accept)
			if got := s.send(r); got.status >= 500 {
				t.Errorf("Accept %q: %s", accept, got.body)
			}
		}
	}
}

func TestBooksThatAreAway(t *testing.T) {
	const reason = "this node keeps no ledger (ledger none); ask a hub"
	a := New(Options{Books: func() (Books, error) { return nil, errors.New(reason) }})
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "/affiliate/v1/affiliates", nil),
		AsOperator(httptest.NewRequest("POST", "/affiliate/v1/conversions", nil), "acme"),
	} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		got := reply{t, w.Code, w.Header(), w.Body.String()}.wantProblem(http.StatusServiceUnavailable, "unavailable")
		if got.text("detail") != reason {
			t.Errorf("%s is told %q, want the reason", r.URL.Path, got.text("detail"))
		}
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
}

func TestDeadlineIsUnavailable(t *testing.T) {
	s := newShop(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	s.send(s.request("GET", "affiliates", nil).WithContext(ctx)).wantProblem(http.StatusServiceUnavailable, "unavailable")
}

func TestChangesOutliveTheirClient(t *testing.T) {
	s := newShop(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.send(s.request("POST", "affiliates", fields{"name": "A"}).WithContext(ctx)).want(http.StatusCreated)
}

// panicking are books that panic with a secret.
type panicking struct{ Books }

func (panicking) Affiliate(context.Context, string, int64) (tracker.Affiliate, error) {
	panic("the secret 4711")
}

func TestPanicIsAProblemAndKeepsItsValue(t *testing.T) {
	var log bytes.Buffer
	a := New(Options{
		Books:  func() (Books, error) { return panicking{}, nil },
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	w := httptest.NewRecorder()
	a.ServeHTTP(w, AsOperator(httptest.NewRequest("GET", "/affiliate/v1/affiliates/1", nil), "acme"))
	reply{t, w.Code, w.Header(), w.Body.String()}.wantProblem(http.StatusInternalServerError, "internal")
	if !strings.Contains(log.String(), "get-affiliate") || strings.Contains(log.String()+w.Body.String(), "4711") {
		t.Errorf("log %s, body %s", log.String(), w.Body)
	}
}
