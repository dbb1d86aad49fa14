// Package geniuslink speaks Geniuslink's dialect: the routes of its AffiliationAPI, a ServiceStack service, for the parameters
// that groups and users have for affiliate programmes.
package geniuslink

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/geniuslink/jsv"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Books is what the dialect asks of the ledger.
type Books interface {
	access.Keys

	AddTokens(ctx context.Context, network string, f tracker.TokensFields) (tracker.ProgramTokens, error)
	PutTokens(ctx context.Context, network string, f tracker.TokensFields) (tracker.ProgramTokens, error)
	Tokens(ctx context.Context, network string, f tracker.TokensFilter) ([]tracker.ProgramTokens, error)
	DeleteTokens(ctx context.Context, network, id string) error

	AddTokenSet(ctx context.Context, network string, f tracker.TokenSetFields) (tracker.TokenSet, error)
	TokenSet(ctx context.Context, network, guid string) (tracker.TokenSet, error)
}

// Options is what the dialect's server works with.
type Options struct {
	platform.Options
	// Books returns the ledger; while it returns an error, requests are answered with 503.
	Books func() (Books, error)
	// Programs are known beside those that come with us, and replace those of the same guid.
	Programs []Program
}

type server struct {
	books        func() (Books, error)
	programs     programs
	linksChanged func(ctx context.Context)
	strict       bool
	now          func() time.Time
	log          *slog.Logger
}

// New returns the dialect's server. The error names a programme that cannot be one.
func New(o Options) (*platform.Server, error) {
	o.Options = o.Options.WithDefaults()
	known, err := newPrograms(o.Programs)
	if err != nil {
		return nil, err
	}
	s := &server{
		books: o.Books, programs: known, linksChanged: o.LinksChanged, strict: o.Strict, now: o.Now, log: o.Logger,
	}
	return &platform.Server{
		Name:    "geniuslink",
		Owns:    owns,
		Handler: http.HandlerFunc(s.serve),
		Broken:  func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, nil, errOurs) },
		Logger:  o.Logger,
	}, nil
}

// call is one request that was let in.
type call struct {
	request
	books   Books
	network string
	named   bool // the request itself says the user
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	op, variables, verbs := find(r.Method, r.URL.Path)
	if op == nil && verbs == nil {
		s.fail(w, r, nil, errNoRoute)
		return
	}
	if op == nil {
		w.Header().Set("Allow", strings.Join(verbs, ", "))
		s.fail(w, r, nil, bare(http.StatusMethodNotAllowed, "NotImplementedException", "The path does not have this method"))
		return
	}
	platform.Operation(r.Context(), op.metric)
	body, err := s.run(w, r, op, variables)
	if err != nil {
		s.fail(w, r, op, err)
		return
	}
	write(w, r, reply{http.StatusOK, op.response, body})
}

func (s *server) run(w http.ResponseWriter, r *http.Request, op *operation, variables map[string]string) (record, error) {
	books, err := s.books()
	if err != nil {
		return nil, errAway
	}
	key, err := s.authenticate(r, books, op.scope)
	if err != nil {
		return nil, err
	}
	c := &call{books: books, network: key.Network}
	if c.request, err = s.read(w, r, op, variables); err != nil {
		return nil, err
	}
	c.named = c.username != ""
	if !c.named {
		c.username = r.Header.Get("X-Impersonate")
	}
	if c.username == "" {
		c.username = key.Name
	}
	return op.do(s, r.Context(), c)
}

// read binds a request: its body, its path, its query.
func (s *server) read(w http.ResponseWriter, r *http.Request, op *operation, variables map[string]string) (request, error) {
	query, err := decodeForm(r.URL.RawQuery)
	if err != nil {
		return request{}, errBind
	}
	var body, form []jsv.Member
	if op.verb == http.MethodPut || op.verb == http.MethodPost {
		data, err := access.ReadBody(w, r)
		if err != nil {
			return request{}, bodyFault(err)
		}
		kind := mediaType(r.Header.Get("Content-Type"))
		if !s.strict && kind == formType && bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
			kind = "" // no member of ours begins so: it is JSON that was not called so
		}
		members, err := decodeBody(kind, data, s.strict)
		if err != nil {
			return request{}, err
		}
		if kind == formType {
			form = members
		} else {
			body = members
		}
	}
	return bind(variables, body, query.Members, form)
}

func bodyFault(err error) *fault {
	switch err {
	case access.ErrTooLarge:
		return errTooLarge
	case access.ErrTooSlow:
		return errTooSlow
	default:
		return errBind
	}
}

// fail answers an error. It is of the operation's type, where there is one and the request was let in.
func (s *server) fail(w http.ResponseWriter, r *http.Request, op *operation, err error) {
	f, ours := asFault(err)
	if ours {
		s.log.Error("a request failed", "dialect", "geniuslink", "error", err)
	}
	a := reply{status: f.status, name: "ErrorResponse"}
	if op != nil {
		a.name = op.response
		if f == errBind {
			f = op.unbound()
		}
		if op.writes && !f.bare {
			a.body = record{{"success", false}}
		}
	}
	for _, h := range f.headers {
		w.Header().Set(h.name, h.value)
	}
	a.body = append(a.body, member{statusMember, f.record()})
	write(w, r, a)
}

// write writes an answer in the format that the request asks for.
func write(w http.ResponseWriter, r *http.Request, a reply) {
	f := negotiate(r)
	w.Header().Set("Content-Type", f.contentType())
	w.Header().Set("Vary", "Accept")
	w.WriteHeader(a.status)
	w.Write(f.encode(a)) // who has hung up hears nothing
}
