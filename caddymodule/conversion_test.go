package caddymodule

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// conversions returns the ledger's conversions by external id, once there are n.
func (e *edge) conversions(n int) map[string]tracker.Conversion {
	e.t.Helper()
	var all []tracker.Conversion
	for deadline := time.Now().Add(testTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		l, err := e.engine.Ledger()
		if err != nil {
			continue
		}
		if all, _, err = l.Conversions(e.t.Context(), "default", tracker.ConversionFilter{}, tracker.Page{}); err != nil {
			e.t.Fatal(err)
		}
		if len(all) >= n {
			break
		}
	}
	if len(all) != n {
		e.t.Fatalf("the ledger has %d conversions, want %d", len(all), n)
	}
	byID := map[string]tracker.Conversion{}
	for _, c := range all {
		byID[c.ExternalID] = c
	}
	return byID
}

// newSellingEdge takes conversions in every way.
func newSellingEdge(t testing.TB) *edge {
	t.Helper()
	e := newEdge(t, Handler{Conversion: &Conversion{
		Header: &ConversionHeader{Trusted: true},
		Blocks: []ConversionBlock{block(caddyhttp.MatchPath{"/thanks"})},
		Pixel:  &ConversionPixel{},
	}})
	e.waitForLinks()
	return e
}

// TestConversionsReachTheBooks sends a conversion by each way, and finds it in the ledger with the affiliate who brought the visitor.
func TestConversionsReachTheBooks(t *testing.T) {
	e := newSellingEdge(t)
	click := e.ask("http://shop.test/?via=demo")
	own, touch := e.withCookie(click), e.open(click).Last
	before := time.Now().Truncate(time.Millisecond)
	e.serve(newRequest("http://shop.test/checkout", own, method(http.MethodPost)),
		selling(303, `buy;external_id="by-header";amount=99.90;currency="EUR";coupon="NOBODYS"`, `lead;external_id="approved";currency=JPY;amount=1500;status=approved;name="Jo"`))
	e.ask("http://shop.test/thanks?order=by-block&total=5.00", own)
	e.ask("http://shop.test/px.gif?type=lead&external_id=by-pixel&amount=1.234&currency=KWD", own)
	e.serve(newRequest("http://shop.test/?via=partner-2"), selling(200, `sale;external_id="with-click";amount="0.50";currency="EUR"`))
	e.serve(newRequest("http://shop.test/"), selling(200, `buy;external_id="nobodys";amount=1.0;currency="EUR"`))

	all := e.conversions(6)
	for id, want := range map[string]tracker.Conversion{
		"by-header":  {Source: "header", Type: "buy", Amount: 9990, Currency: "EUR", Status: "pending", Affiliate: "Demo Partner", Code: "demo"},
		"approved":   {Source: "header", Type: "lead", Amount: 1500, Currency: "JPY", Status: "approved", Affiliate: "Demo Partner", Code: "demo"},
		"by-block":   {Source: "block", Type: "buy", Amount: 500, Currency: "EUR", Status: "pending", Affiliate: "Demo Partner", Code: "demo"},
		"by-pixel":   {Source: "pixel", Type: "lead", Amount: 1234, Currency: "KWD", Status: "pending", Affiliate: "Demo Partner", Code: "demo"},
		"with-click": {Source: "header", Type: "sale", Amount: 50, Currency: "EUR", Status: "pending", Affiliate: "Second", Code: "Partner-2"},
		"nobodys":    {Source: "header", Type: "buy", Amount: 100, Currency: "EUR", Status: "pending"},
	} {
		got := all[id]
		if got.Source != want.Source || got.Type != want.Type || got.Amount != want.Amount || got.Currency != want.Currency || got.Status != want.Status ||
			got.Affiliate != want.Affiliate || got.Code != want.Code {
			t.Errorf("%s: booked as %+v", id, got)
		}
		if got.OccurredAt.Before(before) || got.OccurredAt.After(time.Now()) {
			t.Errorf("%s: occurred at %v", id, got.OccurredAt)
		}
		if winner := got.Decision.Winner(); want.Affiliate != "" && (winner == nil || winner.Evidence != tracker.EvidenceCookie) {
			t.Errorf("%s: decided by %+v", id, got.Decision)
		}
	}
	if got := all["by-header"]; got.SessionID != touch.Session.String() || got.Coupon != "NOBODYS" {
		t.Errorf("booked with session %s and coupon %q", got.SessionID, got.Coupon)
	}
	if got := all["approved"]; got.Name != "Jo" {
		t.Errorf("booked with the name %q", got.Name)
	}
}

// TestConversionCountsOnce loads the page of a sale again, and lets the upstream say the same sale twice.
func TestConversionCountsOnce(t *testing.T) {
	e := newSellingEdge(t)
	own := e.withCookie(e.ask("http://shop.test/?via=demo"))
	counted(t, counts{"conversions/recorded/header": 6, "conversions/recorded/block": 3}, func() {
		for range 3 {
			e.serve(newRequest("http://shop.test/thanks?order=1&total=5.00", own), selling(200, sale, sale))
		}
	})
	e.serve(newRequest("http://shop.test/"), selling(200, strings.Replace(sale, "12345", "last", 1)))
	for id, c := range e.conversions(3) {
		if c.Repeat != 0 || c.Status != tracker.StatusPending {
			t.Errorf("%s: booked as %+v", id, c)
		}
	}
	audit, err := e.engine.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range audit.Origins {
		if !o.Balanced || o.Quarantined != 0 || o.Lost != 0 {
			t.Errorf("the origin stands at %+v", o)
		}
	}
}

// TestConversionUnrecorded holds that the site's answer is the same where the journal takes nothing.
func TestConversionUnrecorded(t *testing.T) {
	defer func(usual time.Duration) { patience = usual }(patience)
	patience = shippedPatience
	for reason, prepare := range map[string]func(t *testing.T) *edge{
		"starting": func(t *testing.T) *edge {
			return newStartingEdge(t, Handler{Conversion: &Conversion{Header: &ConversionHeader{}}})
		},
		"disk": func(t *testing.T) *edge {
			e := headerEdge(t, ConversionHeader{})
			e.close()
			return e
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			e := prepare(t)
			e.logger = slog.New(slog.NewTextHandler(&log, nil))
			counted(t, counts{"conversions/" + reason + "/header": 2}, func() {
				start := time.Now() // of the bubble's clock, which moves only while everybody waits
				res := e.serve(newRequest("http://shop.test/"), selling(201, sale, strings.Replace(sale, "buy", "lead", 1)))
				if res.Code != 201 || res.Body.String() != "thanks" || len(res.Header()) != 0 {
					t.Errorf("%s: status %d, body %q, header %v", reason, res.Code, res.Body, res.Header())
				}
				if took := time.Since(start); took > 2*patience {
					t.Errorf("%s: the answer took %v with a patience of %v", reason, took, patience)
				}
			})
			time.Sleep(awaitMost) // until nobody waits for the journal any more
			synctest.Wait()
			told := false
			for line := range strings.Lines(log.String()) {
				told = told || strings.Contains(line, "level=ERROR") && strings.Contains(line, "type=lead")
			}
			if !told || strings.Contains(log.String(), "12345") {
				t.Errorf("%s: the log says %s", reason, log.String())
			}
		})
	}
}

// TestConversionBeforeTheJournalIsOpen has a sale that the site will not report again.
func TestConversionBeforeTheJournalIsOpen(t *testing.T) {
	defer func(usual time.Duration) { patience = usual }(patience)
	patience = time.Millisecond
	e := newStartingEdge(t, Handler{Conversion: &Conversion{Header: &ConversionHeader{}}})
	counted(t, counts{"conversions/starting/header": 1}, func() {
		e.serve(newRequest("http://shop.test/"), selling(200, sale))
	})
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
	for id, c := range e.conversions(1) {
		if id != "12345" || c.Source != tracker.SourceHeader {
			t.Errorf("recorded %s: %+v", id, c)
		}
	}
}

func TestConversionLate(t *testing.T) {
	e := headerEdge(t, ConversionHeader{})
	v := e.visitor(newRequest("http://shop.test/"), time.Time{})
	before, deadline := read(t), time.Now().Add(testTime)
	for n := 0; read(t)["conversions/late/header"] == before["conversions/late/header"] && time.Now().Before(deadline); n++ {
		// The patience of this one is over at once, so only the quickest disk would be in time.
		c := reported{kind: "buy", externalID: fmt.Sprint(n), currency: "EUR"}
		b, ok := e.book(c, tracker.SourceHeader, v, time.Now())
		if !ok {
			t.Fatal("the conversion was refused")
		}
		e.settle(b, time.Now())
	}
	if after := read(t); after["conversions/late/header"] == before["conversions/late/header"] {
		t.Error("no conversion was late")
	}
}

func TestConversionSurvivesOurPanic(t *testing.T) {
	e := headerEdge(t, ConversionHeader{})
	app := e.app
	defer func() { e.app = app }()
	counted(t, counts{"panics": 1}, func() {
		res := e.serve(newRequest("http://shop.test/"), func(w http.ResponseWriter, r *http.Request) error {
			e.app = nil // whatever the reason
			return selling(201, sale)(w, r)
		})
		if res.Code != 201 || res.Body.String() != "thanks" || len(res.Header()) != 0 {
			t.Errorf("status %d, body %q, header %v", res.Code, res.Body, res.Header())
		}
	})
}
