package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// krakenShop is a node with what Kraken's sample takes for granted: link 12, of an organisation that sells in the field.
func krakenShop(t *testing.T) (*caddy.Process, merchant) {
	t.Helper()
	p := caddy.Start(t, shop)
	p.AwaitHealth()
	m := newMerchant(t, p, "*")
	m.do(http.StatusCreated, "POST", "affiliates", `{"name": "Octoenergy", "custom_data": {"sales_channel": "field sales"}}`)
	for i := range 11 {
		m.do(http.StatusCreated, "POST", "links", fmt.Sprintf(`{"code": "other-%d", "affiliate_id": 1}`, i))
	}
	m.do(http.StatusCreated, "POST", "links", `{"code": "familymart", "subdomain": "familymart", "affiliate_id": 1,
		"contact_name": "Joe", "contact_email": "joe@familymart.com"}`)
	return p, m
}

// krakenToken obtains a token by curl, as the page docs/kraken.md shows.
func krakenToken(t *testing.T, m merchant) string {
	t.Helper()
	body := `{"query": "mutation($key: String) { obtainKrakenToken(input: {organizationSecretKey: $key}) { token } }", "variables": {"key": "` + m.key + `"}}`
	out, err := exec.Command("curl", "-sS", m.url+"/v1/graphql/", "-H", "Content-Type: application/json", "-d", body).Output()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data struct{ ObtainKrakenToken struct{ Token string } }
	}
	if err := json.Unmarshal(out, &answer); err != nil || answer.Data.ObtainKrakenToken.Token == "" {
		t.Fatalf("obtaining a token answers %s (%v)", out, err)
	}
	return answer.Data.ObtainKrakenToken.Token
}

// TestKrakenSample runs the JavaScript sample of Kraken's page with axios under node. Only the host and the token are others;
// the sample's True, which is Python's, is given a value from outside.
func TestKrakenSample(t *testing.T) {
	p, m := krakenShop(t)
	dir := t.TempDir()
	copyFile(t, "testdata/axios/axios.min.js", filepath.Join(dir, "node_modules", "axios", "index.js"))
	copyFile(t, "testdata/kraken/mend.js", filepath.Join(dir, "mend.js"))
	copyFile(t, "testdata/kraken/sample.js", filepath.Join(dir, "sample.js"),
		"https://api.oeus-kraken.systems", p.URL, "PLACE_JWT_TOKEN_HERE", krakenToken(t, m))
	cmd := exec.Command("node", "--require", "./mend.js", "sample.js")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the sample ends with %v: %s", err, out)
	}
	const want = `{
    "data": {
        "createAffiliateSession": {
            "affiliateSession": {
                "link": {
                    "subdomain": "familymart",
                    "contactName": "Joe",
                    "contactEmail": "joe@familymart.com",
                    "organisation": {
                        "name": "Octoenergy",
                        "salesChannel": "FIELD_SALES"
                    }
                },
                "ipAddress": "1.1.1.1",
                "userAgent": "Mozilla/5.0",
                "queryParams": "{\"additionalQueryParams\":{\"additionalParams\":\"MMMMMM\"},\"event\":\"VIEWED_AFFILIATE\",\"eventCreated\":\"2022-06-15T18:33:57.317Z\",\"eventInformation\":{\"someInformation\":\"NNNNNN\"},\"route\":\"/join/buy-now\",\"sessionId\":\"ALPHA_NUM\",\"successfulConversion\":true}"
            }
        }
    }
}
`
	if string(out) != want {
		t.Errorf("the sample prints\n%s, want\n%s", out, want)
	}
	sessions := check.Sessions(t, p)
	if len(sessions) != 1 {
		t.Fatalf("there are %+v", sessions)
	}
	if s := sessions[0]; s.LinkID != 12 || s.Code != "familymart" || s.Class != "human" || s.IP != "1.1.1.1" || s.Route != "/join/buy-now" ||
		s.Query != "additionalParams=MMMMMM" {
		t.Errorf("the session is %+v", s)
	}
}

// copyFile copies a file, with words in the place of others: old, new, old, new.
func copyFile(t *testing.T, from, to string, words ...string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, []byte(strings.NewReplacer(words...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKrakenOverHTTP: what a proxy or a client may do to the path and the method leads to no redirect, and a session made here
// earns like one from the edge.
func TestKrakenOverHTTP(t *testing.T) {
	p, m := krakenShop(t)
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]int{"/v1/graphql": 200, "/v1/graphql/": 200, "/v1/graphql?x=1": 200} {
		r, err := http.NewRequest("POST", p.URL+path, strings.NewReader(`{"query": "{ __typename }"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("POST %s answers %d", path, resp.StatusCode)
		}
	}
	body := `{"query": "mutation { createAffiliateSession(input: {linkId: 12}) { affiliateSession { id } } }"}`
	out, err := exec.Command("curl", "-sS", p.URL+"/v1/graphql", "-H", "Content-Type: application/json",
		"-H", "Authorization: "+krakenToken(t, m), "-d", body).Output()
	var answer struct {
		Data struct {
			CreateAffiliateSession struct{ AffiliateSession struct{ ID string } }
		}
	}
	if err != nil || json.Unmarshal(out, &answer) != nil {
		t.Fatalf("curl prints %s: %v", out, err)
	}
	id := answer.Data.CreateAffiliateSession.AffiliateSession.ID
	sale := m.do(http.StatusCreated, "POST", "conversions",
		`{"external_id": "1", "type": "sale", "amount": 9990, "currency": "EUR", "session_id": "`+id+`"}`)
	if !strings.Contains(sale.body, `"affiliate":"Octoenergy"`) {
		t.Errorf("a sale of the session %s is %s", id, sale.body)
	}
	if logs := p.Logs(); strings.Contains(logs, m.key[len(m.key)-43:]) {
		t.Error("the key is in the log")
	}
}
