package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// upstream is a shop's own server: its answer has a line of the response field for each parameter told, the status of the
// parameter status, and a trailer that tries to be one more sale.
func upstream(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, line := range r.URL.Query()["told"] {
			w.Header().Add("Affiliate-Conversion", line)
		}
		w.Header().Set("Trailer", "affiliate-conversion")
		status := http.StatusOK
		if text := r.URL.Query().Get("status"); text != "" {
			fmt.Sscan(text, &status)
		}
		w.WriteHeader(status)
		io.WriteString(w, "the shop's page")
		w.Header().Set("affiliate-conversion", `buy;external_id="trailer";amount=1;currency="EUR"`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// tills is a Caddyfile of a node that takes conversions by every way at the edge, in front of that upstream.
func tills(upstream string, options ...string) string {
	return fmt.Sprintf(`{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		link demo "Demo Partner"
		%s
	}
}

:{$HTTP_PORT} {
	@thanks path /thanks
	affiliate {
		conversion header
		conversion @thanks {
			type sale
			external_id {query.order}
			amount {query.total}
			currency EUR
		}
		conversion pixel
	}
	header %s {affiliate.session_id}
	reverse_proxy %s
}
`, strings.Join(options, "\n\t\t"), load.SessionHeader, upstream)
}

// One node on its embedded ledger; one with Redis between; and an edge that keeps no books, with a hub that does.
func TestEdgeConversions(t *testing.T) {
	t.Run("one node", func(t *testing.T) {
		p := caddy.Start(t, tills(upstream(t), "ledger sqlite ./books/ledger.db"))
		walkTheTills(t, p, p)
	})
	t.Run("one node with Redis", func(t *testing.T) {
		p := caddy.Start(t, tills(upstream(t), "redis redis://"+servers.Redis(t).Addr, "secret {env.AFFILIATE_SECRET}", "ledger sqlite ./books/ledger.db"), secret)
		walkTheTills(t, p, p)
	})
	t.Run("edge and hub", func(t *testing.T) {
		shared := []string{"redis redis://" + servers.Redis(t).Addr, "secret {env.AFFILIATE_SECRET}"}
		shop := upstream(t)
		hub := caddy.Start(t, tills(shop, append(shared, "ledger postgres "+servers.SharedPostgres(t).Database(t))...), secret)
		edge := caddy.Start(t, tills(shop, append(shared, "ledger none")...), secret)
		walkTheTills(t, edge, hub)
	})
}

// walkTheTills clicks and buys at the edge, by every way, and reads the hub's books.
func walkTheTills(t *testing.T, edge, hub *caddy.Process) {
	hub.AwaitHealth()
	edge.AwaitHealth()
	visitor := newBrowser(t)
	var session string
	await(t, "the link to be live at the edge", func() bool {
		session = visitor.open(edge.URL + "/?via=demo").session()
		return session != ""
	})
	buy := func(b *browser, status int, path string, told ...string) {
		t.Helper()
		got := b.open(edge.URL + path + url.Values{"told": told}.Encode())
		if got.StatusCode != status || got.body != "the shop's page" {
			t.Errorf("%s answers %d %q", path, got.StatusCode, got.body)
		}
		for name := range got.Header {
			if strings.Contains(strings.ToLower(name), "conversion") {
				t.Errorf("the client of %s sees the field %s", path, name)
			}
		}
		if len(got.Trailer) > 0 {
			t.Errorf("the client of %s sees the trailer %v", path, got.Trailer)
		}
	}

	const one = `buy;external_id="H-1";amount=99.90;currency="EUR"`
	buy(visitor, 200, "/checkout?", one)
	buy(visitor, 200, "/checkout?", one) // the page is loaded again
	buy(visitor, 200, "/checkout?", `buy;external_id="H-2";amount=5;currency="JPY"`, `lead;external_id="H-3";currency="EUR";name=%"Zo%c3%ab"`)
	buy(newBrowser(t), 200, "/checkout?", `buy;external_id="H-4";amount="0.01";currency="EUR"`) // nobody sent them
	buy(visitor, 200, "/checkout?", `buy;external_id="planted";amount=1e400;currency="EUR"`)
	buy(visitor, 200, "/checkout?", `buy;external_id="planted";amount=1;currency="EUR";status=approved`)
	buy(visitor, 404, "/checkout?status=404&", `buy;external_id="planted";amount=1;currency="EUR"`)
	buy(visitor, 200, "/thanks?order=B-1&total=12.50&")
	buy(visitor, 200, "/thanks?order=B-1&total=12.50&")
	buy(visitor, 200, "/thanks?total=12.50&")               // incomplete
	buy(visitor, 200, "/thanks?order=planted&total=-1.00&") // malformed
	pixel(t, visitor, edge, "type=lead&external_id=P-1&currency=EUR")
	pixel(t, visitor, edge, "external_id=planted&amount=NaN&currency=EUR")
	pixel(t, visitor, edge, "type=lead&external_id=P-2&currency=EUR") // the last one: all before it are applied then

	counts(t, edge, map[string]float64{
		"header recorded": 5, "header malformed": 2, "header ignored": 1,
		"block recorded": 2, "block malformed": 1, "block incomplete": 1,
		"pixel recorded": 2, "pixel malformed": 1,
	})
	booked(t, edge, hub, session)
	if strings.Contains(edge.Logs(), "planted") || !strings.Contains(edge.Logs(), "a conversion is malformed") {
		t.Error("the log does not say that a conversion is malformed, or says too much of it")
	}
}

// pixel loads the image.
func pixel(t *testing.T, b *browser, edge *caddy.Process, query string) {
	t.Helper()
	got := b.open(edge.URL + "/px.gif?" + query)
	if got.StatusCode != 200 || got.Header.Get("Content-Type") != "image/gif" || !strings.HasPrefix(got.body, "GIF89a") || len(got.body) != 43 {
		t.Errorf("the pixel is %d, %s, %d bytes", got.StatusCode, got.Header.Get("Content-Type"), len(got.body))
	}
}

// counts compares what became of the conversions, by way and outcome.
func counts(t *testing.T, edge *caddy.Process, want map[string]float64) {
	t.Helper()
	got := map[string]float64{}
	for series, n := range edge.Metrics() {
		labels, ours := strings.CutPrefix(series, "caddy_affiliate_conversions_total{")
		if !ours || n == 0 {
			continue
		}
		var outcome, source string
		if _, err := fmt.Sscanf(labels, "outcome=%q,source=%q}", &outcome, &source); err != nil {
			t.Fatalf("the series %s: %v", series, err)
		}
		got[source+" "+outcome] = n
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("counted are %v, want %v", got, want)
	}
}

// booked compares what the hub has booked: each order once, pending, and with the visitor's session where there was one.
func booked(t *testing.T, edge, hub *caddy.Process, session string) {
	t.Helper()
	got := map[string]string{}
	await(t, "the last conversion to be booked", func() bool {
		clear(got)
		for _, c := range check.Conversions(t, hub) {
			got[c.ExternalID] += strings.TrimSpace(strings.Join([]string{c.Source, c.Type, fmt.Sprint(c.Amount), c.Currency, c.Status, c.Code}, " "))
			if c.Code == "demo" && (c.SessionID != session || len(c.Decision.Considered) == 0 || c.Decision.Considered[0].Evidence != "cookie") {
				t.Errorf("conversion %s is of session %s, decided by %+v; the visitor's is %s", c.ExternalID, c.SessionID, c.Decision, session)
			}
		}
		return got["P-2"] != ""
	})
	want := map[string]string{
		"H-1": "header buy 9990 EUR pending demo", "H-2": "header buy 5 JPY pending demo",
		"H-3": "header lead 0 EUR pending demo", "H-4": "header buy 1 EUR pending",
		"B-1": "block sale 1250 EUR pending demo",
		"P-1": "pixel lead 0 EUR pending demo", "P-2": "pixel lead 0 EUR pending demo",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("booked are\n%v\nwant\n%v", got, want)
	}
	check.Settle(t, hub)
	if n := hub.Metrics()["caddy_affiliate_replayed_conversions_total"]; n != 2 {
		t.Errorf("%g conversions came again, want 2", n)
	}
	if n := check.Sum(hub.Metrics(), "caddy_affiliate_quarantined_records_total"); n != 0 {
		t.Errorf("%g records are in quarantine", n)
	}
	check.Withheld(t, edge)
}
