package faults

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// Whatever size a request has, the site answers it, the click is recorded with what fits, and what was cut is counted.
func TestOversizedRequests(t *testing.T) {
	larger := "{\n\tservers {\n\t\tmax_header_size 1MB\n\t}\n" // Caddy itself refuses more than 16 KiB with a 431
	p := caddy.Start(t, strings.Replace(with(embedded), "{\n", larger, 1))
	letters := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name, path, field, value string
		cut                      string // the captured value that the counter has to name
		click                    bool
	}{
		{"an ordinary request", "/?via=demo", "", "", "", true},
		{"a header of 16 KiB", "/?via=demo", "X-Junk", letters(16 << 10), "", true},
		{"cookies of 16 KiB, none of them ours", "/?via=demo", "Cookie", strings.Repeat("aff=v1.x.y; ", 16<<10/12), "", true},
		{"a user agent of 8 KiB", "/?via=demo", "User-Agent", "Mozilla/5.0 " + letters(8<<10), "user_agent", true},
		{"a referrer of 16 KiB", "/?via=demo", "Referer", "https://example.com/" + letters(16<<10), "referrer", true},
		{"a query of 8 KiB", "/?via=demo&q=" + letters(8<<10), "", "", "query", true},
		{"a path of 8 KiB", "/" + letters(8<<10) + "?via=demo", "", "", "route", true},
		{"10,000 parameters behind the code", "/?via=demo" + strings.Repeat("&a=1", 10_000), "", "", "query", true},
		{"10,000 parameters before the code", "/?" + strings.Repeat("a=1&", 10_000) + "via=demo", "", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := p.Metrics()
			var took []time.Duration
			var tokens []load.Token
			for range 21 {
				req, err := http.NewRequest(http.MethodGet, p.URL+c.path, nil)
				must(t, err)
				load.AsBrowser(req.Header)
				if c.field != "" {
					req.Header.Set(c.field, c.value)
				}
				began := time.Now()
				resp, err := http.DefaultTransport.RoundTrip(req)
				must(t, err)
				body, err := io.ReadAll(resp.Body)
				took = append(took, time.Since(began))
				must(t, err)
				resp.Body.Close()
				if resp.StatusCode != 200 || string(body) != "hello" {
					t.Fatalf("answered %d %q", resp.StatusCode, body)
				}
				for _, cookie := range resp.Cookies() {
					tokens = append(tokens, load.Token{Session: resp.Header.Get(load.SessionHeader), Cookie: cookie.Value})
				}
			}
			slices.Sort(took)
			t.Logf("median %s", took[len(took)/2].Round(time.Microsecond))
			after := p.Metrics()
			moved := func(series string) int { return int(after[series] - before[series]) }
			clicked := 0
			if c.click {
				clicked = len(took)
			}
			if got := moved(`caddy_affiliate_clicks_total{class="human"}`); got != clicked {
				t.Errorf("%d clicks were counted of %d", got, clicked)
			}
			for _, field := range []string{"user_agent", "referrer", "query", "route"} {
				want := 0
				if field == c.cut {
					want = clicked
				}
				if got := moved(`caddy_affiliate_truncated_total{field="` + field + `"}`); got != want {
					t.Errorf("%s: %d values were counted as cut, want %d", field, got, want)
				}
			}
			check.Acked(t, tokens, p)
		})
	}
	for _, s := range check.Sessions(t, p) {
		if len(s.UserAgent) > 512 || len(s.Query) > 4096 || len(s.Referrer) > 1024 || len(s.Route) > 1024 {
			t.Errorf("session %s keeps %d bytes of user agent, %d of query, %d of referrer, %d of route",
				s.ID, len(s.UserAgent), len(s.Query), len(s.Referrer), len(s.Route))
		}
	}
	if rejected := p.Metrics()["caddy_affiliate_token_rejects_total"]; rejected == 0 {
		t.Error("cookies that are none of ours are not counted")
	}
}
