package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What the script tells of a visitor is kept as the directive says, on whatever host the API is.
func TestAffiliKeepsWhatTheDirectiveKeeps(t *testing.T) {
	const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	for _, c := range []struct{ directive, affili, kept, token string }{
		{"ip none\n user_agent none", "", `"ip":"","user_agent":""`, `"v1.`},
		{"ip none", "ip truncate", `"ip":"127.0.0.0","user_agent":"` + agent, `"v1.`},
		{"ip hash", "", `"ip":"h:`, `"v1.`},
		{"gpc honour", "", `"data":[]`, `false,"valid_days":0`},
		{"gpc no_share", "", `"no_share":true`, `"v1.`},
	} {
		t.Run(c.directive, func(t *testing.T) {
			s := newServer(t)
			s.load(s.adaptGlobal(fmt.Sprintf("affiliate {\n journal %s\n link sara\n}", s.journal()), fmt.Sprintf(
				"http://127.0.0.1:%d {\n affiliate_api {\n affili {\n site http://Shop.example.com:80\n %s\n }\n }\n affiliate {\n %s\n }\n}",
				s.site, c.affili, c.directive)))
			r, err := http.NewRequest("POST", fmt.Sprintf("http://127.0.0.1:%d/api/v2/clients/set-cookie", s.site),
				strings.NewReader(`{"aff_id":"sara","referrer":"sara"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Origin": {"http://shop.example.com"}, "User-Agent": {agent}, "Sec-Gpc": {"1"}}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if body := string(text); answer.StatusCode != http.StatusOK || !strings.Contains(body, `"token":`+c.token) {
				t.Errorf("the answer is %d %s", answer.StatusCode, body)
			}
			if _, _, sessions := s.ask(s.key("read"), "GET", "/affiliate/v1/sessions", ""); !strings.Contains(sessions, c.kept) {
				t.Errorf("the sessions are %s", sessions)
			}
		})
	}
}
