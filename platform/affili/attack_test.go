package affili

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// What another network has is not there.
func TestTenancy(t *testing.T) {
	s := newShop(t)
	sale := `{"type":"buy","external_id":"1","amount":10,"commissions":[{"name":"buy","sub_amount":10}],"token":%q,"aff_id":"x","referrer":"x"}`
	session, token := s.edgeClick(network)
	mine := data[Conversion](s.do("POST", "conversions", fmt.Sprintf(sale, token)))
	s.key = s.books.NewKey("other", tracker.ScopeAll)
	s.do("GET", "conversions/"+mine.ID, "").want(http.StatusNotFound)
	s.do("POST", "conversions/"+mine.ID, `{"status":1}`).want(http.StatusNotFound)
	if all := data[[]Conversion](s.do("GET", "conversions", "")); len(all) != 0 {
		t.Errorf("another network sees %+v", all)
	}
	for _, text := range []string{token, session.ID.String()} { // of the first network
		got := data[Conversion](s.do("POST", "conversions", fmt.Sprintf(strings.Replace(sale, `"1"`, `"`+text[:20]+`"`, 1), text)))
		if got.Publisher != nil || len(got.Clicks) != 0 || len(got.Client.IPs) != 0 {
			t.Errorf("a token of another network tells %+v", got)
		}
	}
	if c := s.booked(network); len(c) != 1 || c[0].Status != tracker.StatusPending {
		t.Errorf("the network's conversions are %+v", c)
	}
}

func TestHostileRequests(t *testing.T) {
	s := newShop(t)
	nested := `{"meta_data":` + strings.Repeat(`{"a":`, 100_000/6) + `1`
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"depth":                   {"conversions", nested[:60_000], 422},
		"lists":                   {"conversions", `{"commissions":` + strings.Repeat("[", 50_000), 422},
		"an oversized one":        {"conversions", `{"name":"` + strings.Repeat("x", 70_000) + `"}`, 413},
		"no JSON":                 {"conversions", `{"type":`, 422},
		"two objects":             {"conversions", `{} {}`, 422},
		"an array":                {"set-cookie", `[{"referrer":"x"}]`, 422},
		"nothing":                 {"set-cookie", ``, 422},
		"no UTF-8":                {"set-cookie", "{\"referrer\":\"\xff\"}", 422},
		"an object for a string":  {"set-cookie", `{"referrer":{"$ne":1}}`, 422},
		"an object for an aff_id": {"conversions", `{"type":"click","token":false,"aff_id":{},"referrer":"x"}`, 422},
		"an exponent":             {"conversions", `{"type":"buy","external_id":"1","amount":1e2000000000,"commissions":[{"name":"b","sub_amount":1}],"token":"x"}`, 422},
		"a negative":              {"conversions", `{"type":"buy","external_id":"1","amount":-5,"commissions":[{"name":"b","sub_amount":-5}],"token":"x"}`, 422},
		"too many parts":          {"conversions", `{"type":"buy","external_id":"1","amount":0,"commissions":[` + strings.Repeat(`{},`, 5000) + `{}],"token":"x"}`, 422},
		"NUL":                     {"conversions", `{"type":"buy","external_id":"a\u0000b","amount":0,"commissions":[{"name":"b","sub_amount":0}],"token":"x"}`, 422},
		"a long id":               {"conversions", `{"type":"click","external_id":"` + strings.Repeat("x", 256) + `","token":"x"}`, 422},
		"NUL in a path":           {"conversions/%00", `{"status":1}`, 404},
		"a path in a path":        {"conversions/..%2f..", `{"status":1}`, 404},
	} {
		platformtest.Soon(t, 2*time.Second, func() {
			got := s.do("POST", c.path, c.body).want(c.status)
			if len(got.body) > 4096 || strings.Contains(got.body, "$ne") {
				t.Errorf("%s is answered with %.200s", name, got.body)
			}
		})
	}
	for _, query := range []string{
		"status=%00", "external_id=%ff", "external_id=a&external_id=b", "min_amount=99999999999999999999", "after=x", "%zz", "a;b",
		"min_created_at=" + strings.Repeat("9", 1000),
	} {
		if got := s.do("GET", "conversions?"+query, ""); got.status != 422 && !(got.status == 200 && query == "external_id=%ff") {
			t.Errorf("%.40s: %d %.200s", query, got.status, got.body)
		}
	}
	if n := len(s.booked(network)); n != 0 {
		t.Errorf("%d conversions are booked", n)
	}
}

// Keys are refused alike, whatever is wrong with them.
func TestKeys(t *testing.T) {
	s := newShop(t)
	good := s.key
	for _, header := range []string{
		"", "Bearer", "Bearer x", "Basic " + good, good, `Bearer "` + good, "Bearer '" + good + "'", "Bearer " + good[:len(good)-1] + "!",
	} {
		r := httptest.NewRequest("GET", "/api/merchants/conversions", nil)
		r.Header.Set("Authorization", header)
		if got := s.send(r).want(http.StatusUnauthorized); strings.Contains(got.body, good[5:12]) {
			t.Errorf("the answer repeats the key: %s", got.body)
		}
	}
	r := httptest.NewRequest("GET", "/api/merchants/conversions", nil)
	r.Header["Authorization"] = []string{"Bearer " + good, "Bearer " + good}
	s.send(r).want(http.StatusUnauthorized)
	if s.log.Len() > 0 {
		t.Errorf("the log is %s", s.log.String())
	}
}

func TestKeysHaveARate(t *testing.T) {
	s := newShop(t)
	s.key = s.books.NewSlowKey(network, 1, tracker.ScopeAll)
	for range 2 {
		s.do("GET", "conversions", "").want(http.StatusOK)
	}
	if got := s.do("GET", "conversions", "").want(http.StatusTooManyRequests); got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
}

// A key that may not read sessions learns nothing of visitors.
func TestClientsNeedTheirScope(t *testing.T) {
	s := newShop(t)
	vars := s.sample()
	s.key = s.books.NewKey(network, "conversions:read")
	got := data[Conversion](s.do("GET", "conversions/"+vars["paid"], ""))
	if len(got.Clicks) != 0 || len(got.Client.IPs) != 0 || len(got.Client.Agents) != 0 || got.Publisher == nil {
		t.Errorf("the answer is %+v", got)
	}
}

func TestBooksThatAreAway(t *testing.T) {
	for _, err := range []error{errors.New("no ledger here"), tracker.ErrAway} {
		s := newShop(t, func(o *Options) { o.Books = func() (Books, error) { return nil, err } })
		for _, got := range []reply{s.do("GET", "conversions", ""), s.fromPage("/api/clients/set-cookie", `{}`)} {
			if got.want(http.StatusServiceUnavailable).header.Get("Retry-After") != "5" {
				t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
			}
		}
	}
	s := newShop(t)
	if err := s.books.Close(); err != nil {
		t.Fatal(err)
	}
	s.do("GET", "conversions", "").want(http.StatusServiceUnavailable)
}

// broken are books that fail.
type broken struct {
	Books
	err error // nil: they panic
}

func (b broken) Conversions(
	context.Context, string, tracker.ConversionFilter, tracker.Page,
) ([]tracker.Conversion, string, error) {
	if b.err == nil {
		panic("a secret value")
	}
	return nil, "", b.err
}

// What is our own fault is logged, and not told.
func TestOurFaults(t *testing.T) {
	for _, err := range []error{nil, errors.New("a secret value: disk I/O error")} {
		s := newShop(t, func(o *Options) {
			books := o.Books
			o.Books = func() (Books, error) {
				real, _ := books()
				return broken{real, err}, nil
			}
		})
		got := s.do("GET", "conversions", "").want(http.StatusInternalServerError)
		if strings.Contains(got.body, "secret") || !strings.Contains(s.log.String(), "level=ERROR") ||
			!strings.Contains(s.log.String(), "dialect=affili") || err == nil && strings.Contains(s.log.String(), "secret") {
			t.Errorf("%v: answered %s, and logged %s", err, got.body, s.log.String())
		}
	}
}
