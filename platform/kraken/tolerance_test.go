package kraken

import (
	"net/http"
	"testing"
)

// TestTolerances: each is taken, and refused by a strict server. They are those of docs/kraken.md.
func TestTolerances(t *testing.T) {
	for name, c := range map[string]struct {
		ask    func(s *shop) reply
		status int    // of a strict server
		code   string // likewise
	}{
		"a key in the place of a token": {
			func(s *shop) reply {
				r := s.post(fields{"query": whoami})
				r.Header.Set("Authorization", "JWT "+s.key)
				return s.send(r)
			}, http.StatusOK, "KT-CT-1143",
		},
		"a code in the place of a subdomain": {
			func(s *shop) reply { return s.token(`{ affiliateLink(subdomain: "plain") { id } }`, nil) }, http.StatusOK, "KT-CT-7713",
		},
		"an empty ipAddress": {
			func(s *shop) reply {
				return s.token(createSession, fields{"input": fields{"linkId": 12, "ipAddress": ""}})
			},
			http.StatusOK, "KT-CT-7713",
		},
		"an empty operationName": {
			func(s *shop) reply { return s.send(s.post(fields{"query": "{ __typename }", "operationName": ""})) }, http.StatusBadRequest, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.ask(newShop(t)).want(http.StatusOK)
			c.ask(newShop(t, func(o *Options) { o.Strict = true })).want(c.status, c.code)
		})
	}
}

// token is do with a token of the shop's key.
func (s *shop) token(query string, variables any) reply {
	s.Helper()
	r := s.post(fields{"query": query, "variables": variables})
	r.Header.Set("Authorization", "JWT "+s.obtain(fields{"APIKey": s.key}).Token)
	return s.send(r)
}
