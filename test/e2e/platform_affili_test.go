package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// affiliNode is a shop with its books, whose pages are also those of https://shop.example.com.
const affiliNode = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
	}
}

:{$HTTP_PORT} {
	affiliate {
		ip truncate
	}
	affiliate_api {
		affili {
			site https://shop.example.com
			account 42
		}
	}
	respond "hello from {affiliate.affiliate}"
}
`

// The codes of the platform's samples: aff_id, and referrer.
const (
	affiliAffID    = "affili12439651d0m"
	affiliReferrer = "5f53a29fb867dd7df313d4e2"
)

// newAffili starts the node with the links of the platform's samples, of a partner who earns 20 %.
func newAffili(t *testing.T) (*caddy.Process, merchant) {
	t.Helper()
	p := caddy.Start(t, affiliNode)
	p.AwaitHealth()
	m := newMerchant(t, p, "*")
	partner := m.do(201, "POST", "affiliates", `{"name": "John Doe"}`).number()
	campaign := m.do(201, "POST", "campaigns", `{"name": "Spring", "commissions": [{"name": "default", "percent": "20"}]}`).number()
	for _, code := range []string{affiliAffID, affiliReferrer} {
		m.do(201, "POST", "links", fmt.Sprintf(`{"code": %q, "affiliate_id": %d, "campaign_id": %d}`, code, partner, campaign))
	}
	return p, m
}

// The platform's samples, of which only the host, the token and the ids are others.
const (
	affiliSetCookie = `curl --location --request POST 'https://core.affili.ir/api/merchants/set-cookie' \
--data-raw '{
"referrer": "5f53a29fb867dd7df313d4e2"
}'`
	affiliCreate = `curl --location --request POST 'https://core.affili.ir/api/merchants/conversions' \
--data-raw '{
"external_id": "12345",
"amount": "10000",
"token": "eyJpdiI6IjBtZGhoaE03SmRHMTDUyMzJhNjEc1OTEyZDE2M2NTA3OTE5M2I4In0",
"aff_id": "affili12439651d0m",
"referrer": "5f53a29fb867dd7df313d4e2",
"commissions": [
{
"name": "buy",
"sub_amount": "10000"
}
],
"type": "buy"
}'`
	affiliUpdate = `curl --location --request POST 'https://core.affili.ir/api/merchants/conversions/eroxr' \
--data-raw '{
"external_id": "123",
"amount": "2000",
"commissions": [
{
"name": "buy",
"sub_amount": "2000"
}
],
"type": "buy",
"status": "1"
}'`
	affiliToken = "eyJpdiI6IjBtZGhoaE03SmRHMTDUyMzJhNjEc1OTEyZDE2M2NTA3OTE5M2I4In0"
)

// affiliSale is what the platform shows of a conversion, as far as it is looked at.
type affiliSale struct {
	ID          string
	Publisher   *struct{ ID, Name string }
	Status      int
	Type        any
	Wage        int64
	Amount      int64
	External_ID string
	Client      struct{ Agents, IPs []string }
	Clicks      []struct{ ID, URL string }
}

// curl runs a sample with the merchant's key and returns the data of the answer, into v.
func (m merchant) curl(sample string, v any) {
	m.t.Helper()
	sample = strings.ReplaceAll(sample, "https://core.affili.ir", m.url)
	cmd := exec.Command("sh", "-c", strings.Replace(sample, "curl ", `curl --silent --header "$ACCESS" `, 1))
	cmd.Env = append(os.Environ(), `ACCESS=authorization: Bearer "`+m.key+`"`)
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("%s: %v", sample, err)
	}
	answer := struct {
		Status string
		Data   any
	}{Data: v}
	if err := json.Unmarshal(out, &answer); err != nil || answer.Status != "ok" {
		m.t.Fatalf("%s\nanswers %s (%v)", sample, out, err)
	}
}

// A merchant's server with Affili's samples: a visit that it reports itself, one at the edge, and what becomes of their sales.
func TestAffiliMerchant(t *testing.T) {
	p, m := newAffili(t)
	var cookie struct {
		Token     string
		ValidDays int `json:"valid_days"`
	}
	m.curl(affiliSetCookie, &cookie)
	if cookie.ValidDays != 30 {
		t.Errorf("set-cookie answers %+v", cookie)
	}
	var byServer, atEdge, foreign affiliSale
	m.curl(strings.ReplaceAll(affiliCreate, affiliToken, cookie.Token), &byServer)
	visitor := newBrowser(t)
	token := theCookie(t, visitor.open(p.URL+"/?via="+affiliAffID)).Value
	m.curl(strings.NewReplacer(affiliToken, token, "12345", "123").Replace(affiliCreate), &atEdge)
	m.curl(strings.ReplaceAll(affiliCreate, "12345", "12346"), &foreign)
	for _, sale := range []affiliSale{byServer, atEdge} {
		if sale.Publisher == nil || sale.Publisher.Name != "John Doe" || sale.Wage != 2000 || sale.Type != 6.0 || sale.Status != 0 {
			t.Errorf("a sale is %+v", sale)
		}
	}
	if foreign.Publisher != nil || foreign.Wage != 0 {
		t.Errorf("a sale with the platform's own token is %+v", foreign)
	}

	var updated, found affiliSale
	m.curl(strings.ReplaceAll(affiliUpdate, "eroxr", atEdge.ID), &updated)
	if updated.Status != 1 || updated.Amount != 2000 || updated.Wage != 400 {
		t.Errorf("updated, it is %+v", updated)
	}
	find := `curl --location 'https://core.affili.ir/api/merchants/conversions/` + atEdge.ID + `'`
	check.Settle(t, p) // the edge's session is in the books
	m.curl(find, &found)
	if len(found.Clicks) != 1 || len(found.Client.IPs) != 1 {
		t.Fatalf("found, it is %+v", found)
	}
	if !strings.HasSuffix(found.Clicks[0].URL, "/") || found.Client.IPs[0] != "127.0.0.0" || found.External_ID != "123" {
		t.Errorf("found, it is %+v", found)
	}
	var list []affiliSale
	m.curl(`curl --location 'https://core.affili.ir/api/merchants/conversions?status=1&min_wage=400&max_amount=2000'`, &list)
	if len(list) != 1 || list[0].ID != atEdge.ID {
		t.Errorf("the list is %+v", list)
	}
	for _, secret := range []string{token, cookie.Token, m.key} {
		if strings.Contains(p.Logs(), secret) {
			t.Error("what Caddy printed has a token or the key")
		}
	}
}

// A session that a client of Kraken makes is the click of a sale that a client of Affili reports.
func TestKrakenSessionInAffilisClicks(t *testing.T) {
	p, m := newAffili(t)
	mutation, err := json.Marshal(map[string]any{
		"query": `mutation createAffiliateSession($input: CreateAffiliateSessionInputType!) {
			createAffiliateSession(input: $input) { affiliateSession { id } }
		}`,
		"variables": map[string]any{"input": map[string]any{
			"linkId": 1, "ipAddress": "1.1.1.1", "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
			"queryParams": map[string]any{"route": "/join/buy-now"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest("POST", p.URL+"/v1/graphql/", bytes.NewReader(mutation))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {m.key}, "Content-Type": {"application/json"}}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var created struct {
		Data struct {
			CreateAffiliateSession struct{ AffiliateSession struct{ ID string } }
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&created); err != nil {
		t.Fatal(err)
	}
	session := created.Data.CreateAffiliateSession.AffiliateSession.ID
	var sale affiliSale
	m.curl(strings.ReplaceAll(affiliCreate, affiliToken, session), &sale)
	if sale.Publisher == nil || len(sale.Clicks) != 1 || sale.Clicks[0].ID != session || fmt.Sprint(sale.Client) != "{[Firefox] [1.1.1.0]}" {
		t.Errorf("of the session %q the sale has %+v", session, sale)
	}
}

// affiliPage is a page on which the script runs.
type affiliPage struct {
	URL   string  `json:"url"`
	Agent string  `json:"agent"`
	Calls [][]any `json:"calls"`
}

// affiliPlayed is what became of the pages.
type affiliPlayed struct {
	Requests []struct {
		Path     string
		Body     json.RawMessage
		Status   int
		Refused  string
		Response string
	}
	Cookies map[string]string
}

// playAffili runs the client of that version of the browser routes on the pages. Its host is the node's.
func playAffili(t *testing.T, p *caddy.Process, version int, pages ...affiliPage) (played affiliPlayed) {
	t.Helper()
	script, err := os.ReadFile("testdata/affili/client.js")
	if err != nil {
		t.Fatal(err)
	}
	for i := range pages {
		pages[i].Agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	}
	input, err := json.Marshal(map[string]any{
		"script": strings.ReplaceAll(string(script), "https://core.affili.ir", p.URL), "version": version, "pages": pages,
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "testdata/affili/page.js")
	cmd.Stdin = bytes.NewReader(input)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("playing version %d: %v: %s", version, err, errs.String())
	}
	if err := json.Unmarshal(out, &played); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return played
}

// What the platform's scripts send from the pages of a shop: from the landing page to the sale, without a key.
func TestAffiliScripts(t *testing.T) {
	p, m := newAffili(t)
	const landing = "https://shop.example.com/?aff_id=" + affiliAffID + "&referrer=" + affiliReferrer
	create := []any{"create", "42"}
	detect := affiliPage{URL: landing, Calls: [][]any{create, {"detect"}}}
	thanks := func(calls ...[]any) affiliPage {
		return affiliPage{URL: "https://shop.example.com/thanks", Calls: append([][]any{create}, calls...)}
	}
	for version, c := range map[int]struct {
		route   string
		calls   [][]any  // but for the sale
		sent    []string // what is known of the bodies of the platform's script, from the landing page to the sale
		amounts map[string]int64
	}{
		1: {
			route: "/api/clients/",
			calls: [][]any{
				{"click"}, {"lead", "signup"},
				{"conversionMulti", "multi", 300, []any{map[string]any{"name": "a", "sub_amount": 100}, map[string]any{"name": "b", "sub_amount": 200}}, map[string]any{}, false},
			},
			sent: []string{
				`{"aff_id":"AFF","referrer":"REF","account_id":"42"}`,
				`{"meta_data":{},"type":"click","aff_id":"AFF","referrer":"REF","token":"TOKEN","account_id":"42"}`,
				`{"meta_data":{},"type":"lead","aff_id":"AFF","referrer":"REF","token":"TOKEN","account_id":"42","name":"signup"}`,
				`{"meta_data":{},"coupon":null,"type":"buy","aff_id":"AFF","referrer":"REF","token":"TOKEN","account_id":"42","external_id":"multi","amount":300,` +
					`"commissions":[{"name":"a","sub_amount":100},{"name":"b","sub_amount":200}]}`,
				`{"meta_data":null,"coupon":null,"type":"buy","aff_id":"AFF","referrer":"REF","token":"TOKEN","account_id":"42","external_id":"order-1","amount":10000,` +
					`"commissions":[{"sub_amount":10000,"name":"default"}]}`,
			},
			amounts: map[string]int64{"affili_browser click": 0, "affili_browser lead": 0, "affili_browser buy": 300 + 10000},
		},
		2: {
			route: "/api/v2/clients/",
			calls: [][]any{{"lead"}},
			sent: []string{
				`{"aff_id":"AFF","referrer":"REF","account_id":"42"}`,
				`{"meta_data":{},"type":"lead","aff_id":"AFF","referrer":"REF","token":"TOKEN","account_id":"42"}`,
				`{"meta_data":null,"coupon":null,"products":null,"type":"sale","aff_id":"AFF","referrer":"REF","token":"TOKEN","account_id":"42","order_id":"order-2","amount":10000}`,
			},
			amounts: map[string]int64{"affili_browser lead": 0, "affili_browser sale": 10000},
		},
	} {
		before := len(affiliBooked(m))
		landed := playAffili(t, p, version, detect)
		if len(landed.Requests) != 1 || landed.Requests[0].Status != 200 || landed.Cookies["affili_token"] == "" || landed.Cookies["delete_cookie"] != "true" {
			t.Fatalf("version %d: the landing page ends with %+v", version, landed)
		}
		sold := playAffili(t, p, version, detect, thanks(c.calls...), thanks([]any{"conversion", fmt.Sprint("order-", version), 10000}))
		for _, request := range sold.Requests {
			if request.Status != 200 {
				t.Errorf("version %d: a request ends with %+v", version, request)
			}
		}
		wantSent(t, sold, c.route, c.sent)
		if len(sold.Cookies) != 0 { // a sale ends the script's cookies
			t.Errorf("version %d: the cookies are %v", version, sold.Cookies)
		}
		all := affiliBooked(m)
		amounts := map[string]int64{}
		for _, conversion := range all[:len(all)-before] {
			amounts[conversion.Source+" "+conversion.Type] += conversion.Amount
			if conversion.Status != "pending" || conversion.Affiliate != "John Doe" || conversion.Wage != conversion.Amount/5 {
				t.Errorf("version %d: booked %+v", version, conversion)
			}
		}
		if fmt.Sprint(amounts) != fmt.Sprint(c.amounts) {
			t.Errorf("version %d: booked %v, want %v", version, amounts, c.amounts)
		}
	}
	// What the script tells of a visitor is kept as the site's directive says.
	if answer := m.do(200, "GET", "sessions", ""); !strings.Contains(answer.body, `"ip":"127.0.0.0"`) || strings.Contains(answer.body, "127.0.0.1\"") ||
		!strings.Contains(answer.body, "Firefox 140") {
		t.Errorf("the sessions are %s", answer.body)
	}
	// A page of another site is refused by the browser itself.
	foreign := detect
	foreign.URL = strings.Replace(landing, "shop.example.com", "evil.example", 1)
	if played := playAffili(t, p, 2, foreign); len(played.Requests) != 1 || played.Requests[0].Refused != "preflight" {
		t.Errorf("on another site the script has %+v", played)
	}
}

// wantSent fails unless these are the bodies that the pages sent, the first to set-cookie and the others to conversion.
func wantSent(t *testing.T, played affiliPlayed, route string, bodies []string) {
	t.Helper()
	if len(played.Requests) != len(bodies) {
		t.Fatalf("%d requests are sent, want %d: %+v", len(played.Requests), len(bodies), played.Requests)
	}
	var landed struct{ Data struct{ Token string } }
	if err := json.Unmarshal([]byte(played.Requests[0].Response), &landed); err != nil || landed.Data.Token == "" {
		t.Fatalf("the landing page gets %s", played.Requests[0].Response)
	}
	values := strings.NewReplacer("AFF", affiliAffID, "REF", affiliReferrer, "TOKEN", landed.Data.Token)
	for i, request := range played.Requests {
		path := route + "conversion"
		if i == 0 {
			path = route + "set-cookie"
		}
		if want := values.Replace(bodies[i]); request.Path != path || string(request.Body) != want {
			t.Errorf("request %d is %s %s, want %s %s", i, request.Path, request.Body, path, want)
		}
	}
}

type affiliBook struct {
	Source, Type, Status, Affiliate string
	Amount, Wage                    int64
}

// affiliBooked are all conversions, newest first, as the native API has them.
func affiliBooked(m merchant) []affiliBook {
	m.t.Helper()
	var list struct{ Data []affiliBook }
	m.do(200, "GET", "conversions?limit=500", "").into(&list)
	return list.Data
}
