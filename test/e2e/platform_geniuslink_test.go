package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// geniuslinkSite serves Geniuslink's dialect beside the site.
const geniuslinkSite = `:{$HTTP_PORT} {
	affiliate {
		path /r/
		deep_link url
		subdomain shop.test
	}
	affiliate_api {
		geniuslink {
			program adfa988b01f6490db65b63750f869496 "My Shop" {
				parameter tag ascsubtag
				host shop.example
			}
		}
	}
	respond "hello from {affiliate.affiliate}"
}
`

// curl runs curl with these arguments and returns what it prints: the answer's body.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "curl", append([]string{"--silent", "--show-error", "--max-time", "20"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl: %v: %s", err, out)
	}
	return string(out)
}

// pair is the key as Geniuslink's clients send it.
func (m merchant) pair() []string {
	key, secret := m.key[:len("aff_")+12], m.key[len("aff_")+13:]
	return []string{"--header", "X-Api-Key: " + key, "--header", "X-Api-Secret: " + secret}
}

// location is where a click leads that asks for the path.
func location(t *testing.T, address string) string {
	t.Helper()
	page := newBrowser(t).open(address)
	if page.StatusCode != 302 {
		t.Fatalf("%s answers %d %s", address, page.StatusCode, page.body)
	}
	return page.Header.Get("Location")
}

// The request of the platform's document, sent with curl; then a click on a link that names the programme and the group.
func TestGeniuslinkTokensAreUsed(t *testing.T) {
	p := caddy.Start(t, "{\n\taffiliate {\n\t\tjournal ./affiliate {\n\t\t\tmax_wait 10s\n\t\t}\n\t\tledger sqlite ./books/ledger.db\n\t}\n}\n\n"+geniuslinkSite)
	p.AwaitHealth()
	m := newMerchant(t, p, "links:read", "links:write", "affiliates:write")
	m.do(201, "POST", "links", `{"code": "ann", "affiliate": "Ann", "destination": "https://www.shop.example/dp/1?k=1#top", "deep_link_hosts": ["shop.example"], "subdomain": "ann",
		"program": "adfa988b01f6490db65b63750f869496", "group_id": 123}`)
	if got := location(t, p.URL+"/r/ann"); got != "https://www.shop.example/dp/1?k=1#top" {
		t.Errorf("before there are tokens the click leads to %s", got)
	}
	const tokens = "/v4/groups/123/group-affiliate-tokens/adfa988b01f6490db65b63750f869496"
	put := func(body string) {
		t.Helper()
		answer := curl(t, append(m.pair(), "--request", "PUT", p.URL+tokens, "--header", "Accept: text/jsv", "--header", "Content-Type: text/jsv", "--data-binary", body)...)
		if !regexp.MustCompile(`^\{success:True,affiliateTokensId:[0-9a-f]{32}\}$`).MatchString(answer) {
			t.Errorf("curl gets %s", answer)
		}
	}
	put("{\n\tgroupId: 0,\n\tguid: String,\n\tusername: ann,\n\tparameters: \n\t{\n\t\ttag: ann-20\n\t}\n}\n")
	for path, want := range map[string]string{ // at once on this node
		"/r/ann":                                    "https://www.shop.example/dp/1?k=1&tag=ann-20#top",
		"/r/ann?tag=thief-20&%74ag=thief&sub=1":     "https://www.shop.example/dp/1?k=1&tag=ann-20&sub=1#top",
		"/r/ann?url=https://shop.example/x%3Ftag=t": "https://shop.example/x?tag=ann-20",
	} {
		if got := location(t, p.URL+path); got != want {
			t.Errorf("%s leads to %s, want %s", path, got, want)
		}
	}
	subdomain := curl(t, "--output", "/dev/null", "--write-out", "%{redirect_url}", "--header", "Host: ann.shop.test", p.URL+"/?tag=thief-20")
	if subdomain != "https://www.shop.example/dp/1?k=1&tag=ann-20#top" {
		t.Errorf("the subdomain leads to %s", subdomain)
	}
	put(`{username:ann,parameters:{tag:ann-21}}`)
	if got := location(t, p.URL+"/r/ann"); !strings.Contains(got, "tag=ann-21") {
		t.Errorf("after a change the click leads to %s", got)
	}
	if got := curl(t, append(m.pair(), p.URL+"/v4/groups/123/group-affiliate-tokens.xml")...); !strings.Contains(got, "<a:Value>ann-21</a:Value>") {
		t.Errorf("the group's tokens are %s", got)
	}
	if got := curl(t, append(m.pair(), "--request", "PUT", p.URL+tokens+"?groupId=7&format=jsv", "--header", "Content-Type: application/json", "--data", "{}")...); !strings.HasPrefix(got, "{success:False,responseStatus:{errorCode:ArgumentException,") {
		t.Errorf("another group than the path's is answered with %s", got)
	}
	if got := curl(t, append(m.pair(), "--request", "DELETE", p.URL+tokens)...); got != `{"success":true}` {
		t.Errorf("deleting is answered with %s", got)
	}
	if got := location(t, p.URL+"/r/ann"); strings.Contains(got, "tag=") {
		t.Errorf("without tokens the click leads to %s", got)
	}
	if got := curl(t, p.URL+"/v3/affiliate-programs"); !strings.Contains(got, "Not Authenticated") {
		t.Errorf("without a key curl gets %s", got)
	}
	for _, secret := range []string{m.key[17:], "ann-21"} {
		if strings.Contains(p.Logs(), secret) {
			t.Error("what Caddy printed has the key or a token")
		}
	}
}

// A node that keeps no books has the tokens within five seconds of the PUT at another one.
func TestGeniuslinkTokensReachTheEdges(t *testing.T) {
	redis := servers.Redis(t)
	hubSite := strings.Replace(node(redis, "sqlite"), "\taffiliate\n", "\taffiliate\n\taffiliate_api\n", 1)
	hub := caddy.Start(t, hubSite, secret)
	edge := caddy.Start(t, node(redis, "none"), secret)
	hub.AwaitHealth()
	m := newMerchant(t, hub, "links:write", "affiliates:write")
	m.do(201, "POST", "links", `{"code": "ann", "affiliate": "Ann", "destination": "https://www.amazon.de/dp/1", "program": "amazon-de", "group_id": 7}`)
	await(t, "the link to reach the edge", func() bool { return newBrowser(t).open(edge.URL+"/r/ann").StatusCode == 302 })

	promptly(t, 5*time.Second, "the way of the tokens to the edge", func(n int) time.Duration {
		tag := fmt.Sprintf("ann-2%d", n)
		answer := curl(t, append(m.pair(), "--request", "PUT", hub.URL+"/v4/groups/7/group-affiliate-tokens/amazon-de",
			"--header", "Content-Type: application/json", "--data", `{"username":"ann","parameters":{"tag":"`+tag+`"}}`)...)
		if !strings.HasPrefix(answer, `{"success":true`) {
			t.Fatalf("curl gets %s", answer)
		}
		put := time.Now()
		await(t, "the tokens to reach the edge", func() bool {
			return location(t, edge.URL+"/r/ann?tag=thief-20") == "https://www.amazon.de/dp/1?tag="+tag
		})
		return time.Since(put)
	})
}
