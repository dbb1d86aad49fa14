package invoca

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// authorize finds the key of a request and counts the request against the key's rate. It is the key that decides the network.
func (s *server) authorize(ctx context.Context, books Books, given []string) (tracker.Key, error) {
	text := ""
	if len(given) == 1 {
		text = given[0]
	}
	key, err := access.Authenticate(ctx, books, text)
	if errors.Is(err, access.ErrKey) {
		return key, errToken
	} else if err != nil {
		return key, err
	}
	if left := access.Spend(ctx, books, key, s.Now(), s.Logger); !left.Allowed {
		return key, tooMany(left.RetryAfter)
	}
	return key, nil
}

// permits reports whether the key may do what needs the scope, in the network that the path names. A network of somebody else's
// and one that does not exist are the same.
func (s *server) permits(key *tracker.Key, scope tracker.Scope, network string) bool {
	here := network == "" || network == key.Network || s.NetworkIDs[network] == key.Network
	return here && key.Allows(scope)
}

// tokens are the different tokens that a request carries: in the header, the query and the body. One with several is refused,
// so that nobody can add a token to a request that another server let pass for the first one.
func (s *server) tokens(r *http.Request, body object) []string {
	var given []string
	for _, value := range r.Header.Values("Authorization") {
		given = append(given, s.inHeader(strings.TrimSpace(value))...)
	}
	query, _ := url.ParseQuery(r.URL.RawQuery) // what of it cannot be read is no token
	given = append(given, query["oauth_token"]...)
	if raw, ok := body["oauth_token"]; ok {
		text, _ := stringOf(raw)
		given = append(given, text)
	}
	slices.Sort(given)
	return slices.Compact(given)
}

// inHeader are the tokens of an Authorization header. The platform's form is the token alone.
func (s *server) inHeader(value string) []string {
	scheme, rest, _ := strings.Cut(value, " ")
	switch rest = strings.TrimSpace(rest); {
	case strings.EqualFold(scheme, "Basic"):
		return inBasic(rest)
	case !s.Strict && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token")):
		return []string{rest}
	}
	return []string{value}
}

// inBasic are the tokens of Basic credentials: the user's name or the password, whichever looks like one.
func inBasic(encoded string) []string {
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return []string{""}
	}
	name, password, _ := strings.Cut(string(decoded), ":")
	return slices.DeleteFunc([]string{name, password}, func(text string) bool {
		_, _, ok := tracker.ParseKey(text)
		return !ok
	})
}
