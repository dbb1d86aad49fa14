// Package kraken speaks Kraken's dialect: its GraphQL API, as far as affiliates need it.
//
// The executor is graph-gophers/graphql-go; the handler is our own and follows the GraphQL-over-HTTP specification
// (graphql.github.io/graphql-over-http), but for clients that know nothing of it, which get Kraken's statuses.
package kraken

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/graph-gophers/graphql-go"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Books is what the dialect asks of the ledger.
type Books interface {
	access.Keys

	AddSession(ctx context.Context, s tracker.BookedSession) error

	CreateLink(ctx context.Context, network string, f tracker.LinkFields) (tracker.CatalogLink, error)
	CatalogLink(ctx context.Context, network string, id int64) (tracker.CatalogLink, error)
	CatalogLinks(ctx context.Context, network string, f tracker.LinkFilter, p tracker.Page) ([]tracker.CatalogLink, string, error)
	UpdateLink(ctx context.Context, network string, id int64, change func(*tracker.LinkFields) error) (tracker.CatalogLink, error)

	Affiliate(ctx context.Context, network string, id int64) (tracker.Affiliate, error)
	Campaign(ctx context.Context, network string, id int64) (tracker.Campaign, error)
}

// Options is what the dialect's server works with.
type Options struct {
	platform.Options
	// Books returns the ledger; while it returns an error, requests are answered with 503.
	Books func() (Books, error)
	// Introspection lets clients ask for the schema. Default: false. __typename is always answered.
	Introspection bool
	// ObjectParams shows queryParams as an object. Default: as a string that holds its JSON, as Kraken does.
	ObjectParams bool
	// UnknownLink is the code of the error for a linkId that is no live link's. Default: KT-CT-7713.
	UnknownLink string
	// Kept returns what may be kept, in that network, of the address and the user agent that a client tells of a visitor.
	// Nil: all of both.
	Kept func(network, address, agent string, now time.Time) (keptAddress, keptAgent string)
}

// server answers in the dialect.
type server struct {
	Options
	schema      *graphql.Schema
	unknownLink code
	objects     bool
}

// New returns the dialect's server.
func New(o Options) *platform.Server {
	o.Options = o.Options.WithDefaults()
	s := &server{Options: o, unknownLink: codeSubdomain, objects: o.ObjectParams}
	if o.UnknownLink != "" {
		s.unknownLink = invalidData(o.UnknownLink)
	}
	if s.Kept == nil {
		s.Kept = func(_, address, agent string, _ time.Time) (string, string) { return address, agent }
	}
	s.schema = s.newSchema()
	return &platform.Server{
		Name:    "kraken",
		Owns:    func(path string) bool { return path == Path || path+"/" == Path },
		Handler: s,
		Broken: func(w http.ResponseWriter, r *http.Request) {
			write(w, mediaJSON, http.StatusInternalServerError, Response{Errors: []Error{codeInternal.fault().told()}})
		},
		Logger: o.Logger,
	}
}

func (s *server) signer() signer {
	if s.Keys == nil {
		return signer{}
	}
	return signer{s.Keys("kraken jwt")}
}

// root resolves the fields of Query and Mutation.
type root struct{}

// call is one request on its way through the executor.
type call struct {
	server        *server
	authorization []string // of the request's header
	safe          bool     // it was a GET, which changes nothing

	named sync.Once // for the metrics

	once    sync.Once // for what follows
	caller  *caller
	failure error
}

type callKey struct{}

// callOf returns the call that a context carries.
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }
