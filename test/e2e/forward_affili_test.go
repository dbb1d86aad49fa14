package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// affiliForward tells the node whose URL and key are in its environment of visitors and of what they buy.
const affiliForward = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
		forward affili {
			endpoint {env.THEIR_URL}
			access_id {env.THEIR_KEY}
			allow 127.0.0.0/8
		}
	}
}

` + shop

// TestForwardToAffili has a visitor come by a platform's link, buy, and send something back, at one Caddy; the other one, which
// serves Affili's API, knows all of it, once.
func TestForwardToAffili(t *testing.T) {
	theirs, _ := newAffili(t)
	key := newMerchant(t, theirs, "sessions:write", "conversions:read", "conversions:write").key
	ours := caddy.Start(t, affiliForward, caddy.Env("THEIR_URL="+theirs.URL, "THEIR_KEY="+key))
	ours.AwaitHealth()
	here := newMerchant(t, ours, "*")
	for _, code := range []string{"john", "others"} {
		here.do(201, "POST", "links", `{"code": "`+code+`", "affiliate": "`+code+`"}`)
	}
	succeeds(t, ours, "destination", "test", "affili")
	awaitSent := func(n int) {
		t.Helper()
		awaitDelivery(t, fmt.Sprintf("%d deliveries to be sent", n), func() bool {
			return strings.Count(succeeds(t, ours, "delivery", "list", "--state", "sent"), " affili ") == n
		})
	}
	visitor := newBrowser(t).open(ours.URL + "/?via=john&aff_id=" + affiliAffID + "&referrer=" + affiliReferrer).session()
	stranger := newBrowser(t).open(ours.URL + "/?via=others").session()
	awaitSent(2)
	report := func(id, session string) check.Conversion {
		t.Helper()
		var c check.Conversion
		here.do(201, "POST", "conversions", `{"external_id": "`+id+`", "type": "sale", "amount": 10000, "currency": "IRR", "session_id": "`+session+`"}`).into(&c)
		return c
	}
	sale := report("order-1", visitor)
	report("order-2", stranger) // another network's
	awaitSent(4)

	theirs.Kill()
	here.do(200, "PATCH", "conversions/"+sale.ID, `{"amount": 8000}`)
	here.do(200, "PATCH", "conversions/"+sale.ID, `{"status": "approved"}`)
	report("order-3", visitor)
	await(t, "an attempt to fail", func() bool { return strings.Contains(succeeds(t, ours, "destination", "list"), "failing") })
	theirs.Restart()
	theirs.AwaitHealth()
	awaitSent(7)
	succeeds(t, ours, "delivery", "retry", "--sent", "--destination", "affili")
	awaitSent(7)

	sessions := check.Sessions(t, theirs)
	if len(sessions) != 1 || sessions[0].Code != affiliAffID {
		t.Fatalf("the sessions there are %+v", sessions)
	}
	want := map[string]string{"order-1": "approved 8000", "order-3": "pending 10000"}
	all := check.Conversions(t, theirs)
	for _, c := range all {
		if got := fmt.Sprint(c.Status, " ", c.Amount); got != want[c.ExternalID] || c.SessionID != sessions[0].ID || c.Affiliate != "John Doe" {
			t.Errorf("there %s is %s, of the session %s of %s", c.ExternalID, got, c.SessionID, c.Affiliate)
		}
	}
	if len(all) != len(want) {
		t.Errorf("there are %d conversions", len(all))
	}
	if logs := ours.Logs() + theirs.Logs(); strings.Contains(logs, key[17:]) {
		t.Error("what the two printed has the key")
	}
}
