package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// krakenForward makes sessions at the node whose URL and key are in its environment.
const krakenForward = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
		forward kraken {
			endpoint {env.THEIR_URL}/v1/graphql/
			organization_secret_key {env.THEIR_KEY}
			link here 11
			conversions approved
			conversion_event BOUGHT
			allow 127.0.0.0/8
		}
	}
}

` + shop

// TestForwardToKraken clicks at one Caddy, and every session is at another one that serves Kraken's API, once, also those of an hour
// in which it was away.
func TestForwardToKraken(t *testing.T) {
	theirs, there := krakenShop(t)
	key := newMerchant(t, theirs, "sessions:write", "links:read").key
	ours := caddy.Start(t, krakenForward, caddy.Env("THEIR_URL="+theirs.URL, "THEIR_KEY="+key))
	ours.AwaitHealth()
	here := newMerchant(t, ours, "*")
	here.do(201, "POST", "links", `{"code": "family", "affiliate": "Ann", "subdomain": "familymart"}`)
	here.do(201, "POST", "links", `{"code": "here", "affiliate": "Bob"}`)
	here.do(201, "POST", "links", `{"code": "others", "affiliate": "Cleo"}`) // of no link at Kraken
	succeeds(t, ours, "destination", "test", "kraken")
	if n := len(check.Sessions(t, theirs)); n != 0 {
		t.Errorf("the test has made %d sessions", n)
	}

	sessions := map[string]int64{} // Kraken's link by our session
	click := func(code string, link int64) string {
		t.Helper()
		session := newBrowser(t).open(ours.URL + "/shoes?via=" + code + "&gclid=g-1").session()
		if session == "" {
			t.Fatal("the click has no session")
		}
		if link != 0 {
			sessions[session] = link
		}
		return session
	}
	awaitSent := func(n int) {
		t.Helper()
		awaitDelivery(t, fmt.Sprintf("%d deliveries to be sent", n), func() bool {
			return strings.Count(succeeds(t, ours, "delivery", "list", "--state", "sent"), " kraken ") == n
		})
	}
	first := click("family", 12)
	click("here", 11)
	click("others", 0)
	awaitSent(3)

	theirs.Kill()
	for range 3 { // too few for the breaker
		click("family", 12)
	}
	await(t, "an attempt to fail", func() bool { return strings.Contains(succeeds(t, ours, "destination", "list"), "failing") })
	theirs.Restart()
	theirs.AwaitHealth()
	awaitSent(6)

	sale := here.do(201, "POST", "conversions", `{"external_id": "order-1", "type": "sale", "amount": 9990, "currency": "EUR", "session_id": "`+first+`"}`)
	var sold check.Conversion
	sale.into(&sold)
	here.do(200, "PATCH", "conversions/"+sold.ID, `{"status": "approved"}`)
	awaitSent(8) // that it was reported is skipped
	succeeds(t, ours, "delivery", "retry", "--sent", "--destination", "kraken")
	awaitSent(8)

	type row struct {
		LinkID      int64  `json:"link_id"`
		UserAgent   string `json:"user_agent"`
		Route       string
		ClickIDs    map[string]string `json:"click_ids"`
		QueryParams string            `json:"query_params"`
	}
	var list struct{ Data []row }
	there.do(200, "GET", "sessions?limit=100", "").into(&list)
	var bought int
	for _, s := range list.Data {
		if strings.Contains(s.QueryParams, `"BOUGHT"`) {
			bought++
			if !strings.Contains(s.QueryParams, first) || !strings.Contains(s.QueryParams, `"successfulConversion":true`) || !strings.Contains(s.QueryParams, "order-1") {
				t.Errorf("of the sale Kraken is told %s", s.QueryParams)
			}
			continue
		}
		for session, link := range sessions {
			if strings.Contains(s.QueryParams, `"sessionId":"`+session+`"`) && s.LinkID == link && s.Route == "/shoes" && s.ClickIDs["gclid"] == "g-1" && s.UserAgent != "" {
				delete(sessions, session)
			}
		}
	}
	if len(list.Data) != 6 || bought != 1 || len(sessions) > 0 {
		t.Errorf("there are %d sessions, %d of them of a sale; missing are %v", len(list.Data), bought, sessions)
	}
	if logs := ours.Logs() + theirs.Logs(); strings.Contains(logs, key[17:]) {
		t.Error("what the two printed has the key")
	}
}
