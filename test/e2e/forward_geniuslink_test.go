package e2e

import (
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// geniuslinkForward keeps its groups' tokens at the node whose URL and key are in its environment, where programmes and groups have
// other names.
const geniuslinkForward = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
		forward geniuslink tokens {
			endpoint {env.THEIR_URL}
			key {env.THEIR_KEY}
			secret {env.THEIR_SECRET}
			program amazon-de adfa988b01f6490db65b63750f869496
			group 7 123
			allow 127.0.0.0/8
		}
	}
}

` + shop

// TestForwardToGeniuslink puts and deletes tokens at one Caddy, and clicks on a link at another one, which has them.
func TestForwardToGeniuslink(t *testing.T) {
	theirs := caddy.Start(t, "{\n\taffiliate {\n\t\tjournal ./affiliate {\n\t\t\tmax_wait 10s\n\t\t}\n\t\tledger sqlite ./books/ledger.db\n\t}\n}\n\n"+geniuslinkSite)
	theirs.AwaitHealth()
	there := newMerchant(t, theirs, "links:read", "links:write", "affiliates:write")
	there.do(201, "POST", "links", `{"code": "ann", "affiliate": "Ann", "destination": "https://www.shop.example/dp/1",
		"program": "adfa988b01f6490db65b63750f869496", "group_id": 123}`)
	id, secret := there.key[:len("aff_")+12], there.key[len("aff_")+13:]
	ours := caddy.Start(t, geniuslinkForward, caddy.Env("THEIR_URL="+theirs.URL, "THEIR_KEY="+id, "THEIR_SECRET="+secret))
	ours.AwaitHealth()
	here := newMerchant(t, ours, "links:read", "links:write")
	succeeds(t, ours, "destination", "test", "tokens")

	ask := func(method, path, body string) {
		t.Helper()
		answer := curl(t, append(here.pair(), "--request", method, "--header", "Content-Type: application/json", "--data", body, ours.URL+path)...)
		if !strings.HasPrefix(answer, `{"success":true`) {
			t.Fatalf("%s %s is answered %s", method, path, answer)
		}
	}
	leads := func(to string) {
		t.Helper()
		awaitDelivery(t, "the link there to lead to "+to, func() bool { return location(t, theirs.URL+"/r/ann") == to })
	}
	const tokens = "/v4/groups/7/group-affiliate-tokens/amazon-de"
	ask("PUT", tokens, `{"username": "ann", "parameters": {"tag": "ann-20"}}`)
	leads("https://www.shop.example/dp/1?tag=ann-20")

	theirs.Kill()
	ask("PUT", tokens, `{"username": "ann", "parameters": {"tag": "ann-21"}}`)
	await(t, "an attempt to fail", func() bool { return strings.Contains(succeeds(t, ours, "destination", "list"), "failing") })
	ask("PUT", tokens, `{"username": "ann", "parameters": {"tag": "ann-22"}}`)
	theirs.Restart()
	theirs.AwaitHealth()
	leads("https://www.shop.example/dp/1?tag=ann-22")

	ask("DELETE", tokens, "")
	leads("https://www.shop.example/dp/1")
	ask("PUT", "/v4/groups/8/group-affiliate-tokens/ebay", `{"parameters": {"campid": "5338"}}`)
	awaitDelivery(t, "all to be sent", func() bool {
		return strings.Count(succeeds(t, ours, "delivery", "list", "--state", "sent", "--destination", "tokens"), "group_tokens.updated") == 5
	})
	if got := curl(t, append(there.pair(), theirs.URL+"/v4/groups/8/group-affiliate-tokens")...); !strings.Contains(got, `"campid":"5338"`) {
		t.Errorf("group 8 has %s there", got)
	}
	if logs := ours.Logs() + theirs.Logs(); strings.Contains(logs, secret) || strings.Contains(logs, "ann-2") {
		t.Error("what the two printed has the secret or a token")
	}
}
