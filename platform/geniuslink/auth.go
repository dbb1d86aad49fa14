package geniuslink

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// authenticate lets a request in that has a key which may do that.
func (s *server) authenticate(r *http.Request, books Books, scope tracker.Scope) (tracker.Key, error) {
	text := credential(r.Header.Values("X-Api-Key"), r.Header.Values("X-Api-Secret"), s.strict)
	if text == "" && !s.strict {
		text = queryCredential(r.URL.Query())
	}
	if text == "" {
		return tracker.Key{}, errNoKey
	}
	key, err := access.Authenticate(r.Context(), books, text)
	if err != nil {
		return key, err
	}
	if allowance := access.Spend(r.Context(), books, key, s.now(), s.log); !allowance.Allowed {
		return key, errTooMany(allowance.RetryAfter)
	}
	if !key.Allows(scope) {
		return key, errScope
	}
	return key, nil
}

// credential makes a key's text of its two parts: aff_ and the id, and the secret. Whoever has the text in one piece may give
// that as the key, with any secret or none. It is empty where there is no key.
func credential(keys, secrets []string, strict bool) string {
	if len(keys) != 1 || len(secrets) > 1 {
		return ""
	}
	key := strings.TrimSpace(keys[0])
	if _, _, whole := tracker.ParseKey(key); whole && !strict {
		return key
	}
	if key == "" || len(secrets) == 0 {
		return ""
	}
	return key + "_" + strings.TrimSpace(secrets[0])
}

// queryCredential reads the pair as Geniuslink's old browser extension sends it.
func queryCredential(query url.Values) string {
	var keys, secrets []string
	for name, values := range query {
		switch strings.ToLower(name) {
		case "apikey":
			keys = append(keys, values...)
		case "apisecret":
			secrets = append(secrets, values...)
		}
	}
	return credential(keys, secrets, false)
}
