package caddymodule

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestCookieAttributes(t *testing.T) {
	const url = "http://shop.test/?via="
	for name, test := range map[string]struct {
		h      Handler
		code   string
		change []request
		want   string
	}{
		"http":     {Handler{}, "demo", nil, "aff=…; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax"},
		"https":    {Handler{}, "demo", []request{overTLS}, "__Host-aff=…; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax; Secure"},
		"its link": {Handler{}, "partner-2", nil, "aff=…; Max-Age=7776000; Path=/; HttpOnly; SameSite=Lax"},
		"secure on": {Handler{Cookie: &Cookie{Secure: "on"}}, "demo", nil,
			"__Host-aff=…; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax; Secure"},
		"domain, https": {Handler{Cookie: &Cookie{Name: "tr", Domain: "Shop.Test"}}, "demo", []request{overTLS},
			"__Secure-tr=…; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax; Domain=shop.test; Secure"},
		"domain, http": {Handler{Cookie: &Cookie{Domain: "shop.test"}}, "demo", nil,
			"aff=…; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax; Domain=shop.test"},
		"a stranger says https": {Handler{}, "demo", []request{header("X-Forwarded-Proto", "https")},
			"aff=…; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax"},
	} {
		t.Run(name, func(t *testing.T) {
			res := newEdge(t, test.h).ask(url+test.code, test.change...)
			lines := res.Header().Values("Set-Cookie")
			if len(lines) != 1 {
				t.Fatalf("the response sets %q", lines)
			}
			name, rest, _ := strings.Cut(lines[0], "=")
			_, attributes, _ := strings.Cut(rest, ";")
			if got := name + "=…;" + attributes; got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if res.Header().Get("Cache-Control") != "private, no-store" {
				t.Errorf("Cache-Control: %q", res.Header().Get("Cache-Control"))
			}
		})
	}
}

// Each network has its own cookie, whatever its name may hold.
func TestCookieOfANetwork(t *testing.T) {
	const network = "A-Z.a_z-09"
	if err := tracker.CheckNetwork(network); err != nil {
		t.Fatal(err)
	}
	c, err := (*Cookie)(nil).provision(network)
	if err != nil {
		t.Fatal(err)
	}
	for _, https := range []bool{false, true} {
		res := http.Response{Header: http.Header{}}
		c.set(res.Header, "v1.x", time.Hour, https)
		want := map[bool]string{false: "aff_" + network, true: "__Host-aff_" + network}[https]
		if got := res.Cookies(); len(got) != 1 || got[0].Name != want || got[0].Valid() != nil {
			t.Errorf("the header %v sets %v", res.Header, got)
		}
		r := newRequest("http://shop.test/", header("Cookie", "aff=1; "+want+"=2"))
		if https {
			overTLS(r)
		}
		if sent, err := r.Cookie(want); err != nil || sent.Value != "2" || !c.sent(r) {
			t.Errorf("a browser's cookie reads as %v, %v", sent, err)
		}
	}
	if named, _ := (&Cookie{Name: "aff"}).provision(network); named.plain != "aff" {
		t.Errorf("a cookie that is named aff is %s", named.plain)
	}
	if standard, _ := new(Cookie).provision(tracker.DefaultNetwork); standard.plain != "aff" {
		t.Errorf("the default network's cookie is %s", standard.plain)
	}
}

func TestCookieWindowIsCapped(t *testing.T) {
	header := http.Header{}
	c := cookie{plain: "aff"}
	c.set(header, "v", 1000*24*time.Hour, false)
	if got := header.Get("Set-Cookie"); got != "aff=v; Max-Age=34560000" {
		t.Errorf("got %q, want 400 days", got)
	}
}

func TestCookieLivesAsLongAsTheFirstTouch(t *testing.T) {
	e := newEdge(t, Handler{})
	_, old := e.seal("partner-2", 24*time.Hour) // 89 days are left
	if got := e.ask("http://shop.test/?via=demo", old).cookie().MaxAge; got < 88*24*3600 || got > 89*24*3600 {
		t.Errorf("Max-Age=%d", got)
	}
}

func TestCookieOfTheSchemeIsRead(t *testing.T) {
	e := newEdge(t, Handler{})
	_, own := e.seal("demo", time.Minute)
	value := strings.TrimPrefix(newRequest("/", own).Header.Get("Cookie"), "aff=")
	for name, test := range map[string]struct {
		want    string
		changes []request
	}{
		"http, plain name":      {"demo", []request{header("Cookie", "aff="+value)}},
		"http, host name":       {"", []request{header("Cookie", "__Host-aff="+value)}},
		"https, host name":      {"demo", []request{overTLS, header("Cookie", "__Host-aff="+value)}},
		"https, planted plain":  {"", []request{overTLS, header("Cookie", "aff="+value)}},
		"https, other prefix":   {"", []request{overTLS, header("Cookie", "__Secure-aff="+value)}},
		"name in other case":    {"", []request{header("Cookie", "AFF="+value)}},
		"name with a neighbour": {"", []request{header("Cookie", "xaff="+value)}},
	} {
		if got := e.ask("http://shop.test/", test.changes...).expand("{affiliate.code}"); got != test.want {
			t.Errorf("%s: code %q, want %q", name, got, test.want)
		}
	}
}

func TestCookieBehindTrustedProxy(t *testing.T) {
	c, _ := new(Cookie).provision("default")
	for value, want := range map[string]bool{
		"https": true, "HTTPS": true, "https, http": true, "http": false, "http, https": false, "": false, "httpsx": false,
	} {
		for _, trusted := range []bool{true, false} {
			r := newRequest("http://shop.test/", header("X-Forwarded-Proto", value))
			vars := map[string]any{caddyhttp.TrustedProxyVarKey: trusted}
			r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
			if got := c.https(r); got != (want && trusted) {
				t.Errorf("X-Forwarded-Proto %q, trusted %v: https %v", value, trusted, got)
			}
		}
	}
}

func TestCookieNewestOfSeveralWins(t *testing.T) {
	e := newEdge(t, Handler{})
	value := func(code string, ago time.Duration) string {
		_, own := e.seal(code, ago)
		return newRequest("/", own).Header.Get("Cookie")
	}
	older, newer := value("demo", time.Hour), value("home", time.Minute)
	for _, cookies := range [][]string{
		{older + "; x=1; " + newer}, {newer + "; " + older}, {older, newer}, {newer, older}, {"aff=v1.junk; " + newer + "; aff="},
	} {
		if got := e.ask("http://shop.test/", header("Cookie", cookies...)).expand("{affiliate.code}"); got != "home" {
			t.Errorf("code %q, want the newest touch's", got)
		}
	}
}

func TestCookieTampered(t *testing.T) {
	e := newEdge(t, Handler{})
	_, own := e.seal("demo", time.Minute)
	sealed := newRequest("/", own).Header.Get("Cookie")
	foreign, err := newSealer(t, strings.Repeat("f", 32)).Seal(e.open(e.ask("http://shop.test/?via=demo")))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{sealed[:len(sealed)-2], sealed + "A", strings.Replace(sealed, "v1.", "v2.", 1), "aff=" + foreign, "aff="} {
		counted(t, counts{"rejects": 1, "clicks/human": 1, "tokens": 1}, func() {
			res := e.ask("http://shop.test/?via=demo", header("Cookie", value)) // else it would be a repeat
			if res.Code != http.StatusOK {
				t.Errorf("status %d", res.Code)
			}
		})
		counted(t, counts{"rejects": 1}, func() {
			if got := e.ask("http://shop.test/", header("Cookie", value)).expand("{affiliate.session_id}"); got != "" {
				t.Errorf("a token that was tampered with gave session %s", got)
			}
		})
	}
}

// Others may plant cookies beside the visitor's own. They neither hide it nor make much work, however long the header is.
func TestCookieHeaderOfAnySizeIsBoundedWork(t *testing.T) {
	e := newEdge(t, Handler{})
	_, own := e.seal("demo", time.Minute)
	cookie := newRequest("/", own).Header.Get("Cookie")
	planted := cookie[:len(cookie)-4] + "AAAA; "
	for size, want := range map[int]string{20 << 10: "demo", 1 << 20: ""} { // the most that is read by default, and without Caddy's limit
		n := (size - len(cookie)) / len(planted)
		before := read(t)["rejects"]
		if got := e.ask("http://shop.test/", header("Cookie", strings.Repeat(planted, n)+cookie)).expand("{affiliate.code}"); got != want {
			t.Errorf("behind %d planted cookies the code is %q, want %q", n, got, want)
		}
		if tried := read(t)["rejects"] - before; tried != float64(min(n, tracker.MaxCookies)) {
			t.Errorf("%v of %d planted cookies were opened", tried, n)
		}
	}
}

func TestCookieCovers(t *testing.T) {
	host, _ := new(Cookie).provision("default")
	domain, _ := (&Cookie{Domain: "shop.test"}).provision("default")
	for _, test := range []struct {
		c           cookie
		asked, dest string
		want        bool
	}{
		{host, "shop.test:8080", "SHOP.test", true},
		{host, "shop.test", "www.shop.test", false},
		{host, "[::1]:80", "[::1]", true},
		{domain, "sub.shop.test", "shop.test", true},
		{domain, "shop.test", "www.shop.test:443", true},
		{domain, "shop.test", "evilshop.test", false},
	} {
		if got := test.c.covers(test.asked, test.dest); got != test.want {
			t.Errorf("from %s to %s: %v", test.asked, test.dest, got)
		}
	}
}
