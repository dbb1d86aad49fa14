package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// operation describes a route: what the document says of it, and which scope it needs.
type operation struct {
	id       string // unique, such as list-links; a metric label
	method   string
	path     string // below Prefix, such as links/{id}
	scope    tracker.Scope
	summary  string
	about    string   // more than the summary says; may be empty
	requires []string // fields of the body that the books refuse to do without
	status   int      // of success; 0: 200
	answer   any      // a value of the type that success is answered with; nil: nothing
	csv      bool     // CSV is answered as well, where it is asked for
	replays  bool     // a repeat is answered as the first was, with the header Idempotent-Replayed
}

// answer writes what a handler found. An error comes before the first byte.
type answer func(w http.ResponseWriter, r *http.Request) error

// handler is what a route does, once it is known who asks and what for.
type handler[I any] func(ctx context.Context, c *call, in *I) (answer, error)

// register adds a route. I is a struct: fields with the tags path, query and header are parameters, and an embedded body or
// patch is the request's body.
func register[I any](a *API, o operation, handle handler[I]) {
	huma.Register(a.huma, describeOperation[I](a, o), func(_ context.Context, in *I) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			c := callOf(r.Context())
			if err := respond(w, r, c, in, handle); err != nil {
				a.fail(w, c, err)
			}
		}}, nil
	})
}

// respond reads the body, if there is one, and lets the handler answer.
func respond[I any](w http.ResponseWriter, r *http.Request, c *call, in *I, handle handler[I]) error {
	if l, ok := any(in).(interface{ unbind(list string) error }); ok {
		if err := l.unbind(c.operation); err != nil {
			return err
		}
	}
	if b, ok := any(in).(bodyReader); ok {
		if err := b.read(w, r); err != nil {
			return err
		}
	}
	write, err := handle(r.Context(), c, in)
	if err != nil {
		return err
	}
	return write(w, r)
}

// guard stands before every route: it finds out who asks and whether they may, and refuses what no two parsers would read in
// the same way.
func (a *API) guard(hc huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(hc)
	c := callOf(r.Context())
	op := hc.Operation()
	c.operation = op.OperationID
	err := a.authorize(w, r, c, op.Metadata[scopeKey].(tracker.Scope))
	if err == nil {
		err = checkRequest(r, op)
	}
	if err != nil {
		a.fail(w, c, err)
		return
	}
	next(plainContext{hc})
}

// checkRequest is what huma does not look at.
func checkRequest(r *http.Request, op *huma.Operation) error {
	if err := checkPath(r, op); err != nil {
		return err
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		return err
	}
	return checkIdempotencyKey(r.Header, op.OperationID, op.Metadata[replaysKey].(bool))
}

// checkPath finds nothing by a number that is not written as the API writes it, such as 01 and +1.
func checkPath(r *http.Request, op *huma.Operation) error {
	for _, p := range op.Parameters {
		if p.In != "path" || p.Schema.Type != huma.TypeInteger {
			continue
		}
		text := r.PathValue(p.Name)
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) != text {
			return tracker.ErrNotFound
		}
	}
	return nil
}

// changed tells the edge that links may work otherwise now, and passes the outcome of a change on.
func changed[T any](ctx context.Context, a *API, status int, v T, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	a.linksChanged(ctx)
	return object(status, v), nil
}
