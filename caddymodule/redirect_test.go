package caddymodule

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// handoffValue is a session that a redirect hands over.
var handoffValue = regexp.MustCompile(`aff_click=v1\.[\w.-]+`)

func TestRedirectLinks(t *testing.T) {
	e := newEdge(t, Handler{Subdomains: []string{"shop.test", "localhost"}})
	for url, want := range map[string]string{
		"http://shop.test/r/demo":                                       "https://example.com/land?x=1#top",
		"http://shop.test/r/DEMO/":                                      "https://example.com/land?x=1#top",
		"http://shop.test/r/demo?sub1=a;b&x=2&q=%zz":                    "https://example.com/land?x=1&sub1=a;b&q=%zz#top",
		"http://shop.test/r/partner-2":                                  "/",
		"http://shop.test/r/home?a=b":                                   "/start?a=b",
		"http://shop.test/r/demo?url=https://deep.example.com/p":        "https://deep.example.com/p",
		"http://shop.test/r/demo?url=https%3A%2F%2Fevil.test%2F&c=1":    "https://example.com/land?x=1&c=1#top",
		"http://sub.shop.test/anything?a=1":                             "http://shop.test/?a=1&aff_click=…",
		"http://sub.localhost:8080/":                                    "http://localhost:8080/?aff_click=…",
		"http://shop.test/r/demo?a=%0d%0aSet-Cookie:x&b=https://e.test": "https://example.com/land?x=1&a=%0d%0aSet-Cookie:x&b=https://e.test#top",
	} {
		counted(t, counts{"clicks/human": 1, "tokens": 1}, func() {
			res := e.ask(url)
			if res.Code != http.StatusFound || res.seen != nil || res.Header().Get("Cache-Control") != "private, no-store" {
				t.Errorf("%s: status %d, header %v", url, res.Code, res.Header())
			}
			if got := handoffValue.ReplaceAllString(res.Header().Get("Location"), "aff_click=…"); got != want {
				t.Errorf("%s\ngoes to %s\nwant    %s", url, got, want)
			}
			if res.cookie() == nil {
				t.Errorf("%s: no cookie", url)
			}
		})
	}
	if res := e.ask("http://sub.shop.test/", overTLS); !strings.HasPrefix(res.Header().Get("Location"), "https://shop.test/?aff_click=v1.") {
		t.Errorf("over https a subdomain goes to %s", res.Header().Get("Location"))
	}
	for _, s := range e.sessions(11) {
		if s.Param != tracker.ParamPath && s.Param != tracker.ParamSubdomain {
			t.Errorf("recorded as named by %q", s.Param)
		}
	}
}

func TestRedirectMethods(t *testing.T) {
	e := newEdge(t, Handler{})
	counted(t, counts{}, func() {
		if res := e.ask("http://shop.test/r/demo", method(http.MethodHead)); res.Code != http.StatusFound ||
			res.Header().Get("Location") != "https://example.com/land?x=1#top" || res.cookie() != nil {
			t.Errorf("HEAD: status %d, header %v", res.Code, res.Header())
		}
		for _, m := range []string{http.MethodPost, http.MethodOptions, http.MethodDelete} {
			if res := e.ask("http://shop.test/r/demo", method(m)); res.seen == nil || res.Code != http.StatusOK {
				t.Errorf("%s: status %d", m, res.Code)
			}
		}
		if res := e.ask("http://shop.test/r/demo", early); res.Code != http.StatusTooEarly || res.seen != nil || res.cookie() != nil ||
			res.Header().Get("Cache-Control") != "private, no-store" {
			t.Errorf("early data: status %d, header %v", res.Code, res.Header())
		}
	})
}

func TestRedirectClasses(t *testing.T) {
	e := newEdge(t, Handler{})
	token, own := e.seal("macro", time.Minute)
	for name, test := range map[string]struct {
		count  string
		change request
		sid    string
	}{
		"bot":      {"clicks/bot", header("User-Agent", "curl/8"), ""},
		"prefetch": {"clicks/prefetch", header("Purpose", "prefetch"), ""},
		"repeat":   {"clicks/repeat", own, token.Last.Session.String()},
	} {
		counted(t, counts{test.count: 1}, func() {
			res := e.ask("http://shop.test/r/macro", test.change)
			if got := res.Header().Get("Location"); got != "https://shop.example.net/?sid="+test.sid || res.cookie() != nil {
				t.Errorf("%s: goes to %s, cookie %v", name, got, res.cookie())
			}
		})
	}
	res := e.ask("http://shop.test/r/macro")
	if got, want := res.Header().Get("Location"), "https://shop.example.net/?sid="+e.open(res).Last.Session.String(); got != want {
		t.Errorf("a click goes to %s, want %s", got, want)
	}
}

func TestRedirectStrips(t *testing.T) {
	e := newEdge(t, Handler{Strip: true})
	if got := e.ask("http://shop.test/r/home?via=demo&a=1&ref=x").Header().Get("Location"); got != "/start?a=1" {
		t.Errorf("goes to %s", got)
	}
}

// A parameter that names another affiliate would make a second click of the page that the redirect leads to.
func TestRedirectToOurselvesNamesNoOtherLink(t *testing.T) {
	h := Handler{Subdomains: []string{"shop.test"}, Handoff: []string{"shop.example.net"}}
	e := newEdge(t, h)
	for url, want := range map[string]string{
		"http://shop.test/r/partner-2?via=demo":               "/",
		"http://shop.test/r/home?ref=demo&a=1&via=x&b":        "/start?a=1&b",
		"http://shop.test/r/home?aff_click=x&viable=1":        "/start?viable=1",
		"http://example.com/r/demo?via=macro&a=1":             "https://example.com/land?x=1&a=1#top",
		"http://sub.shop.test/?via=demo&a=1":                  "http://shop.test/?a=1&aff_click=…",
		"http://shop.test/r/macro?via=demo&a=1":               "https://shop.example.net/?sid=…&a=1&aff_click=…",
		"http://shop.test/r/demo?via=theirs&aff_click=theirs": "https://example.com/land?x=1&via=theirs&aff_click=theirs#top",
	} {
		got := handoffValue.ReplaceAllString(e.ask(url).Header().Get("Location"), "aff_click=…")
		if got = regexp.MustCompile(`sid=[\w-]+`).ReplaceAllString(got, "sid=…"); got != want {
			t.Errorf("%s\ngoes to %s\nwant    %s", url, got, want)
		}
	}
	robot := header("User-Agent", "curl/8") // whose session is not handed over
	if got := e.ask("http://sub.shop.test/?via=demo&aff_click=x", robot).Header().Get("Location"); got != "http://shop.test/" {
		t.Errorf("a robot goes to %s", got)
	}
}

func TestRedirectDropsTargetedCacheFields(t *testing.T) {
	header := http.Header{
		"Cache-Control": {"public, max-age=60"}, "Cdn-Cache-Control": {"max-age=60"}, "Surrogate-Control": {"max-age=60"},
		"cloudflare-cdn-cache-control": {"x"}, "X-Accel-Expires": {"60"}, "Expires": {"0"}, "Etag": {"1"},
	}
	forbidStoring(header)
	if len(header) != 3 || header.Get("Cache-Control") != "private, no-store" || header.Get("Etag") != "1" {
		t.Errorf("left: %v", header)
	}
}

func TestHandoff(t *testing.T) {
	sender := newEdge(t, Handler{Handoff: []string{"Shop.Example.net"}})
	receiver := newEdge(t, Handler{})
	redirect := sender.ask("http://track.test/r/macro?aff_click=forged&a=1")
	sent := sender.open(redirect)
	landing := redirect.Header().Get("Location")
	if !strings.HasPrefix(landing, "https://shop.example.net/?sid="+sent.Last.Session.String()+"&a=1&aff_click=v1.") ||
		strings.Contains(landing, "forged") {
		t.Fatalf("goes to %s", landing)
	}

	var arrived result
	counted(t, counts{"handoffs": 1}, func() { arrived = receiver.ask(landing, overTLS) })
	got := receiver.open(arrived)
	if got.Last.Session != sent.Last.Session || got.Last.Code != "macro" || got.Visitor != sent.Visitor || got.First != got.Last {
		t.Errorf("sent %+v, arrived %+v", sent, got)
	}
	if arrived.cookie().Name != "__Host-aff" || arrived.Header().Get("Cache-Control") != "private, no-store" {
		t.Errorf("header %v", arrived.Header())
	}
	if s := arrived.expand("{affiliate.session_id}|{affiliate.token}"); s != sent.Last.Session.String()+"|" {
		t.Errorf("the placeholders say %s", s)
	}

	t.Run("once", func(t *testing.T) {
		counted(t, counts{}, func() {
			if res := receiver.ask(landing, overTLS, receiver.withCookie(arrived)); res.cookie() != nil {
				t.Error("a reload sets the cookie again")
			}
		})
	})
	t.Run("is no second click", func(t *testing.T) {
		counted(t, counts{"handoffs": 1}, func() { receiver.ask(landing+"&via=demo", overTLS) })
	})
	t.Run("only to a person", func(t *testing.T) {
		for _, change := range []request{
			method(http.MethodHead), method(http.MethodPost), header("Sec-Purpose", "prefetch"), header("User-Agent", "Googlebot/2.1"),
			header("Sec-Fetch-Dest", "image"),
		} {
			counted(t, counts{}, func() {
				if res := receiver.ask(landing, overTLS, change); res.cookie() != nil || res.seen == nil {
					t.Errorf("%v", res.Header())
				}
			})
		}
	})
	t.Run("kept beside an earlier touch", func(t *testing.T) {
		before, own := receiver.seal("demo", time.Hour)
		after := receiver.open(receiver.ask(strings.Replace(landing, "https", "http", 1), own))
		if after.Visitor != before.Visitor || after.First.Session != before.First.Session || after.Last.Session != sent.Last.Session {
			t.Errorf("from %+v to %+v", before, after)
		}
	})
	t.Run("not over a later touch", func(t *testing.T) {
		_, later := receiver.seal("demo", -time.Second)
		counted(t, counts{}, func() {
			if res := receiver.ask(strings.Replace(landing, "https", "http", 1), later); res.cookie() != nil {
				t.Errorf("an older session replaces a later one: %+v", receiver.open(res))
			}
		})
	})
	t.Run("over a touch of the future", func(t *testing.T) {
		_, ahead := receiver.seal("demo", -24*time.Hour)
		counted(t, counts{"handoffs": 1}, func() {
			after := receiver.open(receiver.ask(strings.Replace(landing, "https", "http", 1), ahead))
			if after.Last.Session != sent.Last.Session || after.First != after.Last {
				t.Errorf("the token is %+v", after)
			}
		})
	})
	t.Run("loaded ahead", func(t *testing.T) {
		careful := newEdge(t, Handler{Prefetch: "refuse"})
		counted(t, counts{}, func() {
			res := careful.ask(landing, overTLS, header("Sec-Purpose", "prefetch"))
			if res.Code != http.StatusServiceUnavailable || res.seen != nil || res.Header().Get("Cache-Control") != "private, no-store" {
				t.Errorf("status %d, header %v", res.Code, res.Header())
			}
		})
		counted(t, counts{"handoffs": 1}, func() { careful.ask(landing, overTLS) })
	})
	t.Run("not forged", func(t *testing.T) {
		own := redirect.cookie().Value // a visitor's token is no handoff
		foreign, err := newSealer(t, strings.Repeat("f", 32)).SealHandoff("default", sent.Visitor, sent.Last, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		stale, err := sender.app.sealer().SealHandoff("default", sent.Visitor, sent.Last, time.Now().Add(-6*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{own, foreign, stale, sent.Last.Session.String(), strings.Repeat("v1.", 3000)} {
			counted(t, counts{"rejects": 1}, func() {
				if res := receiver.ask("http://shop.example.net/?aff_click=" + value); res.cookie() != nil {
					t.Errorf("%.40s gave a cookie", value)
				}
			})
		}
		handoff := landing[strings.Index(landing, "aff_click=")+len("aff_click="):]
		if got := receiver.ask("http://shop.test/", header("Cookie", "aff="+handoff)).expand("{affiliate.code}"); got != "" {
			t.Error("a handoff passes as a cookie")
		}
	})
	if n := len(sender.sessions(1)); n != 1 {
		t.Errorf("%d sessions at the sender", n)
	}
	receiver.sessions(0)
}

func TestHandoffOnlyWhereItIsNeeded(t *testing.T) {
	for name, h := range map[string]Handler{
		"not listed": {},
		"covered":    {Handoff: []string{"shop.example.net"}, Cookie: &Cookie{Domain: "example.net"}},
	} {
		if got := newEdge(t, h).ask("http://track.example.net/r/macro").Header().Get("Location"); strings.Contains(got, "aff_click") {
			t.Errorf("%s: goes to %s", name, got)
		}
	}
	e := newEdge(t, Handler{Handoff: []string{"shop.example.net"}})
	if got := e.ask("http://t.test/r/macro", header("User-Agent", "curl/8")).Header().Get("Location"); strings.Contains(got, "aff_click") {
		t.Errorf("a bot goes to %s", got)
	}
	token, own := e.seal("macro", 20*time.Minute)
	again := e.ask("http://t.test/r/macro", own).Header().Get("Location") // the first landing may have failed
	if res := e.ask(strings.Replace(again, "https", "http", 1)); res.cookie() == nil || e.open(res).Last.Session != token.Last.Session {
		t.Errorf("a repeat goes to %s", again)
	}
}

// The cookie of a subdomain link stays on the subdomain, so the site is handed the session and takes it over.
func TestHandoffFromASubdomainLink(t *testing.T) {
	e := newEdge(t, Handler{Subdomains: []string{"Shop.test"}})
	click := e.ask("http://sub.shop.test:8080/?a=1")
	landing := click.Header().Get("Location")
	var arrived result
	counted(t, counts{"handoffs": 1}, func() { arrived = e.ask(landing) })
	if got, want := e.open(arrived).Last.Session, e.open(click).Last.Session; got != want || arrived.seen.Host != "shop.test:8080" {
		t.Errorf("session %s went to %s, and %s arrived", want, landing, got)
	}
	if got := arrived.expand("{affiliate.code}"); got != "sub" {
		t.Errorf("the landing page's code is %q", got)
	}
	e.sessions(1)

	for destination, handed := range map[string]bool{
		"https://shop.test/x": true, "https://www.SHOP.test": true, "http://a.b.shop.test:81/?q": true,
		"https://evilshop.test/": false, "https://shop.test.evil.test/": false, "https://example.com/": false,
	} {
		to := tracker.Redirect{Link: &tracker.Link{Destination: destination}}
		r := newRequest("http://sub.shop.test/", e.withCookie(click))
		e.handOver(r, e.visitor(r, time.Now()), &to)
		if to.Handoff != handed {
			t.Errorf("to %s the session is handed over: %t", destination, to.Handoff)
		}
	}
	covered := newEdge(t, Handler{Subdomains: []string{"shop.test"}, Cookie: &Cookie{Domain: "shop.test"}})
	if got := covered.ask("http://sub.shop.test/").Header().Get("Location"); got != "http://shop.test/" {
		t.Errorf("under a shared cookie it goes to %s", got)
	}
}

func TestHandoffIsStripped(t *testing.T) {
	e := newEdge(t, Handler{Strip: true})
	token, _ := e.seal("demo", 0)
	sealed, err := e.app.sealer().SealHandoff("default", token.Visitor, token.Last, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	res := e.ask("http://shop.test/p?a=1&aff_click=" + sealed)
	if res.cookie() == nil || res.seen.RequestURI != "/p?a=1" || res.seen.URL.RawQuery != "a=1" {
		t.Errorf("cookie %v, the next handler saw %s", res.cookie(), res.seen.RequestURI)
	}
}
