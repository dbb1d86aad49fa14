// Package api serves the native REST API of the books: affiliates, campaigns, links, sessions, customers, transactions,
// conversions, keys, reports and what privacy asks for, as JSON under Prefix, described by an OpenAPI document.
//
// Bodies are strict, errors are problems as RFC 9457 has them and never repeat values that were sent, and every route needs a key
// with the scope that its operation names. huma (github.com/danielgtaylor/huma) reads the parameters and writes the
// document; everything else is our own, and nothing of huma's process-wide settings is touched, since other modules of the
// same Caddy may use it.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Prefix is where the API's paths begin.
const Prefix = "/affiliate/v1/"

// Options is what an API works with.
type Options struct {
	// Books returns the ledger; while it returns an error, requests are answered with 503 and the error's text, which anybody
	// who asks may read: it must say nothing of addresses, paths and secrets.
	Books func() (Books, error)
	// LinksChanged is called after every change of a link, an affiliate or a campaign, before it is answered. Nil: nobody.
	LinksChanged func(ctx context.Context)
	// OpenToken opens the token of a visitor of the network.
	OpenToken func(network, text string) (tracker.Token, bool)
	// Destinations returns the names of the network's destinations, as they are configured here. Nil: there are none.
	Destinations func(network string) []string
	// LeftAlone reports whether this node leaves a destination's endpoint alone for a moment, since it fails. Nil: it never does.
	LeftAlone func(network, name string) bool
	// TestDestination sends a marked test event to a destination and returns what came of it. tracker.ErrNotFound: the network has
	// no such destination.
	TestDestination func(ctx context.Context, network, name string) (tracker.Attempt, error)
	// Logger takes what is our own fault. Nil: slog.Default().
	Logger *slog.Logger
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// API is the handler of everything under Prefix. It is made once and may be used by any number of goroutines.
type API struct {
	books        func() (Books, error)
	linksChanged func(ctx context.Context)
	openToken    func(network, text string) (tracker.Token, bool)
	destinations func(network string) []string
	leftAlone    func(network, name string) bool
	testOne      func(ctx context.Context, network, name string) (tracker.Attempt, error)
	logger       *slog.Logger
	now          func() time.Time

	mux      *http.ServeMux
	huma     huma.API
	document []byte // OpenAPI 3.1
}

// New makes an API.
func New(o Options) *API {
	a := &API{
		books: o.Books, linksChanged: o.LinksChanged, openToken: o.OpenToken, logger: o.Logger, now: o.Now,
		destinations: o.Destinations, leftAlone: o.LeftAlone, testOne: o.TestDestination,
		mux: http.NewServeMux(),
	}
	if a.linksChanged == nil {
		a.linksChanged = func(context.Context) {}
	}
	if a.destinations == nil {
		a.destinations = func(string) []string { return nil }
	}
	if a.leftAlone == nil {
		a.leftAlone = func(string, string) bool { return false }
	}
	if a.logger == nil {
		a.logger = slog.Default()
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.huma = newHuma(a)
	for _, add := range []func(){
		a.affiliates, a.campaigns, a.links, a.sessions, a.customers, a.transactions, a.conversions, a.refunds, a.keys, a.reports,
		a.privacy, a.deliveries,
	} {
		add()
	}
	a.document = describe(a.huma.OpenAPI())
	a.mux.HandleFunc("GET "+Prefix+"openapi.json", a.serveDocument)
	a.mux.HandleFunc("/", a.serveUnknown)
	return a
}

// call is one request on its way through the API.
type call struct {
	requestID string
	operation string // empty until a route is found
	network   string
	actor     string // who does it: the id of the key, or "admin"
	key       tracker.Key
	books     Books
}

type callKey struct{}

// callOf returns the call that a request's context carries.
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{requestID: requestID(r)}
	started := time.Now()
	answer, ctx, cancel := access.Begin(w, r, c.requestID)
	defer cancel()
	defer func() { observe(c.operation, answer.Class(), time.Since(started)) }()
	defer func() {
		if value := recover(); value != nil {
			logger := a.logger.With("operation", c.operation, "request_id", c.requestID)
			answer.Panicked(value, logger, func() { a.fail(answer, c, errInternal) })
		}
	}()

	r = r.WithContext(context.WithValue(ctx, callKey{}, c))
	if path.Clean(r.URL.Path) != r.URL.Path || !isText(r.URL.Path) { // the mux would redirect the one, a database refuse the other
		a.fail(answer, c, errNoRoute)
		return
	}
	a.mux.ServeHTTP(answer, r)
}

func (a *API) serveDocument(w http.ResponseWriter, r *http.Request) {
	callOf(r.Context()).operation = "openapi"
	writeJSON(w, http.StatusOK, a.document)
}

// serveUnknown answers what no route is for: 405 where another method has one, 404 otherwise.
func (a *API) serveUnknown(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); strings.HasPrefix(pattern, method+" ") {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		a.fail(w, c, errNoRoute)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	a.fail(w, c, errMethod)
}
