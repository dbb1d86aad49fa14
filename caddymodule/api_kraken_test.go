package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What Kraken's client tells of a visitor is kept as the directive says, on whatever host the API is, and the answer shows what
// is kept.
func TestKrakenKeepsWhatTheDirectiveKeeps(t *testing.T) {
	const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	for _, c := range []struct{ directive, kraken, kept, shown string }{
		{"", "", `"ip":"203.0.113.7","user_agent":"` + agent, `"ipAddress":"203.0.113.7","userAgent":"Mozilla`},
		{"ip none\n user_agent none", "", `"ip":"","user_agent":"","browser":""`, `"ipAddress":null,"userAgent":""`},
		{"ip none", "ip truncate", `"ip":"203.0.113.0","user_agent":"` + agent, `"ipAddress":"203.0.113.0","userAgent":"Mozilla`},
		{"ip hash", "user_agent none", `"ip":"h:`, `"ipAddress":"h:`},
	} {
		t.Run(c.directive+c.kraken, func(t *testing.T) {
			s := newServer(t)
			s.load(s.adaptGlobal(fmt.Sprintf("affiliate {\n journal %s\n link sara\n}", s.journal()), fmt.Sprintf(
				"http://127.0.0.1:%d {\n affiliate_api {\n kraken {\n query_params string\n %s\n }\n }\n affiliate {\n param via\n %s\n }\n}",
				s.site, c.kraken, c.directive)))
			status, _, answer := s.ask(s.key("*"), "POST", "/v1/graphql/", `{"query": "mutation($in: CreateAffiliateSessionInputType!) { `+
				`createAffiliateSession(input: $in) { affiliateSession { ipAddress userAgent } } }", "variables": {"in": {`+
				`"linkId": 1, "ipAddress": "203.0.113.7", "userAgent": "`+agent+`"}}}`)
			if status != http.StatusOK || !strings.Contains(answer, c.shown) {
				t.Errorf("the answer is %d %s", status, answer)
			}
			_, _, sessions := s.ask(s.key("read"), "GET", "/affiliate/v1/sessions", "")
			if !strings.Contains(sessions, c.kept) || c.directive != "" && strings.Contains(sessions, "203.0.113.7") {
				t.Errorf("the sessions are %s", sessions)
			}
		})
	}
}
