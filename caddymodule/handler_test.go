package caddymodule

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestHandlerLeavesOtherRequestsAlone(t *testing.T) {
	e := newEdge(t, Handler{})
	for _, url := range []string{"/", "/?ref=github", "/?via=", "/?utm_source=x", "/r/", "/r/nobody", "/red/demo", "/?referrer=demo"} {
		res := e.ask("http://shop.test" + url)
		if res.seen == nil || res.Body.String() != "hello" || len(res.Header()) > 1 {
			t.Errorf("%s: status %d, header %v, body %q", url, res.Code, res.Header(), res.Body)
		}
		if got := res.seen.URL.RequestURI(); got != url {
			t.Errorf("the next handler saw %s, want %s", got, url)
		}
	}
}

func TestHandlerCountsUnknownCodes(t *testing.T) {
	e := newEdge(t, Handler{})
	counted(t, counts{"unknown": 3}, func() { e.ask("http://shop.test/?via=nobody&ref=none&via=nil") })
	counted(t, counts{"unknown": 1, "clicks/human": 1, "tokens": 1}, func() { e.ask("http://shop.test/?via=nobody&ref=demo") })
}

func TestHandlerPlaceholders(t *testing.T) {
	e := newEdge(t, Handler{})
	const all = "{affiliate.session_id}|{affiliate.code}|{affiliate.affiliate}|{affiliate.visitor_id}|{affiliate.token}|{affiliate.class}"

	if got := e.ask("http://shop.test/").expand(all); got != "|||||" {
		t.Errorf("without a token: %q", got)
	}
	if got := e.ask("http://shop.test/", header("Cookie", "aff=v1.x.y")).expand(all); got != "|||||" {
		t.Errorf("with a foreign token: %q", got)
	}
	var first string
	click := e.serve(newRequest("http://shop.test/?via=DEMO"), func(w http.ResponseWriter, r *http.Request) error {
		first = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceAll(all, "")
		return nil
	})
	token := e.open(click)
	want := token.Last.Session.String() + "|demo|Demo Partner|" + token.Visitor.String()
	if first != want+"||human" {
		t.Errorf("on the click itself: %q, want %q", first, want+"||human")
	}
	next := e.ask("http://shop.test/about", e.withCookie(click))
	if got, want := next.expand(all), want+"|"+click.cookie().Value+"|"; got != want {
		t.Errorf("on the next page: %q, want %q", got, want)
	}
	if _, known := next.repl.Get("affiliate.secret"); known {
		t.Error("a placeholder that is none of ours is answered")
	}
}

func TestHandlerHidesExpiredTouches(t *testing.T) {
	e := newEdge(t, Handler{})
	_, old := e.seal("demo", 31*24*time.Hour)
	if got := e.ask("http://shop.test/", old).expand("{affiliate.session_id}"); got != "" {
		t.Errorf("a touch past its window shows as %q", got)
	}
	_, old = e.seal("Partner-2", 31*24*time.Hour) // whose window is 90 days
	if got := e.ask("http://shop.test/", old).expand("{affiliate.code}"); got != "Partner-2" {
		t.Errorf("a touch within its link's window shows as %q", got)
	}
}

func TestHandlerStripsTrackingParameters(t *testing.T) {
	e := newEdge(t, Handler{Strip: true})
	for url, want := range map[string]string{
		"/a%2Fb?x=%zz&via=demo&y=1;2&ref=": "/a%2Fb?x=%zz&y=1;2",
		"/?via=demo":                       "/",
		"/?aff_click=anything&q":           "/?q",
		"/?via=nobody&q=1":                 "/?q=1",
		"/?q=via&viable=1":                 "/?q=via&viable=1",
	} {
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodHead} {
			res := e.ask("http://shop.test"+url, method(m))
			if got := res.seen.URL.RequestURI(); got != want {
				t.Errorf("%s %s: the next handler saw %s, want %s", m, url, got, want)
			}
			if got := res.expand("{http.request.uri}"); got != want || res.seen.RequestURI != want {
				t.Errorf("%s %s: placeholders see %s, want %s", m, url, got, want)
			}
		}
	}
	if got := e.sessions(2)[0].Query; !strings.Contains(got, "via=demo") {
		t.Errorf("the session keeps the query %q", got)
	}
}

func TestHandlerForwardsSession(t *testing.T) {
	key := strings.Repeat("k", 32)
	e := newEdge(t, Handler{ForwardHeader: &ForwardHeader{Key: key}})
	forged := header(sessionField, `"forged"`, `"twice"`)
	for url, change := range map[string]request{
		"/":              forged, // nobody
		"/?page=2":       header("Cookie", "aff=v1.a.b"),
		"/?via=demo":     header("User-Agent", "Googlebot/2.1"),
		"/?via=demo&b=2": method(http.MethodPost),
	} {
		if got := e.ask("http://shop.test"+url, forged, change).seen.Header[sessionField]; got != nil {
			t.Errorf("%s: the upstream got %q", url, got)
		}
	}
	click := e.ask("http://shop.test/?via=demo", forged)
	want := []string{tracker.AttestHeader([]byte(key), e.open(click).Last, "Demo Partner")}
	// The touch of the request itself is finer than a millisecond; the field says seconds.
	if got := click.seen.Header[sessionField]; len(got) != 1 || got[0] != want[0] {
		t.Errorf("on the click the upstream got %q, want %q", got, want)
	}
	next := e.ask("http://shop.test/", forged, e.withCookie(click))
	if got := next.seen.Header[sessionField]; len(got) != 1 || got[0] != want[0] {
		t.Errorf("on the next page the upstream got %q, want %q", got, want)
	}
}

// TestHandlerForwardsSessionThroughProxy has clients declare the field hop-by-hop, so that a proxy would remove it.
func TestHandlerForwardsSessionThroughProxy(t *testing.T) {
	var got http.Header
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer upstream.Close()
	base := startCaddy(t, "", `affiliate { forward_header { key `+strings.Repeat("k", 32)+` } }
		reverse_proxy `+upstream.Listener.Addr().String())
	for _, connection := range [][]string{
		nil, {"Affiliate-Session"}, {"close, affiliate-session"}, {"AFFILIATE-SESSION\t, X-Hop"}, {"X-Hop", "Affiliate-Session"}, {",Affiliate-Session,,"},
	} {
		visit(t, "GET", base+"/?via=demo", header("Connection", connection...), header("X-Hop", "1"))
		if field := got[sessionField]; len(field) != 1 || !strings.Contains(field[0], `code="demo"`) {
			t.Errorf("Connection %q: the upstream got %q", connection, field)
		}
		if hop := strings.Contains(strings.Join(connection, ","), "X-Hop"); hop == (got.Get("X-Hop") != "") {
			t.Errorf("Connection %q: the upstream got X-Hop %q", connection, got.Get("X-Hop"))
		}
	}
}

func TestHandlerWithoutForwardHeaderKeepsTheField(t *testing.T) {
	e := newEdge(t, Handler{})
	if got := e.ask("http://shop.test/", header(sessionField, "theirs")).seen.Header.Get(sessionField); got != "theirs" {
		t.Errorf("the upstream got %q", got)
	}
}

func TestHandlerNetwork(t *testing.T) {
	e := newEdge(t, Handler{Network: "other"})
	if res := e.ask("http://shop.test/?via=demo"); res.cookie() != nil {
		t.Error("a link of another network gave a token")
	}
}

func TestHandlerSurvivesItsOwnPanic(t *testing.T) {
	e := newEdge(t, Handler{})
	e.app.engine = nil // whatever the reason
	counted(t, counts{"panics": 1}, func() {
		if res := e.ask("http://shop.test/?via=demo"); res.Code != 200 || res.Body.String() != "hello" {
			t.Errorf("status %d, body %q", res.Code, res.Body)
		}
	})
}

func TestHandlerKeyIsNoSecret(t *testing.T) {
	t.Setenv("TEST_SECRET", testSecret+"\n")
	var lines strings.Builder
	for _, app := range []*App{{Secrets: []string{testSecret}}, {Secrets: []string{strings.Repeat("s", 32), "{env.TEST_SECRET}"}}} {
		h := Handler{ForwardHeader: &ForwardHeader{Key: testSecret}, logger: slog.New(slog.NewJSONHandler(&lines, nil))}
		if err := h.use(app); err != nil {
			t.Fatal(err)
		}
		if err := h.Validate(); err == nil || !strings.Contains(err.Error(), "must not be one of the secrets") || strings.Contains(err.Error(), testSecret) {
			t.Errorf("the error is %v", err)
		}
	}
	if !strings.Contains(lines.String(), `"option":"forward_header key"`) || strings.Contains(lines.String(), testSecret) {
		t.Errorf("of a key that is written out the log says %s", lines.String())
	}
}

func TestHandlerValidate(t *testing.T) {
	for want, h := range map[string]Handler{
		"a network is":            {Network: "a b"},
		"query parameter":         {Params: []string{"a=b"}},
		"is ours":                 {Params: []string{"aff_click"}},
		"given twice":             {Params: []string{"via", "ref", "via"}},
		"deep links too":          {Params: []string{"via", "url"}},
		`the path "/r/" is given`: {Paths: []string{"/r/", "/r/"}},
		"top-level domain":        {Cookie: &Cookie{Domain: "com"}},
		"a slash":                 {Paths: []string{"r/"}},
		"name of a host":          {Subdomains: []string{"https://shop.test"}},
		"is not the name":         {Handoff: []string{"shop.test:443"}},
		"negative":                {Repeat: -1},
		"the only value":          {Prefetch: "allow"},
		"fewer than 32":           {ForwardHeader: &ForwardHeader{Key: "short"}},
		"openssl":                 {ForwardHeader: &ForwardHeader{}},
		"AFFILIATE_NOWHERE":       {ForwardHeader: &ForwardHeader{Key: "{env.AFFILIATE_NOWHERE}"}},
		"cookie name":             {Cookie: &Cookie{Name: "a b"}},
		"the prefix comes":        {Cookie: &Cookie{Name: "__Host-aff"}},
		"cookie domain":           {Cookie: &Cookie{Domain: "shop.test:80"}},
		`the values are "auto"`:   {Cookie: &Cookie{Secure: "off"}},
		"cannot be the name of a": {DeepLink: "a&b"},
	} {
		h.logger = slog.New(slog.DiscardHandler)
		err := h.use(&App{})
		if err == nil {
			err = h.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// pass runs what a server does for every request, and the handler if there is one.
func pass(h *Handler, r *http.Request, w http.ResponseWriter, s *caddyhttp.Server) {
	prepared := caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, s)
	if h == nil {
		nothing.ServeHTTP(w, prepared)
		return
	}
	h.ServeHTTP(w, prepared, nothing)
}

var nothing = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })

func TestHandlerPassThroughAllocates(t *testing.T) {
	e := newEdge(t, Handler{Subdomains: []string{"shop.test"}})
	e.close() // its workers allocate too, and are counted
	_, cookie := e.seal("demo", time.Hour)
	for name, test := range map[string]struct {
		r     *http.Request
		limit float64
	}{
		"no token":       {newRequest("http://shop.test/page?q=1&utm_source=x", header("Cookie", "session=abc; theme=dark")), 0},
		"a host beside":  {newRequest("http://www.shop.test/"), 0},
		"unknown code":   {newRequest("http://shop.test/?ref=github"), 0},
		"returning":      {newRequest("http://shop.test/page?q=1", cookie), 1},
		"foreign cookie": {newRequest("http://shop.test/", header("Cookie", "staff=1")), 1},
	} {
		w, s := httptest.NewRecorder(), new(caddyhttp.Server)
		bare := testing.AllocsPerRun(500, func() { pass(nil, test.r, w, s) })
		with := testing.AllocsPerRun(500, func() { pass(e.Handler, test.r, w, s) })
		if with-bare > test.limit {
			t.Errorf("%s: %v allocations added, at most %v are allowed", name, with-bare, test.limit)
		}
	}
}

func BenchmarkPass(b *testing.B) {
	e := newEdge(b, Handler{})
	_, cookie := e.seal("demo", time.Hour)
	for name, r := range map[string]*http.Request{
		"plain":     newRequest("http://shop.test/page?q=1&utm_source=x", header("Cookie", "session=abc; theme=dark")),
		"returning": newRequest("http://shop.test/page?q=1", cookie),
		"16 KiB of cookies": newRequest("http://shop.test/page?q=1",
			header("Cookie", strings.Repeat("session=0123456789abcdef; theme=dark; ", 16<<10/38))),
	} {
		w, s := httptest.NewRecorder(), new(caddyhttp.Server)
		b.Run(name+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pass(nil, r, w, s)
			}
		})
		b.Run(name+"/affiliate", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pass(e.Handler, r, w, s)
			}
		})
	}
}

// BenchmarkClick runs clicks side by side, as a server does, so that they share the journal's batches.
func BenchmarkClick(b *testing.B) {
	for name, change := range map[string]request{
		"plain":               header("Accept", "*/*"),
		"8 KiB of user agent": header("User-Agent", browser+strings.Repeat(" Extension/1.0", 8<<10/14)),
		"16 KiB of cookies":   header("Cookie", strings.Repeat("session=0123456789abcdef; theme=dark; ", 16<<10/38)),
	} {
		b.Run(name, func(b *testing.B) { benchmarkClick(b, change) })
	}
}

func benchmarkClick(b *testing.B, change request) {
	e := newEdge(b, Handler{})
	site := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		r, s := newRequest("http://shop.test/?via=demo&sub1=a", change), new(caddyhttp.Server)
		for pb.Next() {
			w := httptest.NewRecorder()
			e.ServeHTTP(w, caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, s), site)
		}
	})
}

// FuzzRequest sends what strangers may send. Whatever it is, the handler does not panic, the site's answer goes out
// unchanged, and a redirect goes to where its link says.
func FuzzRequest(f *testing.F) {
	e := newEdge(f, Handler{
		Subdomains: []string{"shop.test"}, Handoff: []string{"shop.example.net"}, Strip: true,
		ForwardHeader: &ForwardHeader{Key: strings.Repeat("k", 32)},
	})
	token, own := e.seal("demo", time.Hour)
	cookies := newRequest("/", own).Header.Get("Cookie")
	handoff, err := e.app.sealer().SealHandoff("default", token.Visitor, token.Last, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][5]string{
		{"shop.test", "/", "via=demo", cookies, browser},
		{"sub.shop.test:80", "/r/demo", "url=//evil.test&a=%0d%0a", "aff=", ""},
		{"shop.test", "/r/macro", "aff_click=x&&=&via=%64emo#", cookies + "; " + cookies, "Googlebot/2.1"},
		{"[::1]:8080", "/r/home/x", "url=https://deep.example.com\\@evil.test", "aff=\"v1\"", "\xff\x00"},
		{"a.sub.shop.test.", "/r/", "aff_click=" + handoff, "", browser},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	f.Fuzz(func(t *testing.T, host, path, query, cookie, agent string) {
		r := newRequest("http://shop.test/", header("Cookie", cookie), header("User-Agent", agent))
		r.Host, r.URL.Path, r.URL.RawQuery = host, path, query
		before := read(t)
		e := &edge{Handler: e.Handler, t: t, engine: e.engine}
		res := e.serve(r, func(w http.ResponseWriter, r *http.Request) error {
			_, err := w.Write([]byte("hello"))
			return err
		})
		after := read(t)
		checkSum(t, before, after)
		if after["panics"] != before["panics"] {
			t.Fatal("the handler panicked")
		}
		switch location := res.Header().Get("Location"); {
		case res.Code == http.StatusOK && res.Body.String() == "hello" && location == "":
		case res.Code == http.StatusFound && res.seen == nil && leads(location, host):
		default:
			t.Errorf("status %d, Location %q, body %q", res.Code, location, res.Body)
		}
	})
}

// leads reports whether a redirect may go to location.
func leads(location, host string) bool {
	_, parent, _ := strings.Cut(host, ".")
	for _, prefix := range []string{
		"https://example.com/land?x=1", "https://shop.example.net/?sid=", "https://deep.example.com", "/start", "http://" + parent + "/",
	} {
		if strings.HasPrefix(location, prefix) {
			target, _, _ := strings.Cut(location, "?")
			return !strings.ContainsAny(location, "\r\n ") && !strings.Contains(target, `\`)
		}
	}
	return location == "/" || strings.HasPrefix(location, "/?")
}
