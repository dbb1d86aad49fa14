package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// chatty logs all that Caddy can, in every form: the access logs of three sites go to a file each, or to where all else goes.
const chatty = `{
	debug
	metrics
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
	}
}

(api) {
	affiliate
	affiliate_api
	respond "hello"
}

http://json.example:{$HTTP_PORT} {
	log {
		output file ./json.log
		format json
	}
	import api
}

http://console.example:{$HTTP_PORT} {
	log {
		output file ./console.log
		format console
	}
	import api
}

http://*.wild.example:{$HTTP_PORT} {
	log {
		output file ./wild.log
		level DEBUG
	}
	log_append of "the log"
	import api
}

http://default.example:{$HTTP_PORT} {
	log
	import api
}

http://silent.example:{$HTTP_PORT} {
	log_skip
	import api
}
`

// apiPaths has a path of our own API and of each dialect.
var apiPaths = []string{
	"/affiliate/v1/affiliates", "/v1/graphql/", "/api/merchants/conversions", "/api/merchants/set-cookie", "/api/v2/clients/conversion",
	"/v4/groups/1/group-affiliate-tokens/00000000-0000-0000-0000-000000000001", "/api/v1/customer", "/api/2018-11-01/default/affiliates.json",
	"/api/2018-11-01/default/affiliates/222.json", "/api/2018-11-01/nothing",
}

// hiding are the ways in which a secret comes: as a query, a header, or a body.
type hiding struct {
	name  string
	query string
	head  [2]string
	body  string
}

// hidings hide the secret in every way that a dialect knows, and in some that none does.
func hidings(secret string) []hiding {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+secret))
	ways := []hiding{
		{name: "nothing", query: "page=2"},
		{name: "raw Authorization", head: [2]string{"Authorization", secret}},
		{name: "Bearer", head: [2]string{"Authorization", "Bearer " + secret}},
		{name: "JWT", head: [2]string{"authorization", "JWT " + secret}},
		{name: "Basic", head: [2]string{"Authorization", basic}},
		{name: "X-Api-Key", head: [2]string{"X-Api-Key", secret}},
		{name: "x-api-key", head: [2]string{"x-api-key", secret}},
		{name: "X-Api-Secret", head: [2]string{"X-API-SECRET", secret}},
		{name: "Referer", head: [2]string{"Referer", "https://merchant.example/?oauth_token=" + secret}},
		{name: "Cookie", head: [2]string{"Cookie", "key=" + secret}},
		{name: "body", body: fmt.Sprintf(`{"oauth_token": %q, "APIKey": %q, "token": %q}`, secret, secret, secret)},
		{name: "GraphQL", body: fmt.Sprintf(`{"query": "mutation { obtainKrakenToken(input: {APIKey: \"%s\"}) { token } }"}`, secret)},
		{name: "form", body: "apiKey=" + secret},
	}
	for _, query := range []string{
		"oauth_token=%s", "OAuth_Token=%s", "a=1&oauth_token=%s&b=2", "apiKey=%s", "APIKEY=%s", "api%%4bey=%s", "apiSecret=%s", "a=1;oauth_token=%s",
		"oauth_token%%3D%s", "%%zz&oauth_token=%s", "%%zz=%s", "query={a(APIKey:%%22%s%%22)}", "variables={%%22token%%22:%%22%s%%22}", "token=%s", "?apikey=%s",
	} {
		ways = append(ways, hiding{name: query, query: fmt.Sprintf(query, secret)})
	}
	return ways
}

// TestSecretsInNoLog sends keys that are good, keys that are wrong and others' secrets in all ways to all paths. Each request has
// its line in the access log, and none of the secrets is in any line, metric or answer.
func TestSecretsInNoLog(t *testing.T) {
	p := caddy.Start(t, chatty)
	p.AwaitHealth()
	good := newMerchant(t, p, "*").key
	_, wrong := tracker.NewKey("default", "", nil, 0, time.Now())
	secrets := []string{good, wrong, "planted-secret-4711"}

	paths := map[string]int{}
	for _, host := range []string{"json.example", "console.example", "a.wild.example", "default.example", "silent.example"} {
		for _, secret := range secrets {
			for _, path := range apiPaths {
				for _, way := range hidings(secret) {
					sendHidden(t, p, host, path, way, secret)
					paths[path]++
				}
			}
		}
	}
	requests := len(secrets) * len(apiPaths) * len(hidings(""))

	_, metrics := p.AdminGet("/metrics")
	texts := map[string]string{"what Caddy printed": p.Logs(), "the metrics": metrics}
	for _, name := range []string{"json.log", "console.log", "wild.log"} {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
		if lines := strings.Count(string(text), "handled request"); lines != requests {
			t.Errorf("%s has %d lines of %d requests", name, lines, requests)
		}
	}
	if lines := strings.Count(p.Logs(), `"msg":"handled request"`); lines != requests {
		t.Errorf("the default log has %d lines of %d requests", lines, requests)
	}
	for where, text := range texts {
		for line := range strings.SplitSeq(text, "\n") {
			for _, secret := range []string{good[17:], wrong[17:], secrets[2], base64.StdEncoding.EncodeToString([]byte("x:" + secrets[2]))} {
				if strings.Contains(line, secret) {
					t.Errorf("%s has a secret: %.600s", where, line)
				}
			}
		}
	}
	sameFields(t, texts["json.log"])
}

func sendHidden(t *testing.T, p *caddy.Process, host, path string, way hiding, secret string) {
	t.Helper()
	method := http.MethodGet
	if way.body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequest(method, p.URL+path, strings.NewReader(way.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.URL.RawQuery = host, way.query
	if way.head[0] != "" {
		r.Header[way.head[0]] = []string{way.head[1]}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 500 {
		t.Errorf("%s %s, %s: status %d %s", method, path, way.name, resp.StatusCode, body)
	}
	if strings.Contains(string(body), secret) {
		t.Errorf("%s %s, %s: the answer repeats the secret: %s", method, path, way.name, body)
	}
}

// sameFields compares the lines of requests that carried a secret with those that Caddy wrote itself.
func sameFields(t *testing.T, log string) {
	t.Helper()
	type line struct {
		Logger  string
		Request struct {
			URI     string
			Headers map[string][]string
		}
		Status int
	}
	var own, ours []string
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		var l line
		var all map[string]any
		if json.Unmarshal(lines.Bytes(), &l) != nil || json.Unmarshal(lines.Bytes(), &all) != nil || l.Status == 0 ||
			!strings.HasPrefix(l.Logger, "http.log.access.log") {
			t.Fatalf("not a line of an access log: %s", lines.Text())
		}
		names := slices.Sorted(maps.Keys(all))
		switch {
		case strings.HasSuffix(l.Request.URI, "?page=2"):
			own = names
		case strings.Contains(l.Request.URI, "?a=1&oauth_token="):
			ours = names
			if !strings.HasSuffix(l.Request.URI, "?a=1&oauth_token=REDACTED&b=2") {
				t.Errorf("the address is logged as %s", l.Request.URI)
			}
		}
	}
	if own == nil || !slices.Equal(own, ours) {
		t.Errorf("Caddy's line has %q, that of a request with a secret %q", own, ours)
	}
}
