package caddymodule

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	testSecret = "0123456789abcdef0123456789abcdef"
	browser    = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
)

// testTime is how long these tests wait for what happens sooner or later: longer than any machine stands still.
const testTime = time.Minute

var shippedPatience = patience // before it is these tests' own

// Disks of test machines may be slower than clicks are patient; what happens then has tests of its own.
func init() { patience = testTime }

// testLinks are the links of every edge in these tests.
var testLinks = []ledger.NewLink{
	{Code: "demo", Affiliate: "Demo Partner", Destination: "https://example.com/land?x=1#top", DeepLinkHosts: []string{"deep.example.com"}},
	{Code: "Partner-2", Affiliate: "Second", Window: 90 * 24 * time.Hour},
	{Code: "sub", Affiliate: "Subdomain Partner", Subdomain: "sub"},
	{Code: "macro", Affiliate: "Macro", Destination: "https://shop.example.net/?sid={session_id}"},
	{Code: "home", Affiliate: "Home", Destination: "/start"},
}

// edge is a handler with a real engine behind it: journal and SQLite in a temporary folder.
type edge struct {
	*Handler
	t      testing.TB
	engine *engine.Engine
	dir    string
	size   int64 // of the journal; 0: the default
}

// newEdge opens an edge. Its links are in the ledger when it returns.
func newEdge(t testing.TB, h Handler) *edge {
	t.Helper()
	e := newStartingEdge(t, h)
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
	return e
}

// start opens the edge's engine with the links of these tests.
func (e *edge) start() error {
	sqlitetest.Place(e.t, filepath.Join(e.dir, "ledger.db"))
	return e.engine.Open(engine.Config{Dir: e.dir, Links: edgeLinks(), MaxBytes: e.size, SegmentBytes: e.size / 8})
}

// close closes the edge's engine.
func (e *edge) close() {
	e.t.Helper()
	if err := e.engine.Close(); err != nil && !errors.Is(err, engine.ErrSlowClose) {
		e.t.Fatal(err)
	}
}

// edgeLinks are testLinks as a configuration has them.
func edgeLinks() []ledger.NewLink {
	links := make([]ledger.NewLink, len(testLinks))
	for i, l := range testLinks {
		l.Network, l.Source = "default", "config"
		links[i] = l
	}
	return links
}

// newStartingEdge has an engine that is not open yet.
func newStartingEdge(t testing.TB, h Handler) *edge {
	t.Helper()
	dir := t.TempDir() // made before the engine, so removed after it is closed
	opened := engine.New()
	app := &App{engine: opened}
	app.seal.Store(newSealer(t, testSecret))
	t.Cleanup(func() {
		if err := opened.Close(); err != nil && !errors.Is(err, engine.ErrSlowClose) {
			t.Errorf("closing the engine: %v", err)
		}
	})
	h.logger = slog.New(slog.DiscardHandler)
	if err := h.use(app); err != nil {
		t.Fatal(err)
	}
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	return &edge{Handler: &h, t: t, engine: opened, dir: dir}
}

func newSealer(t testing.TB, secret string) *tracker.Sealer {
	t.Helper()
	s, err := tracker.NewSealer([]string{secret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request changes a GET navigation of a browser.
type request func(*http.Request)

func header(name string, values ...string) request {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func method(m string) request { return func(r *http.Request) { r.Method = m } }

func overTLS(r *http.Request) { r.TLS = &tls.ConnectionState{HandshakeComplete: true} }

func early(r *http.Request) { r.TLS = &tls.ConnectionState{} }

func newRequest(url string, changes ...request) *http.Request {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	r.RequestURI = r.URL.RequestURI() // as a browser sends it
	r.Header.Set("User-Agent", browser)
	for _, change := range changes {
		change(r)
	}
	return r
}

// result is what came out of one request.
type result struct {
	*httptest.ResponseRecorder
	seen *http.Request // what the next handler got; nil if it was not asked
	repl *caddy.Replacer
}

// ask sends a request through the handler to a site that says hello.
func (e *edge) ask(url string, changes ...request) result {
	e.t.Helper()
	return e.serve(newRequest(url, changes...), func(w http.ResponseWriter, r *http.Request) error {
		_, err := w.Write([]byte("hello"))
		return err
	})
}

func (e *edge) serve(r *http.Request, site caddyhttp.HandlerFunc) result {
	e.t.Helper()
	res := result{ResponseRecorder: httptest.NewRecorder(), repl: caddy.NewReplacer()}
	r = caddyhttp.PrepareRequest(r, res.repl, res.ResponseRecorder, new(caddyhttp.Server))
	err := e.ServeHTTP(res.ResponseRecorder, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		res.seen = r
		return site(w, r)
	}))
	if err != nil {
		e.t.Fatalf("serving %s: %v", r.URL, err)
	}
	return res
}

// cookie is the cookie that the response sets, or nil.
func (res result) cookie() *http.Cookie {
	for _, c := range res.Result().Cookies() {
		if strings.HasSuffix(c.Name, "aff") {
			return c
		}
	}
	return nil
}

// expand replaces the placeholders in s as a handler after ours would.
func (res result) expand(s string) string { return res.repl.ReplaceAll(s, "") }

// withCookie sends the cookie that a response set.
func (e *edge) withCookie(res result) request {
	e.t.Helper()
	c := res.cookie()
	if c == nil {
		e.t.Fatal("the response set no cookie")
	}
	return header("Cookie", c.Name+"="+c.Value)
}

// open opens the token that a response set.
func (e *edge) open(res result) tracker.Token {
	e.t.Helper()
	c := res.cookie()
	if c == nil {
		e.t.Fatal("the response set no cookie")
	}
	token, err := e.app.sealer().Open("default", c.Value)
	if err != nil {
		e.t.Fatalf("opening the token: %v", err)
	}
	return token
}

// seal makes a cookie with one touch, so long ago.
func (e *edge) seal(code string, ago time.Duration) (tracker.Token, request) {
	e.t.Helper()
	now := time.Now().Add(-ago)
	touch := tracker.Touch{Session: tracker.NewSessionID(now), Code: code, Time: now}
	token := tracker.Token{Network: "default", Visitor: tracker.NewVisitorID(), First: touch, Last: touch}
	sealed, err := e.app.sealer().Seal(token)
	if err != nil {
		e.t.Fatal(err)
	}
	return token, header("Cookie", "aff="+sealed)
}

// sessions returns the ledger's sessions, newest first, once there are n.
func (e *edge) sessions(n int) []ledger.Session {
	e.t.Helper()
	var all []ledger.Session
	for deadline := time.Now().Add(testTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		l, err := e.engine.Ledger()
		if err != nil {
			continue
		}
		all = nil
		err = l.Sessions(e.t.Context(), "", 0, func(s ledger.Session) error {
			all = append(all, s)
			return nil
		})
		if err != nil {
			e.t.Fatal(err)
		}
		if len(all) >= n {
			break
		}
	}
	if len(all) != n {
		e.t.Fatalf("the ledger has %d sessions, want %d", len(all), n)
	}
	return all
}

// counts is a reading of the edge's counters.
type counts map[string]float64

func read(t testing.TB) counts {
	t.Helper()
	c := counts{}
	collect := func(name string, collector prometheus.Collector) {
		metrics := make(chan prometheus.Metric, 64)
		collector.Collect(metrics)
		close(metrics)
		for m := range metrics {
			var out dto.Metric
			if err := m.Write(&out); err != nil {
				t.Fatal(err)
			}
			key := name
			for _, label := range out.GetLabel() {
				key += "/" + label.GetValue()
			}
			c[key] = out.GetCounter().GetValue()
			if h := out.GetHistogram(); h != nil {
				c[key] = float64(h.GetSampleCount())
			}
		}
	}
	collect("clicks", clicks)
	collect("tokens", tokens)
	collect("withheld", withheld)
	collect("unknown", unknownCodes)
	collect("rejects", tokenRejects)
	collect("truncated", truncated)
	collect("panics", panics)
	collect("dropped", dropped)
	collect("handoffs", handoffs)
	collect("early", earlyData)
	collect("wait", addedWait)
	collect("conversions", conversions)
	return c
}

// counted runs what and requires exactly those counters to have moved by so much. The histogram of waits is left out.
func counted(t testing.TB, want counts, what func()) {
	t.Helper()
	before := read(t)
	what()
	after := read(t)
	for key, value := range after {
		if key == "wait" {
			continue
		}
		if moved := value - before[key]; moved != want[key] {
			t.Errorf("counter %s moved by %v, want %v", key, moved, want[key])
		}
	}
	checkSum(t, before, after)
}

// checkSum holds the promise that human clicks are tokens and withheld tokens, exactly.
func checkSum(t testing.TB, before, after counts) {
	t.Helper()
	human, answered := after["clicks/human"]-before["clicks/human"], after["tokens"]-before["tokens"]
	for key, value := range after {
		if strings.HasPrefix(key, "withheld/") {
			answered += value - before[key]
		}
	}
	if human != answered {
		t.Errorf("%v human clicks, but %v tokens given or withheld", human, answered)
	}
}
