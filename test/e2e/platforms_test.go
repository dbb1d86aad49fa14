package e2e

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// served are the APIs in the order of their names, each with paths that are its own.
var served = map[string][]string{
	"native":     {"/affiliate/v1/affiliates", "/affiliate/v1/nothing", "/affiliate/v1/openapi.json"},
	"kraken":     {"/v1/graphql", "/v1/graphql/"},
	"affili":     {"/api/merchants/conversions", "/api/merchants/set-cookie", "/api/clients/set-cookie", "/api/v2/clients/conversion"},
	"geniuslink": {"/v4/groups/1/group-affiliate-tokens", "/v4/groups/1/group-affiliate-tokens/00000000-0000-0000-0000-000000000001"},
	"affelios":   {"/api/v1/customer", "/api/v1/customer/1", "/api/v1/transaction", "/api/v1/transaction/bulk"},
	"invoca":     {"/api/2018-11-01/default/affiliates.json", "/api/2018-11-01/affiliates/222.json", "/api/2018-11-01/nothing"},
}

// nobodys are paths near those of the APIs.
var nobodys = []string{
	"/", "/affiliate/v1", "/affiliate/v2/affiliates", "/v1/", "/v1/graphqlx", "/api/", "/api/v1/", "/api/v1/customers", "/api/2018-11-01", "/api/2018-11-02/x", "/v5/groups/1",
	"/json/reply/Hello",
}

// TestEachAPIOnAHostOfItsOwn serves all six on one host, none but one on six others, and all but one on six more.
func TestEachAPIOnAHostOfItsOwn(t *testing.T) {
	file := "{\n\taffiliate {\n\t\tjournal ./affiliate {\n\t\t\tmax_wait 10s\n\t\t}\n\t\tledger sqlite ./books/ledger.db\n\t}\n}\n\n"
	site := func(host, options string) {
		file += fmt.Sprintf("http://%s:{$HTTP_PORT} {\n\taffiliate\n\taffiliate_api {\n\t\t%s\n\t}\n\trespond \"the next handler\"\n}\n\n", host, options)
	}
	site("all.example", "")
	for name := range served {
		others := []string{}
		for other := range served {
			if other != name {
				others = append(others, other)
			}
		}
		site(name+".example", "serve "+name)
		site("no-"+name+".example", "serve "+strings.Join(others, " "))
	}
	p := caddy.Start(t, file)
	p.AwaitHealth()

	for name, paths := range served {
		for _, path := range paths {
			for other := range served {
				wantServed(t, p, other+".example", path, other == name)
				wantServed(t, p, "no-"+other+".example", path, other != name)
			}
			wantServed(t, p, "all.example", path, true)
		}
	}
	for _, path := range nobodys {
		wantServed(t, p, "all.example", path, false)
	}
}

// wantServed fails unless it is one of the APIs, or the next handler, that answers. Without a key no API answers with anything
// but a refusal, its own description excepted.
func wantServed(t *testing.T, p *caddy.Process, host, path string, ours bool) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.URL+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if path == "/affiliate/v1/openapi.json" {
		r.Method = http.MethodGet
	}
	r.Host = host
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if next := string(body) == "the next handler"; next == ours {
		t.Errorf("%s%s is answered by the next handler: %t", host, path, next)
	}
	open := []string{"/affiliate/v1/openapi.json", "/v1/graphql", "/v1/graphql/"} // Kraken answers 200 with its errors
	if ours && resp.StatusCode < 400 && !slices.Contains(open, path) || resp.StatusCode >= 500 {
		t.Errorf("%s%s is answered with %d %s", host, path, resp.StatusCode, body)
	}
}
