package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// invocaForward keeps its affiliates at the node whose URL and key are in its environment.
const invocaForward = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
		forward invoca {
			endpoint {env.THEIR_URL}
			network_id 33
			token {env.THEIR_KEY}
			allow 127.0.0.0/8
		}
	}
}

` + shop

// TestForwardToInvoca walks the life of an affiliate at two Caddies: what one has, the other shows at Invoca's path.
func TestForwardToInvoca(t *testing.T) {
	theirs := caddy.Start(t, invocaNode)
	theirs.AwaitHealth()
	there := newMerchant(t, theirs, "affiliates:read", "affiliates:write", "links:write")
	ours := caddy.Start(t, invocaForward, caddy.Env("THEIR_URL="+theirs.URL, "THEIR_KEY="+there.key))
	ours.AwaitHealth()
	here := newMerchant(t, ours, "affiliates:write")

	shown := func(id string) string {
		return curl(t, "-H", "Authorization: "+there.key, theirs.URL+"/api/2018-11-01/33/affiliates/"+id+".json")
	}
	awaitShown := func(id string, parts ...string) {
		t.Helper()
		awaitDelivery(t, fmt.Sprintf("affiliate %s to show %q", id, parts), func() bool {
			got := shown(id)
			for _, part := range parts {
				if !strings.Contains(got, part) {
					return false
				}
			}
			return true
		})
	}
	succeeds(t, ours, "destination", "test", "invoca")

	made := here.do(201, "POST", "affiliates", `{"name": "Surf Oz", "id_from_network": "222", "custom_data": {"channel": "Online"},
		"sites": [{"id_from_network": "1", "name": "surfoz.au"}, {"id_from_network": "2"}],
		"users": [{"id_from_network": "9", "first_name": "Ann", "last_name": "A", "contact_phone_number": "805-708-9876",
			"email_settings": [{"email_address": "ann@example.com", "use_for_notifications": true}]}]}`).number()
	awaitShown("222", `"name":"Surf Oz"`, `"status":"Approved"`, `"phone_number":"8057089876"`, `"surfoz.au"`, `"channel":"Online"`)
	here.do(201, "POST", "affiliates", `{"name": "No ID"}`)

	theirs.Kill()
	path := fmt.Sprintf("affiliates/%d", made)
	here.do(200, "PATCH", path, `{"status": "suspended", "sites": [{"id_from_network": "2"}]}`)
	await(t, "an attempt to fail", func() bool { return strings.Contains(succeeds(t, ours, "destination", "list"), "failing") })
	theirs.Restart()
	theirs.AwaitHealth()
	awaitShown("222", `"status":"Suspended"`, `"sites":[{"id_from_network":"2"}]`)

	there.do(201, "POST", "links", `{"code": "surf", "affiliate_id": 1}`) // so that it can only be archived there
	here.do(204, "DELETE", path, "")
	awaitShown("222", `"status":"Archived"`, `"name":"Surf Oz"`)
	awaitDelivery(t, "all to be sent", func() bool {
		return strings.Count(succeeds(t, ours, "delivery", "list", "--state", "sent"), " invoca ") == 4
	})
	if logs := ours.Logs() + theirs.Logs(); strings.Contains(logs, there.key[17:]) || strings.Contains(logs, "ann@") {
		t.Error("what the two printed has the token or an address")
	}
}

// succeeds runs a command of caddy affiliate and returns what it prints.
func succeeds(t *testing.T, p *caddy.Process, args ...string) string {
	t.Helper()
	out, errs, status := p.CLI(append([]string{"affiliate"}, args...)...)
	if status != 0 {
		t.Fatalf("caddy affiliate %s exits with %d: %s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}
