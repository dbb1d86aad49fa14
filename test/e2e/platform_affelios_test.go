package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// affeliosShop is a shop whose partner's landing page is written as in Affelios.
const affeliosShop = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
		link sara "Sara's Blog" "/landing?clickkey=[ClickKey]"
		link far "Sara's Blog" "http://localhost:{$HTTP_PORT}/landing"
	}
}

:{$HTTP_PORT} {
	affiliate {
		handoff localhost
	}
	affiliate_api
	header ` + load.SessionHeader + ` {affiliate.session_id}
	respond "hello"
}
`

// affelios asks by curl, as Affelios's pages show it, and returns status and body.
func (m merchant) affelios(method, path, body string) (status, answer string) {
	m.t.Helper()
	args := []string{"-sS", "-w", "\n%{http_code}", "-X", method, m.url + path, "-H", "X-Api-Key: " + m.key}
	if body != "" {
		args = append(args, "-H", "Content-Type: application/json", "-d", body)
	}
	out, err := exec.Command("curl", args...).Output()
	if err != nil {
		m.t.Fatalf("curl %s %s: %v", method, path, err)
	}
	at := strings.LastIndexByte(string(out), '\n')
	return string(out[at+1:]), string(out[:at])
}

// affeliosCustomer is what the test reads of Affelios's customer.
type affeliosCustomer struct {
	ID                                string
	HasDeposited                      bool
	LifetimeRevenue, LifetimeDeposits json.Number
	Tracking                          struct{ ClickID, AffiliateName, CampaignName string }
	Transactions                      []struct{ ExternalID string }
}

// newAffeliosCustomer is a body with all members of Affelios's reference.
func newAffeliosCustomer(externalID, clickKey string) string {
	return fmt.Sprintf(`{"brandId": null, "externalId": %q, "externalBrandId": "brand-1", "clickId": %q, "username": null,
		"registrationDate": %q, "country": null, "country_code": "GB", "revShareExcluded": null, "cpaExcluded": null}`,
		externalID, clickKey, time.Now().UTC().Format(time.RFC3339))
}

// register reports a customer, who has to be taken.
func (m merchant) register(externalID, clickKey string) affeliosCustomer {
	m.t.Helper()
	return m.customer("POST", "/api/v1/customer", newAffeliosCustomer(externalID, clickKey))
}

// customer asks for what has to be answered with a customer.
func (m merchant) customer(method, path, body string) (c affeliosCustomer) {
	m.t.Helper()
	status, answer := m.affelios(method, path, body)
	if err := json.Unmarshal([]byte(answer), &c); err != nil || status != "200" {
		m.t.Fatalf("%s %s is answered %s %s (%v)", method, path, status, answer, err)
	}
	return c
}

// Customers are made with the click key that the edge wrote into the landing page's address, and with the visitor's cookie. Both
// APIs know who brought them.
func TestAffeliosKnowsTheEdgesClicks(t *testing.T) {
	p := caddy.Start(t, affeliosShop)
	p.AwaitHealth()
	m := newMerchant(t, p, "*")

	visitor := newBrowser(t)
	landing, err := url.Parse(visitor.open(p.URL + "/r/sara").Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	key := landing.Query().Get("clickkey")
	if page := visitor.open(p.URL + landing.String()); key == "" || page.session() != key {
		t.Fatalf("the landing page is %s, for the session %q", landing, page.session())
	}
	customer := m.register("cust-1", key) // at once: the click may still be on its way
	if customer.Tracking.ClickID != key || customer.Tracking.AffiliateName != "Sara's Blog" {
		t.Errorf("the customer is %+v", customer)
	}
	wantNative(m, "cust-1", key)

	page := newBrowser(t).open(p.URL + "/?via=sara")
	token := theCookie(t, page).Value
	if c := m.register("cust-2", token); c.Tracking.ClickID != page.session() {
		t.Errorf("by the cookie, the customer is %+v", c)
	}
	wantNative(m, "cust-2", page.session())
	far, err := url.Parse(newBrowser(t).open(p.URL + "/r/far").Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	handed := m.register("cust-5", far.Query().Get("aff_click"))
	wantNative(m, "cust-5", handed.Tracking.ClickID)
	if c := m.register("cust-3", ""); c.Tracking.CampaignName != "organic" {
		t.Errorf("without a click key, the customer is %+v", c)
	}
	if status, answer := m.affelios("POST", "/api/v1/customer", newAffeliosCustomer("cust-4", "[ClickKey]")); status != "422" {
		t.Errorf("a click key of nobody is answered %s %s", status, answer)
	}
	spendByAffelios(m, customer.ID)
	check.Settle(t, p)
	if strings.Contains(p.Logs(), token) || strings.Contains(p.Logs(), m.key) {
		t.Error("what Caddy printed has the visitor's token or the merchant's key")
	}
}

// wantNative reads in the native API who brought a customer.
func wantNative(m merchant, externalID, session string) {
	m.t.Helper()
	var list struct {
		Data []struct {
			Affiliate, Brand string
			SessionID        string `json:"session_id"`
		}
	}
	r := m.do(200, "GET", "customers?external_id="+externalID, "")
	r.into(&list)
	if len(list.Data) != 1 || list.Data[0].Affiliate != "Sara's Blog" || list.Data[0].SessionID != session || list.Data[0].Brand != "brand-1" {
		m.t.Errorf("the native API says of %s, whom %s brought: %s", externalID, session, r.body)
	}
}

// spendByAffelios reports what the customer cust-1 has done, one by one and in bulk, and reads it back.
func spendByAffelios(m merchant, id string) {
	m.t.Helper()
	const one = `{"externalId": "tx-1", "type": "deposit", "externalCustomerId": "cust-1", "externalBrandId": "brand-1", "depositAmount": 20.5}`
	const two = `{"externalId": "tx-2", "type": "revenue", "externalCustomerId": "cust-1", "externalBrandId": "brand-1", "grossRevenue": -0.3}`
	for range 2 { // the second time they are repeats
		for path, body := range map[string]string{"/api/v1/transaction": one, "/api/v1/transaction/bulk": "[" + one + "," + two + "]"} {
			if status, answer := m.affelios("POST", path, body); status != "202" || answer != "" {
				m.t.Errorf("%s is answered %s %s", path, status, answer)
			}
		}
	}
	c := m.customer("GET", "/api/v1/customer/"+id, "")
	if !c.HasDeposited || c.LifetimeDeposits != "20.5" || c.LifetimeRevenue != "-0.3" || len(c.Transactions) != 2 {
		m.t.Errorf("the customer is %+v", c)
	}
	m.customer("PUT", "/api/v1/customer/"+id, `{"label": "vip"}`)
	if r := m.do(200, "GET", "customers/"+id, ""); !strings.Contains(r.body, `"label":"vip"`) || !strings.Contains(r.body, `"deposits":2050`) {
		m.t.Errorf("the native API says %s", r.body)
	}
}
