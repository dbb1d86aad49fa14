package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// operator is the actor of what comes through AsOperator.
const operator = "admin"

type operatorKey struct{}

// AsOperator marks a request that reached us by a way that needs no key, such as Caddy's admin endpoint: it may do all in the
// network, and its actor is "admin". The mark is a value of the context, which nothing in a request can forge. The parameter
// network, by which such a request may have chosen it, is taken out of the query.
func AsOperator(r *http.Request, network string) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), operatorKey{}, network))
	parts := strings.Split(r.URL.RawQuery, "&")
	url := *r.URL
	url.RawQuery = strings.Join(slices.DeleteFunc(parts, func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		return name == "network"
	}), "&")
	r.URL = &url
	return r
}

// errKey is the answer to every request without a key that is good, whatever is wrong with it.
var errKey = problem(http.StatusUnauthorized, "unauthorized", "No valid key",
	"Send a key of this API that is not revoked, in the header Authorization: Bearer, or in X-Api-Key.")

// authorize finds out whose request it is and whether it may do what needs the scope, and counts it against the key's rate.
func (a *API) authorize(w http.ResponseWriter, r *http.Request, c *call, scope tracker.Scope) error {
	books, err := a.books()
	if err != nil {
		return withoutBooks(err)
	}
	c.books = books
	if network, ok := r.Context().Value(operatorKey{}).(string); ok {
		c.network, c.actor = network, operator
		c.key = tracker.Key{Network: network, Scopes: []tracker.Scope{tracker.ScopeAll}}
		return nil
	}
	if c.key, err = access.Authenticate(r.Context(), books, keyText(r.Header)); errors.Is(err, access.ErrKey) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="affiliate"`)
		return errKey
	} else if err != nil {
		return err
	}
	c.network, c.actor = c.key.Network, c.key.ID
	if err := a.spend(w, r.Context(), c); err != nil {
		return err
	}
	if !c.key.Allows(scope) {
		return forbidden("The key has not the scope " + string(scope) + ".")
	}
	return nil
}

// keyText is the key that a request carries; empty where it carries none, or more than one.
func keyText(h http.Header) string {
	given := slices.Clone(h.Values("X-Api-Key"))
	for _, value := range h.Values("Authorization") {
		scheme, text, _ := strings.Cut(value, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return ""
		}
		given = append(given, strings.TrimSpace(text))
	}
	if len(given) != 1 {
		return ""
	}
	return given[0]
}

// spend counts the request against its key's rate and says in the header what is left
// (draft-ietf-httpapi-ratelimit-headers-03).
func (a *API) spend(w http.ResponseWriter, ctx context.Context, c *call) error {
	left := access.Spend(ctx, c.books, c.key, a.now(), a.logger)
	header := w.Header()
	header.Set("RateLimit-Limit", strconv.Itoa(left.Limit))
	header.Set("RateLimit-Remaining", strconv.Itoa(left.Remaining))
	header.Set("RateLimit-Reset", strconv.Itoa(left.Reset))
	if left.Allowed {
		return nil
	}
	p := problem(http.StatusTooManyRequests, "rate", "Too many requests", "Wait as long as the header Retry-After says.")
	p.retryAfter = left.RetryAfter
	return p
}
