package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// What a visitor brings along, to be looked for everywhere afterwards.
const (
	plantedIPv4     = "198.51.100.77"
	plantedIPv6     = "2001:db8:77:88:99:aa:bb:cc"
	plantedAgent    = "Mozilla/5.0 (X11; planted-agent) Gecko/20100101 Firefox/140.0"
	plantedReferrer = "https://planted-referrer.test/"
	plantedQuery    = "planted=query"
)

// town is an edge and the hub that keeps its books, with a Redis between.
type town struct {
	t         *testing.T
	hub, edge *caddy.Process
	redis     *servers.RedisServer
}

// newTown starts both with these options of the directive. The link demo is live at the edge when it returns.
func newTown(t *testing.T, options string) *town {
	t.Helper()
	redis := servers.Redis(t)
	config := func(ledger string) string {
		return fmt.Sprintf(`{
	servers {
		trusted_proxies static 127.0.0.1/32
	}
	log ours {
		level DEBUG
		include affiliate http.handlers.affiliate http.handlers.affiliate_api
	}
	affiliate {
		secret {env.AFFILIATE_SECRET}
		journal ./affiliate {
			max_wait 10s
		}
		redis redis://%s
		ledger %s
		link demo "Demo Partner"
	}
}

:{$HTTP_PORT} {
	affiliate {
		conversion pixel
		%s
	}
	affiliate_api
	respond "hello from {affiliate.affiliate}"
}
`, redis.Addr, ledger, options)
	}
	w := &town{t: t, redis: redis}
	w.hub = caddy.Start(t, config("sqlite ./books/ledger.db"), secret)
	w.edge = caddy.Start(t, config("none"), secret)
	w.hub.AwaitHealth()
	w.edge.AwaitHealth()
	return w
}

// visit sends a request of the planted visitor to the edge and returns the answer's bytes, without its body.
func (w *town) visit(path, ip string, cookies ...string) (answer string) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.edge.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header = http.Header{
		"User-Agent": {plantedAgent}, "Referer": {plantedReferrer}, "X-Forwarded-For": {ip}, "Cookie": cookies,
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		w.t.Fatal(err)
	}
	text, err := httputil.DumpResponse(resp, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// cookie is what an answer sets.
func cookie(t *testing.T, answer string) string {
	t.Helper()
	_, rest, found := strings.Cut(answer, "Set-Cookie: ")
	value, _, _ := strings.Cut(rest, ";")
	if !found {
		t.Fatalf("no cookie is set in\n%s", answer)
	}
	return value
}

// traces returns every place in which one of the texts stands: files, logs and metrics of both nodes, and all of Redis.
func (w *town) traces(texts ...string) (places []string) {
	w.t.Helper()
	look := func(place string, data []byte) {
		for _, text := range texts {
			if bytes.Contains(data, []byte(text)) {
				places = append(places, place+" has "+text)
			}
		}
	}
	for name, p := range map[string]*caddy.Process{"hub": w.hub, "edge": w.edge} {
		look("the log of the "+name, []byte(p.Logs()))
		err := filepath.WalkDir(p.Dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			look(name+" "+strings.TrimPrefix(path, p.Dir), data)
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	_, metrics := w.edge.AdminGet("/metrics")
	look("the metrics of the edge", []byte(metrics))
	look("redis", []byte(w.everything()))
	return places
}

// everything is all that Redis holds.
func (w *town) everything() string {
	w.t.Helper()
	ctx, c := context.Background(), w.redis.Client()
	var all strings.Builder
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, key := range keys {
		kind, err := c.Type(ctx, key).Result()
		if err != nil {
			w.t.Fatal(err)
		}
		read := map[string][]any{
			"stream": {"XRANGE", key, "-", "+"}, "hash": {"HGETALL", key}, "set": {"SMEMBERS", key},
			"zset": {"ZRANGE", key, 0, -1}, "string": {"GET", key},
		}[kind]
		value, err := c.Do(ctx, read...).Result()
		if err != nil && err != redis.Nil {
			w.t.Fatalf("%v: %v", read, err)
		}
		fmt.Fprintln(&all, key, value)
	}
	return all.String()
}

// inRedis counts the entries of all streams.
func (w *town) inRedis() (n int64) {
	w.t.Helper()
	ctx, c := context.Background(), w.redis.Client()
	keys, err := c.Keys(ctx, "affiliate:*:events").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, key := range keys {
		n += c.XLen(ctx, key).Val()
	}
	return n
}

// mistakes sends the API requests whose errors would like to quote them, and returns the answers.
func (w *town) mistakes() (answers string) {
	w.t.Helper()
	m := newMerchant(w.t, w.hub, "sessions:read", "conversions:write", "privacy:write")
	for _, try := range []struct{ method, path, body string }{
		{"GET", "sessions?class=planted-agent", ""},
		{"GET", "sessions?visitor_id=" + plantedIPv4, ""},
		{"GET", "sessions/" + plantedIPv4, ""},
		{"POST", "conversions", `{"currency": "` + plantedIPv4 + `", "type": "planted-agent"}`},
		{"POST", "conversions", `{"external_id": "` + plantedIPv6 + `", planted-agent`},
		{"POST", "privacy/erase", `{"token": "` + plantedIPv6 + `"}`},
	} {
		r := m.ask(try.method, try.path, try.body)
		if r.StatusCode < 400 {
			w.t.Errorf("%s %s is taken: %s", try.method, try.path, r.body)
		}
		answers += r.body
	}
	return answers
}

// With less kept of addresses, and nothing of user agents, neither is anywhere: not on the disks, not in Redis while records are
// under way, not in the books, not in what is logged and answered.
func TestPrivacyOfAddresses(t *testing.T) {
	for _, mode := range []string{"truncate", "hash", "none"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, "ip "+mode+"\n\t\tuser_agent none")
			w.hub.Term() // so that records stay in Redis
			own := cookie(t, w.visit("/?via=demo", plantedIPv4))
			w.visit("/?via=demo", plantedIPv6)
			w.visit("/r/demo", plantedIPv6)
			w.visit("/px.gif?external_id=1&amount=5.00&currency=EUR", plantedIPv4, own)
			w.visit("/px.gif?external_id=1&amount=nan-"+plantedIPv4+"&currency=planted-agent", plantedIPv4, own)
			await(t, "the records to reach Redis", func() bool { return w.inRedis() == 4 })
			planted := []string{plantedIPv4, plantedIPv6, "planted-agent"}
			if found := w.traces(planted...); found != nil {
				t.Errorf("while they are under way: %q", found)
			}
			w.hub.Restart()
			w.hub.AwaitHealth()
			check.Settle(t, w.hub)
			sessions := check.Sessions(t, w.hub)
			if len(sessions) != 3 {
				t.Fatalf("the ledger has %d sessions", len(sessions))
			}
			for _, s := range sessions {
				kept := map[string]bool{
					"truncate": s.IP == "198.51.100.0" || s.IP == "2001:db8:77::",
					"hash":     strings.HasPrefix(s.IP, "h:") && len(s.IP) == 34,
					"none":     s.IP == "",
				}[mode]
				if !kept || s.Class != "human" {
					t.Errorf("a %s is recorded from %q", s.Class, s.IP)
				}
			}
			answers := w.mistakes()
			for _, text := range planted {
				if strings.Contains(answers, text) {
					t.Errorf("an error of the API says %s: %s", text, answers)
				}
			}
			if _, metrics := w.hub.AdminGet("/metrics"); strings.Contains(metrics, "planted") || strings.Contains(metrics, "198.51") {
				t.Error("the hub's metrics tell of the visitor")
			}
			w.hub.Term() // which writes the ledger's log back into its file
			if found := w.traces(planted...); found != nil {
				t.Errorf("in the end: %q", found)
			}
		})
	}
}

// Without consent a click is counted: no cookie leaves the edge, and nothing of the visitor is kept.
func TestPrivacyWithoutConsent(t *testing.T) {
	t.Parallel()
	w := newTown(t, "consent cookie consent ^yes$")
	answer := w.visit("/?"+plantedQuery+"&via=demo", plantedIPv4, "consent=no")
	if strings.Contains(strings.ToLower(answer), "cookie") || !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("the answer is\n%s", answer)
	}
	if answer := w.visit("/r/demo?"+plantedQuery, plantedIPv4); !strings.Contains(answer, "Location: /?"+plantedQuery+"&via=demo&aff_click=counted\r\n") {
		t.Errorf("a link redirects by\n%s", answer)
	}
	await(t, "both clicks to be booked", func() bool { return len(check.Sessions(t, w.hub)) == 2 })
	for _, s := range check.Sessions(t, w.hub) {
		if s.Class != "no_consent" || s.VisitorID != "" || s.IP != "" || s.UserAgent != "" || s.Referrer != "" {
			t.Errorf("recorded as %+v", s)
		}
	}
	w.hub.Term()
	if found := w.traces(plantedIPv4, "planted"); found != nil {
		t.Errorf("traces are left: %q", found)
	}
	theCookie(t, newBrowserWith(t, w.edge, "consent=yes").open(w.edge.URL+"/?via=demo"))
}

// newBrowserWith is a browser that has a cookie of that site.
func newBrowserWith(t *testing.T, p *caddy.Process, pair string) *browser {
	t.Helper()
	b := newBrowser(t)
	r, err := http.NewRequest(http.MethodGet, p.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := http.ParseSetCookie(pair)
	if err != nil {
		t.Fatal(err)
	}
	b.client.Jar.SetCookies(r.URL, []*http.Cookie{c})
	return b
}

// A visitor who is erased is nowhere any more, neither in the books nor in the journal of an edge that hears of it by Redis; nor is
// what they do afterwards with the cookie that they still have.
func TestPrivacyOfTheErased(t *testing.T) {
	t.Parallel()
	w := newTown(t, "")
	own := cookie(t, w.visit("/?via=demo&"+plantedQuery+strings.Repeat("x", 3000), plantedIPv4))
	w.visit("/r/demo", plantedIPv6, own)
	w.visit("/px.gif?external_id=1&amount=5.00&currency=EUR&name=planted-name", plantedIPv4, own)
	await(t, "all to be booked", func() bool {
		return len(check.Sessions(t, w.hub)) == 2 && len(check.Conversions(t, w.hub)) == 1
	})
	visitor := check.Sessions(t, w.hub)[0].VisitorID
	planted := []string{plantedIPv4, plantedIPv6, "planted", visitor}
	for _, text := range planted {
		if w.traces(text) == nil {
			t.Fatalf("%s was kept nowhere, so nothing is shown below", text)
		}
	}

	run(t, w.hub, "affiliate", "erase", "--token", strings.TrimPrefix(own, "aff="), "--yes")
	check.Settle(t, w.hub)
	w.visit("/?via=demo&"+plantedQuery, plantedIPv4, own)
	await(t, "the last click to be booked", func() bool { return len(check.Sessions(t, w.hub)) == 3 })
	await(t, "the edge to scrub its journal", func() bool {
		return w.edge.Metrics()["caddy_affiliate_scrubbed_records_total"] == 4
	})
	check.Settle(t, w.hub)
	w.hub.Term()
	if found := w.traces(planted...); found != nil {
		t.Errorf("traces are left: %q", found)
	}
	w.hub.Restart()
	w.hub.AwaitHealth()
	if c := check.Conversions(t, w.hub); len(c) != 1 || c[0].Amount != 500 || c[0].Code != "demo" {
		t.Errorf("of the sale is left %+v", c)
	}
	w.edge.Term() // what was scrubbed is read as any journal is
	w.edge.Restart()
	w.edge.AwaitHealth()
	if a := check.Settle(t, w.hub); !a.Balanced {
		t.Errorf("the books do not balance: %+v", a)
	}
	if strings.Contains(w.edge.Logs(), "unreadable") {
		t.Error("the edge cannot read what it has scrubbed")
	}
}
