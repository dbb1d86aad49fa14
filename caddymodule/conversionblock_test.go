package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// block is a sale on the page that matches, with values from the query.
func block(match ...any) ConversionBlock {
	b := ConversionBlock{
		ExternalID: "{http.request.uri.query.order}", Amount: "{http.request.uri.query.total}", Currency: "EUR",
		Coupon: "{http.request.uri.query.coupon}", Customer: "{http.request.cookie.customer}", Name: "{affiliate.code}",
	}
	if len(match) > 0 {
		b.matchers = caddyhttp.MatcherSets{match}
	}
	return b
}

func blockEdge(t testing.TB, blocks ...ConversionBlock) *edge {
	t.Helper()
	return newEdge(t, Handler{Conversion: &Conversion{Blocks: blocks}})
}

func page(status int) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(status)
		return nil
	}
}

func TestConversionBlockFollowsTheAnswer(t *testing.T) {
	e := blockEdge(t, block(caddyhttp.MatchPath{"/thanks"}))
	const sold = "http://shop.test/thanks?order=1&total=99.90"
	for name, test := range map[string]struct {
		url    string
		site   caddyhttp.HandlerFunc
		change request
		want   string
	}{
		"page":            {sold, page(200), method("GET"), "recorded"},
		"form":            {sold, page(200), method("POST"), "recorded"},
		"redirect":        {sold, page(303), method("POST"), "recorded"},
		"empty chain":     {sold, func(http.ResponseWriter, *http.Request) error { return nil }, method("GET"), "recorded"},
		"seen before":     {sold, page(304), method("GET"), "ignored"},
		"missing page":    {sold, page(404), method("GET"), "ignored"},
		"broken site":     {sold, page(500), method("GET"), "ignored"},
		"no order":        {"http://shop.test/thanks?total=99.90", page(200), method("GET"), "incomplete"},
		"no amount":       {"http://shop.test/thanks?order=2", page(200), method("GET"), "recorded"},
		"nonsense":        {"http://shop.test/thanks?order=1&total=a+lot", page(200), method("GET"), "malformed"},
		"comma":           {"http://shop.test/thanks?order=1&total=99,90", page(200), method("GET"), "malformed"},
		"no text":         {"http://shop.test/thanks?order=%00%ff&total=1", page(200), method("GET"), "malformed"},
		"white space":     {"http://shop.test/thanks?order=%201&total=1", page(200), method("GET"), "malformed"},
		"other page":      {"http://shop.test/?order=1&total=99.90", page(200), method("GET"), ""},
		"HEAD":            {sold, page(200), method("HEAD"), ""},
		"upgrade":         {sold, page(200), header("Upgrade", "websocket"), ""},
		"rewritten later": {sold, rewriting, method("GET"), "recorded"},
	} {
		want := counts{}
		if test.want != "" {
			want["conversions/"+test.want+"/block"] = 1
		}
		t.Run(name, func(t *testing.T) {
			counted(t, want, func() { e.serve(newRequest(test.url, test.change), test.site) })
		})
	}
}

// rewriting is a site behind a rewrite, which changes the request in place.
func rewriting(w http.ResponseWriter, r *http.Request) error {
	r.URL.Path, r.URL.RawQuery = "/index.php", ""
	r.Header.Del("Cookie")
	w.WriteHeader(http.StatusOK)
	return nil
}

func TestConversionBlockOfAFailedRequest(t *testing.T) {
	e := blockEdge(t, block())
	w := httptest.NewRecorder()
	r := caddyhttp.PrepareRequest(newRequest("http://shop.test/?order=1"), caddy.NewReplacer(), w, new(caddyhttp.Server))
	counted(t, counts{"conversions/ignored/block": 1}, func() {
		if err := e.ServeHTTP(w, r, answers["/missing"]); err == nil {
			t.Error("the site's error did not come through")
		}
	})
}

// What a visitor writes is never taken for a placeholder.
func TestConversionBlockFillsOnce(t *testing.T) {
	t.Setenv("AFFILIATE_TEST_KEY", "hunter2")
	r := newRequest("http://shop.test/thanks?order={env.AFFILIATE_TEST_KEY}&total=1.00&coupon={http.request.host}", header("Cookie", "customer=c-7"))
	repl := caddy.NewReplacer()
	caddyhttp.PrepareRequest(r, repl, httptest.NewRecorder(), new(caddyhttp.Server))
	want := reported{
		externalID: "{env.AFFILIATE_TEST_KEY}", amount: "1.00", currency: "EUR", coupon: "{http.request.host}", customer: "c-7",
	}
	sold := block()
	if got := sold.fill(repl); got != want {
		t.Errorf("filled as %+v, want %+v", got, want)
	}
}

func TestConversionBlocksOfOneRequest(t *testing.T) {
	lead := block(caddyhttp.MatchMethod{"GET"})
	lead.Type = string(tracker.TypeLead)
	e := blockEdge(t, block(caddyhttp.MatchPath{"/thanks"}), lead)
	counted(t, counts{"conversions/recorded/block": 2, "clicks/human": 1, "tokens": 1}, func() {
		e.ask("http://shop.test/thanks?order=1&total=1.00&via=demo")
	})
}

func TestConversionBlockInCaddy(t *testing.T) {
	base := startCaddy(t, "", `@thanks path /thanks
		affiliate {
			conversion @thanks {
				external_id {query.order}
				amount {query.total}
				currency EUR
			}
		}
		rewrite /thanks /write
		route { affiliate_probe }`)
	counted(t, counts{"conversions/recorded/block": 1}, func() {
		if res, body := visit(t, "GET", base+"/thanks?order=1&total=5.00"); res.StatusCode != 200 || body != "written" {
			t.Errorf("status %d, body %q", res.StatusCode, body)
		}
	})
	counted(t, counts{}, func() { visit(t, "GET", base+"/write?order=1&total=5.00") })
}

func TestConversionBlockCheck(t *testing.T) {
	for want, change := range map[string]func(*ConversionBlock){
		"external_id is missing":        func(b *ConversionBlock) { b.ExternalID = "" },
		"external_id has no":            func(b *ConversionBlock) { b.ExternalID = "1" },
		"type is not one of":            func(b *ConversionBlock) { b.Type = "gift" },
		"currency is missing":           func(b *ConversionBlock) { b.Currency = "" },
		"a currency is":                 func(b *ConversionBlock) { b.Currency = "eur" },
		"an amount is a decimal number": func(b *ConversionBlock) { b.Amount = "5,00" },
	} {
		b := block()
		change(&b)
		if err := (&Conversion{Blocks: []ConversionBlock{b}}).check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if err := (&Conversion{Blocks: []ConversionBlock{block()}}).check(); err != nil {
		t.Errorf("a good block: %v", err)
	}
}
