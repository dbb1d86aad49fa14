package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

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
	if c.key, err = authenticate(r.Context(), books, r.Header); err != nil {
		if errors.Is(err, errKey) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="affiliate"`)
		}
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

// nobody is the id that is looked up where a request names none. No key has it: ids have no dashes.
const nobody = "------------"

// authenticate returns the key of a request. Whatever is wrong, the same is done: one look-up, one comparison.
func authenticate(ctx context.Context, books Books, h http.Header) (tracker.Key, error) {
	id, secret, ok := tracker.ParseKey(keyText(h))
	if !ok {
		id = nobody
	}
	key, err := books.KeyByID(ctx, id)
	if errors.Is(err, tracker.ErrNotFound) {
		key = tracker.Key{} // matches nothing, and takes as long
	} else if err != nil {
		return tracker.Key{}, err
	}
	if !key.Matches(secret) || key.RevokedAt != nil {
		return tracker.Key{}, errKey
	}
	return key, nil
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

const (
	// usedEvery is how exactly the last use of a key is kept.
	usedEvery = time.Minute
	// usedTime bounds the wait for noting it, which the request has to bear once a minute.
	usedTime = time.Second
)

// noteUse keeps the time of a key's use. That it could not be kept is no reason to refuse the request.
func (a *API) noteUse(ctx context.Context, c *call) {
	ctx, cancel := context.WithTimeout(ctx, usedTime)
	defer cancel()
	if err := c.books.KeyUsed(ctx, c.key.ID, a.now()); err != nil {
		a.logger.Warn("noting the use of a key", "key", c.key.ID, "error", err)
	}
}
