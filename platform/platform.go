// Package platform holds what the servers of the dialects share: what they are given, how a request is bounded, and how it is
// counted. Each dialect is a folder: wire.go has the types, server.go answers.
package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// requestTime bounds one request. A change is not given up when its client is: who does not hear the answer asks again.
const requestTime = 30 * time.Second

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
	answer := &recorder{ResponseWriter: w}
	defer func() { observe(s.Name, c.operation, answer.status, time.Since(started)) }()
	defer s.recover(answer, r, c)

	header := answer.Header()
	header.Set("X-Request-Id", uuid.NewString())
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")

	ctx := context.WithValue(r.Context(), callKey{}, c)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	s.Handler.ServeHTTP(answer, r.WithContext(ctx))
}

// recover answers a panic of ours. The log gets the place and the type: the value may be somebody's data.
func (s *Server) recover(w *recorder, r *http.Request, c *call) {
	value := recover()
	if value == nil {
		return
	}
	if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(value)
	}
	s.Logger.Error("a request panicked", "dialect", s.Name, "operation", c.operation,
		"type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // half an answer is out: breaking it off is the one sign left
	}
	s.Broken(w, r)
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int // 0 until the header is written
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets an http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
