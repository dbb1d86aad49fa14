package e2e

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// affeliosForward tells the node whose URL and key are in its environment of customers and what they spend.
const affeliosForward = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
		forward affelios {
			endpoint {env.THEIR_URL}
			api_key {env.THEIR_KEY}
			brand brand-1
			allow 127.0.0.0/8
		}
	}
}

` + shop

// TestForwardToAffelios sends a visitor from the platform's redirect to a shop at another Caddy, where they register and spend; the
// platform, which is a Caddy that serves Affelios's API, knows who brought them and what they spend, once.
func TestForwardToAffelios(t *testing.T) {
	theirs := caddy.Start(t, affeliosShop)
	theirs.AwaitHealth()
	there := newMerchant(t, theirs, "*")
	key := newMerchant(t, theirs, "customers:read", "customers:write", "transactions:write").key
	ours := caddy.Start(t, affeliosForward, caddy.Env("THEIR_URL="+theirs.URL, "THEIR_KEY="+key))
	ours.AwaitHealth()
	here := newMerchant(t, ours, "*")
	here.do(201, "POST", "links", `{"code": "affelios", "affiliate": "Affelios"}`)
	succeeds(t, ours, "destination", "test", "affelios")
	awaitSent := func(n int) {
		t.Helper()
		awaitDelivery(t, fmt.Sprintf("%d deliveries to be sent", n), func() bool {
			return strings.Count(succeeds(t, ours, "delivery", "list", "--state", "sent"), " affelios ") == n
		})
	}
	visitor := newBrowser(t)
	landing, err := url.Parse(visitor.open(theirs.URL + "/r/sara").Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	clickKey := landing.Query().Get("clickkey")
	session := visitor.open(ours.URL + "/?via=affelios&" + landing.RawQuery).session()
	if clickKey == "" || session == "" {
		t.Fatalf("the landing page is %s, for the session %q", landing, session)
	}
	var customer struct{ ID string }
	await(t, "the session to be in the books", func() bool { return here.ask("GET", "sessions/"+session, "").StatusCode == 200 })
	here.do(201, "POST", "customers", `{"external_id": "cust-1", "username": "jo", "country_code": "GB", "session_id": "`+session+`"}`).into(&customer)
	here.do(201, "POST", "customers", `{"external_id": "cust-2", "brand": "brand-2"}`) // whom nobody brought
	spend := func(id string, amount int) {
		t.Helper()
		here.do(201, "POST", "transactions", fmt.Sprintf(`{"customer_external_id": "cust-1", "external_id": %q, "type": "deposit", "currency": "EUR", "deposit": %d}`, id, amount))
	}
	spend("tx-1", 2050)
	awaitSent(3)

	theirs.Kill()
	here.do(200, "PATCH", "customers/"+customer.ID, `{"label": "vip"}`)
	spend("tx-2", 50)
	await(t, "an attempt to fail", func() bool { return strings.Contains(succeeds(t, ours, "destination", "list"), "failing") })
	theirs.Restart()
	theirs.AwaitHealth()
	awaitSent(5)
	succeeds(t, ours, "delivery", "retry", "--sent", "--destination", "affelios")
	awaitSent(5)

	var list struct {
		Data []struct {
			ID, Affiliate, Brand, Label, Username string
			Organic                               bool
			SessionID                             string `json:"session_id"`
		}
	}
	r := there.do(200, "GET", "customers?external_id=cust-1", "")
	r.into(&list)
	if len(list.Data) != 1 || list.Data[0].SessionID != clickKey || list.Data[0].Affiliate != "Sara's Blog" || list.Data[0].Brand != "brand-1" ||
		list.Data[0].Label != "vip" || list.Data[0].Username != "jo" {
		t.Fatalf("there is %s", r.body)
	}
	if c := there.customer("GET", "/api/v1/customer/"+list.Data[0].ID, ""); c.LifetimeDeposits != "21" || len(c.Transactions) != 2 {
		t.Errorf("there the customer is %+v", c)
	}
	r = there.do(200, "GET", "customers?external_id=cust-2", "")
	if r.into(&list); len(list.Data) != 1 || !list.Data[0].Organic || list.Data[0].Brand != "brand-2" {
		t.Errorf("there is %s", r.body)
	}
	if logs := ours.Logs() + theirs.Logs(); strings.Contains(logs, key[17:]) {
		t.Error("what the two printed has the key")
	}
}
