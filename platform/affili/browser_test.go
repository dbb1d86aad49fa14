package affili

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// A visit that the script reports, and one at the edge, both lead to who earns.
func TestBothEndsMeet(t *testing.T) {
	s := newShop(t)
	_, atEdge := s.edgeClick(network)
	s.books.Pass(time.Second)
	byScript := data[Cookie](s.fromPage("/api/v2/clients/set-cookie",
		fmt.Sprintf(`{"aff_id":%q,"referrer":%q,"account_id":false}`, sampleAffID, sampleReferrer))).Token.(string)
	s.books.Pass(time.Second)
	byServer := data[Cookie](s.do("POST", "set-cookie", `{"referrer":"`+sampleReferrer+`"}`)).Token.(string)
	for i, token := range []string{atEdge, byScript, byServer} {
		sale := data[Conversion](s.do("POST", "conversions", fmt.Sprintf(`{"type":"buy","external_id":"%d","amount":100,"token":%q,
			"aff_id":"x","referrer":"x","commissions":[{"name":"default","sub_amount":100}]}`, i, token)))
		if sale.Publisher == nil || sale.Publisher.Name != "John Doe" || sale.Wage != "20" || len(sale.Clicks) != 1 {
			t.Errorf("sale %d is %+v", i, sale)
		}
		s.fromPage("/api/v2/clients/conversion", fmt.Sprintf(
			`{"type":"sale","order_id":"%d","amount":100,"aff_id":"x","referrer":"x","token":%q}`, i, token)).want(http.StatusOK)
	}
	for _, c := range s.booked(network) {
		if c.AffiliateID == 0 || c.Status != tracker.StatusPending || c.Wage != 20 {
			t.Errorf("booked %+v", c)
		}
	}
	if n := len(s.booked(network)); n != 6 {
		t.Errorf("%d conversions are booked", n)
	}
	script := s.sessions(network)[1]
	if script.IP != "203.0.113.0" || script.Host != "shop.example.com" || script.Browser != "Chrome 142" || script.Param != "aff_id" {
		t.Errorf("the session of the script is %+v", script)
	}
	if server := s.sessions(network)[0]; server.IP+server.UserAgent+server.Host != "" || server.Param != "referrer" {
		t.Errorf("the session of the merchant's server is %+v", server)
	}
}

// Another click of the same visitor shows with the conversion.
func TestClicksOfTheVisitor(t *testing.T) {
	s := newShop(t)
	first, token := s.edgeClick(network)
	s.books.Pass(time.Hour)
	later := first
	later.ID, later.Time, later.Code = tracker.NewSessionID(s.books.Now()), s.books.Now(), sampleReferrer
	later.UserAgent, later.IP = "curl/8.0", "2001:db8::1"
	if err := s.books.AddSession(t.Context(), tracker.BookedSession{Session: later, Browser: "curl 8"}); err != nil {
		t.Fatal(err)
	}
	s.edgeClick(network) // somebody else
	got := data[Conversion](s.do("POST", "conversions", fmt.Sprintf(`{"type":"click","token":%q}`, token)))
	if len(got.Clicks) != 2 || got.Clicks[0].ID != later.ID.String() || got.Clicks[1].ID != first.ID.String() ||
		fmt.Sprint(got.Client) != "{[curl Chrome] [2001:db8::1 127.0.0.1]}" {
		t.Errorf("the answer is %+v", got)
	}
}

// What strangers report cannot get in the way of what the merchant reports.
func TestStrangersChangeNothing(t *testing.T) {
	s := newShop(t)
	_, token := s.edgeClick(network)
	body := `{"type":"buy","external_id":"1","amount":%d,"commissions":[{"name":"default","sub_amount":%[1]d}],"aff_id":"x","referrer":"x",
		"token":%q,"status":1,"is_closed":1,"checked_out":1}`
	s.fromPage("/api/clients/conversion", fmt.Sprintf(body, 1, token)).want(http.StatusOK)
	s.books.Pass(time.Second)
	if got := data[Conversion](s.do("POST", "conversions", fmt.Sprintf(body, 500, token))); got.Status != 0 || got.Amount != "500" {
		t.Errorf("the merchant's report is %+v", got)
	}
	s.books.Pass(time.Second)
	s.fromPage("/api/clients/conversion", fmt.Sprintf(body, 500, token)).want(http.StatusOK)
	want := []string{"affili_browser duplicated 500 false", "affili pending 500 false", "affili_browser pending 1 false"}
	for i, c := range s.booked(network) {
		if got := fmt.Sprint(c.Source, " ", c.Status, " ", c.Amount, " ", c.IsClosed); got != want[i] {
			t.Errorf("conversion %d is %s, want %s", i, got, want[i])
		}
	}
}

func TestBrowserRoutesOfOthers(t *testing.T) {
	click := fmt.Sprintf(`{"aff_id":%q,"referrer":%[1]q,"account_id":"7"}`, sampleAffID)
	s := newShop(t, func(o *Options) { o.Browser.Account = "42" })
	s.fromPage("/api/clients/set-cookie", click).wantWrong("account_id")
	s.fromPage("/api/clients/set-cookie", strings.Replace(click, `"7"`, `42`, 1)).want(http.StatusOK)
	s.fromPage("/api/clients/set-cookie", `{"account_id":"42","aff_id":false,"referrer":"x"}`).wantWrong("aff_id")
	s.fromPage("/api/clients/elsewhere", click).want(http.StatusNotFound)
	s.fromPage("/api/v2/clients/", click).want(http.StatusNotFound)

	s = newShop(t, func(o *Options) { o.Browser.Sites = nil })
	if got := s.fromPage("/api/clients/set-cookie", click).want(http.StatusNotFound); got.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("the header is %v", got.header)
	}
	for _, origin := range []string{"https://evil.example", "null", "https://shop.example.com.evil.example", "http://shop.example.com", ""} {
		s := newShop(t)
		r := httptest.NewRequest("POST", "/api/clients/set-cookie", strings.NewReader(click))
		r.Header.Set("Origin", origin)
		got := s.send(r).want(http.StatusForbidden)
		for name := range got.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("the origin %q gets the header %s", origin, name)
			}
		}
		if n := len(s.sessions(network)); n != 0 {
			t.Errorf("the origin %q makes %d sessions", origin, n)
		}
	}
}

// An application on a page of a site can call the merchants' routes with its key; one elsewhere, and one without a key, cannot.
func TestApplicationsOfTheSites(t *testing.T) {
	s := newShop(t)
	for origin, allowed := range map[string]bool{"https://shop.example.com": true, "https://evil.example": false, "": false} {
		ask := func(method, path, key string) reply {
			r := httptest.NewRequest(method, "/api/merchants/"+path, nil)
			r.Header.Set("Origin", origin)
			if key != "" {
				r.Header.Set("Authorization", "Bearer "+key)
			}
			return s.send(r)
		}
		preflight, list, stranger := ask("OPTIONS", "conversions", ""), ask("GET", "conversions", s.key), ask("GET", "conversions", "")
		if list.status != 200 || stranger.status != 401 || (preflight.status == 204) != allowed {
			t.Errorf("%q is answered with %d, %d and %d", origin, preflight.status, list.status, stranger.status)
		}
		for _, got := range []reply{preflight, list, stranger} {
			want := map[string]string{"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "GET, POST",
				"Access-Control-Allow-Headers": "authorization, content-type", "Access-Control-Allow-Credentials": ""}
			for name, value := range want {
				if !allowed {
					value = ""
				}
				if got.header.Get(name) != value {
					t.Errorf("%q has %s: %q", origin, name, got.header.Get(name))
				}
			}
			if got.header.Get("Vary") != "Origin" {
				t.Errorf("%q may be kept for another origin", origin)
			}
		}
		if got := ask("OPTIONS", "nothing", ""); got.status != 404 {
			t.Errorf("what is no route is answered with %d", got.status)
		}
	}
}

// An order without a number is no order: otherwise all of a visitor's would count as one.
func TestEmptyIsMissing(t *testing.T) {
	s := newShop(t)
	_, token := s.edgeClick(network)
	who := fmt.Sprintf(`"token":%q,"aff_id":"x","referrer":"x"`, token)
	s.do("POST", "conversions", `{"type":"buy","external_id":"","amount":1,"commissions":[{"name":"buy","sub_amount":1}],`+who+`}`).wantWrong("external_id")
	s.do("POST", "conversions", `{"type":"lead","name":"",`+who+`}`).wantWrong("name")
	s.do("POST", "conversions", `{"type":"click","token":"","aff_id":"","referrer":""}`).wantWrong("aff_id", "referrer")
	s.do("POST", "set-cookie", `{"referrer":""}`).wantWrong("referrer")
	s.fromPage("/api/v2/clients/conversion", `{"type":"sale","order_id":"","amount":1,`+who+`}`).wantWrong("order_id")
	s.fromPage("/api/clients/conversion", `{"type":"buy","external_id":"","amount":1,"commissions":[{"name":"default","sub_amount":1}],`+who+`}`).
		wantWrong("external_id")
	if n := len(s.booked(network)); n != 0 {
		t.Errorf("%d conversions are booked", n)
	}
}

// The id that a lead gets does not tell its name, and two of a visitor's are two.
func TestLeadsAreKnownWithoutTheirNames(t *testing.T) {
	s := newShop(t)
	session, token := s.edgeClick(network)
	lead := func(token, name string) string {
		got := data[Conversion](s.do("POST", "conversions", fmt.Sprintf(`{"type":"lead","name":%q,"token":%q}`, name, token)))
		if got.Status != 0 || strings.Contains(got.ExternalID, "Ann") || len(got.ExternalID) > 64 {
			t.Errorf("the lead is %+v", got)
		}
		return got.ExternalID
	}
	ann, bob := lead(token, "Ann Miller"), lead(token, "Bob")
	if again := lead(token, "Ann Miller"); again != ann || ann == bob || !strings.HasPrefix(ann, session.ID.String()+"/") {
		t.Errorf("the leads are %q, again %q, and %q", ann, again, bob)
	}
	if lead(session.ID.String(), "Ann Miller") == ann {
		t.Error("the id can be computed without the visitor's")
	}
}

// Without consent nothing of the visitor is kept, and the script's own cookies expire as it sets them.
func TestWithoutConsent(t *testing.T) {
	visitor := Visitor{Address: "192.0.2.1", Consent: tracker.ConsentRefused}
	s := newShop(t, func(o *Options) {
		o.Browser.Visitor = func(*http.Request, time.Time) Visitor { return visitor }
	})
	_, token := s.edgeClick(network)
	before := len(s.sessions(network))
	cookie := data[Cookie](s.fromPage("/api/clients/set-cookie", fmt.Sprintf(`{"aff_id":%q,"referrer":"x"}`, sampleAffID)))
	if cookie.Token != false || cookie.ValidDays != 0 {
		t.Errorf("the cookie is %+v", cookie)
	}
	for i, token := range []string{`"` + token + `"`, "false"} {
		s.fromPage("/api/v2/clients/conversion", fmt.Sprintf(
			`{"type":"sale","order_id":"%d","amount":1,"token":%s,"aff_id":%q,"referrer":"x"}`, i, token, sampleAffID)).want(http.StatusOK)
	}
	for _, c := range s.booked(network) {
		if c.AffiliateID != 0 || c.VisitorID != "" || c.Decision.Consent != tracker.ConsentRefused {
			t.Errorf("booked %+v", c)
		}
	}
	if n := len(s.sessions(network)); n != before {
		t.Errorf("there are %d new sessions", n-before)
	}
}

func TestBrowsersHaveARate(t *testing.T) {
	s := newShop(t)
	var got reply
	for i := 0; i <= addressBurst; i++ {
		got = s.fromPage("/api/clients/set-cookie", `{}`)
	}
	got.want(http.StatusTooManyRequests)
	if got.header.Get("Retry-After") != "1" || got.header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("the header is %v", got.header)
	}
	s.books.Pass(time.Second)
	s.fromPage("/api/clients/set-cookie", `{}`).want(http.StatusUnprocessableEntity)
}

// However many addresses somebody has, a site's bucket holds, and memory is bounded.
func TestLimits(t *testing.T) {
	var l limits
	now := time.Unix(1e9, 0)
	passed := 0
	for i := range 3 * maxLimits {
		if l.spend(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff), "https://a", now) == 0 {
			passed++
		}
	}
	if passed != siteBurst || len(l.buckets) > maxLimits || len(l.sites) != 1 {
		t.Errorf("%d passed, with %d buckets", passed, len(l.buckets))
	}
	if l.spend("192.0.2.1", "https://b", now) != 0 {
		t.Error("another site is kept waiting")
	}
	for i := range addressBurst + 1 { // one customer's network of IPv6
		wait := l.spend(fmt.Sprintf("[2001:db8:ffff:1::%x]:80", i), "https://c", now)
		if (wait == 0) != (i < addressBurst) {
			t.Errorf("request %d waits %d", i, wait)
		}
	}
	for text, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::/64", "nonsense": "", "": "",
	} {
		if got := networkOf(text); got != want {
			t.Errorf("%q is counted by %q", text, got)
		}
	}
}
