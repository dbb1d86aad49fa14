// Package invoca speaks the dialect of Invoca's Network API of 2018-11-01: affiliates.
package invoca

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const name = "invoca"

// Books is what the dialect asks of the ledger.
type Books interface {
	access.Keys
	CreateAffiliate(ctx context.Context, network string, f tracker.AffiliateFields) (tracker.Affiliate, error)
	Affiliates(ctx context.Context, network string, f tracker.AffiliateFilter, p tracker.Page) ([]tracker.Affiliate, string, error)
	UpdateAffiliate(ctx context.Context, network string, id int64, change func(*tracker.AffiliateFields) error) (tracker.Affiliate, error)
	DeleteAffiliate(ctx context.Context, network string, id int64) error
}

// Options is what the dialect's server works with.
type Options struct {
	platform.Options
	// Books returns the ledger; while it returns an error, requests are answered with 503.
	Books func() (Books, error)
	// NetworkIDs are the networks by the numbers that stand for them in paths. A network's own name always stands for it.
	NetworkIDs map[string]string
	// GenerateIDs is whether an affiliate that comes without an id_from_network is given one.
	GenerateIDs bool
	// ContactPhoneNumber is whether answers have contact_phone_number beside phone_number. Those of a strict server have it alone.
	ContactPhoneNumber bool
	// CustomData are the names that custom data may have. None: any.
	CustomData []string
	// IgnoreCustomData is whether other names are left out instead of refused.
	IgnoreCustomData bool
	// ObjectURL is object_url, with {id} for the affiliate's number. Empty: where the native API has the affiliate.
	ObjectURL string
}

type server struct{ Options }

// New returns the dialect's server.
func New(o Options) *platform.Server {
	o.Options = o.Options.WithDefaults()
	s := &server{o}
	return &platform.Server{
		Name:    name,
		Owns:    func(path string) bool { return strings.HasPrefix(path, prefix) },
		Handler: s,
		Broken: func(w http.ResponseWriter, r *http.Request) {
			s.fail(w, r, errors.New("the request panicked"))
		},
		Logger: o.Logger,
	}
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := s.serve(w, r); err != nil {
		s.fail(w, r, err)
	}
}

// call is one request that has been let in.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	books   Books
	network string
	target
	body object
}

// serve answers a request, or returns why it cannot. Of a stranger's request nothing is said but that it has no token.
func (s *server) serve(w http.ResponseWriter, r *http.Request) error {
	books, err := s.Books()
	if err != nil {
		return away(err, err.Error())
	}
	body, bodyErr := s.readBody(w, r)
	key, err := s.authorize(r.Context(), books, s.tokens(r, body))
	if err != nil {
		return err
	}
	t, ok := parsePath(r.URL.EscapedPath())
	op, allow := operationOf(r.Method, t)
	switch {
	case !ok || s.Strict && !t.exact(r.Method):
		return errNoRoute
	case op == nil:
		w.Header().Set("Allow", allow)
		return errMethod
	case !s.permits(&key, op.scope, t.network):
		return errForbidden
	case bodyErr != nil:
		return bodyErr
	case s.Strict && hasParameters(r):
		return errQuery
	}
	platform.Operation(r.Context(), op.name)
	return op.do(s, &call{w, r, books, key.Network, t, body})
}

// exact reports whether the path is as the platform documents it: with the network, with .json, and with an id exactly where
// the method takes one.
func (t target) exact(method string) bool {
	return t.network != "" && !t.bare && (method != http.MethodPost || !t.one)
}

// hasParameters reports whether the query has anything but the token.
func hasParameters(r *http.Request) bool {
	for part := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if part != "" && !strings.HasPrefix(part, "oauth_token=") {
			return true
		}
	}
	return false
}

// operation is something that can be asked for.
type operation struct {
	name  string
	scope tracker.Scope
	do    func(*server, *call) error
}

const (
	reads  tracker.Scope = "affiliates:read"
	writes tracker.Scope = "affiliates:write"
)

// operationOf returns what a method asks for at a target, or nil and the methods that ask for something.
func operationOf(method string, t target) (op *operation, allow string) {
	switch {
	case (method == http.MethodGet || method == http.MethodHead) && !t.one:
		return &operation{"list-affiliates", reads, (*server).list}, ""
	case method == http.MethodGet || method == http.MethodHead:
		return &operation{"get-affiliate", reads, (*server).get}, ""
	case method == http.MethodPost:
		return &operation{"post-affiliate", writes, (*server).post}, ""
	case method == http.MethodPut && t.one:
		return &operation{"put-affiliate", writes, (*server).put}, ""
	case method == http.MethodDelete && t.one:
		return &operation{"delete-affiliate", writes, (*server).remove}, ""
	case t.one:
		return nil, "GET, HEAD, POST, PUT, DELETE"
	}
	return nil, "GET, HEAD, POST"
}
