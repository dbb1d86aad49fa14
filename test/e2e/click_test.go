package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// The first click, seen from the visitor, from the next page, from the command line and from the books.
func TestFirstClick(t *testing.T) {
	p := caddy.Start(t, site)
	visitor := newBrowser(t)

	landing := visitor.open(p.URL + "/?via=demo&sub1=Spring%20sale&x=1")
	if landing.StatusCode != http.StatusOK || landing.body != "hello from Demo Partner" {
		t.Fatalf("the landing page is %d %q", landing.StatusCode, landing.body)
	}
	cookie := theCookie(t, landing)
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Secure || cookie.Domain != "" {
		t.Errorf("the cookie is %s", cookie)
	}
	if want := 30 * 24 * 60 * 60; cookie.MaxAge != want {
		t.Errorf("the cookie lives for %d s, want %d", cookie.MaxAge, want)
	}
	if got := landing.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("a response with a token may be cached: %q", got)
	}

	next := visitor.open(p.URL + "/next")
	if next.session() == "" || next.session() != landing.session() {
		t.Errorf("the click was session %q, the next page shows %q", landing.session(), next.session())
	}
	if next.Header["Set-Cookie"] != nil || next.Header["Cache-Control"] != nil {
		t.Errorf("a page without a click got %v", next.Header)
	}

	audit := check.Settle(t, p)
	if n := len(audit.Origins); n != 1 || audit.Origins[0].Issued != 1 || audit.Origins[0].Applied != 1 {
		t.Errorf("the audit says %+v", audit)
	}
	sessions := check.Sessions(t, p)
	if len(sessions) != 1 {
		t.Fatalf("the ledger has %d sessions, want 1", len(sessions))
	}
	s := sessions[0]
	if s.ID != landing.session() || s.Network != "default" || s.Code != "demo" || s.Affiliate != "Demo Partner" ||
		s.LinkID == 0 || s.Class != "human" || s.Query != "via=demo&sub1=Spring%20sale&x=1" || s.Route != "/" ||
		s.SubIDs["sub1"] != "Spring sale" || s.IP != "127.0.0.1" || s.VisitorID == "" || s.Param != "via" ||
		s.Browser != "Chrome 140" || s.OS != "Linux" || time.Since(s.Time).Abs() > time.Minute {
		t.Errorf("the ledger's session is %+v", s)
	}
	check.Withheld(t, p)
}

// The command line's tables show what its JSON says, to a person.
func TestTables(t *testing.T) {
	p := caddy.Start(t, site)
	p.AwaitHealth()
	session := newBrowser(t).open(p.URL + "/?via=demo").session()
	check.Settle(t, p)
	for _, c := range []struct{ args, want string }{
		{"affiliate session list", session},
		{"affiliate link list", "Demo Partner"},
		{"affiliate audit", "balanced: yes"},
	} {
		out, errs, status := p.CLI(strings.Fields(c.args)...)
		if status != 0 || !strings.Contains(out, c.want) || strings.HasPrefix(out, "{") || strings.HasPrefix(out, "[") {
			t.Errorf("caddy %s exits with %d and prints\n%s%s", c.args, status, out, errs)
		}
	}
}

// A code that no link has is no referral: somebody's ?ref=github must not touch a partner's click.
func TestUnknownCode(t *testing.T) {
	p := caddy.Start(t, site)
	visitor := newBrowser(t)
	first := visitor.open(p.URL + "/?via=demo").session()
	foreign := visitor.open(p.URL + "/?ref=github")
	if foreign.session() != first || foreign.Header["Set-Cookie"] != nil {
		t.Errorf("after ?ref=github the session is %q, was %q; set-cookie: %v", foreign.session(), first, foreign.Header["Set-Cookie"])
	}
	if stranger := newBrowser(t).open(p.URL + "/?ref=github"); stranger.session() != "" || stranger.Header["Set-Cookie"] != nil {
		t.Errorf("?ref=github alone made session %q", stranger.session())
	}
	check.Settle(t, p)
	if n := len(check.Sessions(t, p)); n != 1 {
		t.Errorf("the ledger has %d sessions, want 1", n)
	}
	if n := p.Metrics()["caddy_affiliate_unknown_codes_total"]; n != 2 {
		t.Errorf("%g unknown codes were counted, want 2", n)
	}
}

// A link is live the moment the command that made it returns, and dead the moment it is disabled.
func TestLinkIsLiveAtOnce(t *testing.T) {
	p := caddy.Start(t, site)
	p.AwaitHealth()
	run(t, p, "affiliate", "link", "add", "spring", "--affiliate", "Spring Partner", "--to", "/spring")
	landing := newBrowser(t).open(p.URL + "/?via=spring")
	if theCookie(t, landing); landing.body != "hello from Spring Partner" {
		t.Errorf("the landing page is %q", landing.body)
	}
	redirect := newBrowser(t).open(p.URL + "/r/spring")
	if theCookie(t, redirect); redirect.StatusCode != http.StatusFound || !strings.HasPrefix(redirect.Header.Get("Location"), "/spring") {
		t.Errorf("/r/spring answers %d to %q", redirect.StatusCode, redirect.Header.Get("Location"))
	}
	run(t, p, "affiliate", "link", "disable", "spring")
	if late := newBrowser(t).open(p.URL + "/?via=spring"); late.Header["Set-Cookie"] != nil {
		t.Error("a disabled link still gets a token")
	}
	check.Settle(t, p)
	classes := map[string]int{}
	for _, s := range check.Sessions(t, p) {
		classes[s.Class]++
	}
	if len(classes) != 2 || classes["human"] != 2 || classes["inactive_link"] != 1 {
		t.Errorf("the ledger's sessions are %v", classes)
	}
}

func theCookie(t *testing.T, p page) *http.Cookie {
	t.Helper()
	cookies := p.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "aff" {
		t.Fatalf("%s answers %d with cookies %v, want one", p.Request.URL, p.StatusCode, cookies)
	}
	return cookies[0]
}

func run(t *testing.T, p *caddy.Process, args ...string) {
	t.Helper()
	if out, errs, status := p.CLI(args...); status != 0 {
		t.Fatalf("caddy %s exits with %d: %s%s", strings.Join(args, " "), status, out, errs)
	}
}
