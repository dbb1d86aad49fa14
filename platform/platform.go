// Package platform holds what the servers of the dialects share: what they are given, how a request is bounded, and how it is
// counted. Each dialect is a folder: wire.go has the types, server.go answers.
package platform

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Options is what every dialect is given beside its books and its own settings.
type Options struct {
	// LinksChanged is called after every change of a link or an affiliate, before it is answered. Nil: nobody.
	LinksChanged func(ctx context.Context)
	// OpenToken opens the token of a visitor of the network.
	OpenToken func(network, text string) (tracker.Token, bool)
	// SealToken seals a token of its network; false while the server is starting.
	SealToken func(t tracker.Token) (string, bool)
	// Keys returns 32 bytes for that purpose for each configured secret; the first signs, all are good for checking. It is
	// empty while the server is starting.
	Keys func(purpose string) [][]byte
	// Strict switches the tolerances of the dialect off.
	Strict bool
	// Logger takes what is our own fault. Nil: nobody.
	Logger *slog.Logger
	// Now tells the time. Nil: time.Now.
	Now func() time.Time
}

// WithDefaults returns the options with nothing left nil that a dialect calls.
func (o Options) WithDefaults() Options {
	if o.LinksChanged == nil {
		o.LinksChanged = func(context.Context) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Server is what answers in one dialect.
type Server struct {
	// Name is the dialect's, in metrics and logs.
	Name string
	// Owns says which paths are the dialect's. All others are somebody else's.
	Owns func(path string) bool
	// Handler answers what the dialect owns.
	Handler http.Handler
	// Broken answers, in the dialect's own form, a request whose handler panicked before it wrote anything.
	Broken http.HandlerFunc
	// Logger takes panics.
	Logger *slog.Logger
}

// call is one request on its way through a dialect.
type call struct{ operation string }

type callKey struct{}

// Operation names what a request asks for, for the metrics. The name is one of a closed list.
func Operation(ctx context.Context, name string) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.operation = name
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{}
	started := time.Now()
	answer, ctx, cancel := access.Begin(w, r, uuid.NewString())
	defer cancel()
	defer func() { observe(s.Name, c.operation, answer.Class(), time.Since(started)) }()
	defer func() {
		if value := recover(); value != nil {
			logger := s.Logger.With("dialect", s.Name, "operation", c.operation)
			answer.Panicked(value, logger, func() { s.Broken(answer, r) })
		}
	}()

	s.Handler.ServeHTTP(answer, r.WithContext(context.WithValue(ctx, callKey{}, c)))
}
