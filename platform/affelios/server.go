// Package affelios speaks Affelios's dialect: customers, and transactions of customers.
package affelios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const name = "affelios"

// Books is what the dialect asks of the ledger.
type Books interface {
	access.Keys
	FindSession(ctx context.Context, network string, id tracker.SessionID) (tracker.BookedSession, error)
	CreateCustomer(ctx context.Context, n tracker.NewCustomer) (answer []byte, replayed bool, err error)
	Customer(ctx context.Context, network, id string) (tracker.Customer, error)
	CustomerByExternalID(ctx context.Context, network, externalID, brand string) (tracker.Customer, error)
	CustomerBySession(ctx context.Context, network string, id tracker.SessionID) (tracker.Customer, error)
	UpdateCustomer(
		ctx context.Context, network, id string, change func(*tracker.CustomerFields) error,
	) (tracker.Customer, error)
	Transactions(
		ctx context.Context, network string, f tracker.TransactionFilter, p tracker.Page,
	) ([]tracker.Transaction, string, error)
	AddTransactions(ctx context.Context, list []tracker.NewTransaction) error
}

// DuplicateRule says what becomes of a customer who is reported again as they were.
type DuplicateRule string

// The rules for duplicates. Other content under the same id is a conflict by both.
const (
	DuplicateReject DuplicateRule = "reject"          // the default: 409
	DuplicateReturn DuplicateRule = "return_existing" // 200 with the customer as they are now
)

// Options is what the dialect's server works with.
type Options struct {
	platform.Options
	// Books returns the ledger; while it returns an error, requests are answered with 503.
	Books func() (Books, error)
	// OpenHandoff opens what one site of the network hands another in a URL; see tracker.HandoffParam.
	OpenHandoff func(network, text string) (tracker.Token, bool)
	// Currency is what all amounts of the dialect are in, which names none. Default: EUR.
	Currency string
	// UnknownKey is the rule for unknown click keys. Default: UnknownReject.
	UnknownKey UnknownRule
	// Duplicates is the rule for customers who are reported again. Default: DuplicateReject.
	Duplicates DuplicateRule
	// BrandID lets brandId stand for externalBrandId where that is not given.
	BrandID bool
	// NullDates has dates that are not there answered as null. Default: 0001-01-01T00:00:00, as .NET writes them.
	NullDates bool
}

// Check refuses settings that mean nothing.
func (o Options) Check() error {
	o = o.withDefaults()
	if err := tracker.CheckCurrency(o.Currency); err != nil {
		return fmt.Errorf("affelios: currency: %w", err)
	}
	if o.UnknownKey != UnknownReject && o.UnknownKey != UnknownOrganic {
		return fmt.Errorf("affelios: unknown_click_key is %s or %s", UnknownReject, UnknownOrganic)
	}
	if o.Duplicates != DuplicateReject && o.Duplicates != DuplicateReturn {
		return fmt.Errorf("affelios: duplicates is %s or %s", DuplicateReject, DuplicateReturn)
	}
	return nil
}

func (o Options) withDefaults() Options {
	o.Options = o.Options.WithDefaults()
	o.Currency = cmp.Or(o.Currency, "EUR")
	o.UnknownKey = cmp.Or(o.UnknownKey, UnknownReject)
	o.Duplicates = cmp.Or(o.Duplicates, DuplicateReject)
	if o.OpenHandoff == nil {
		o.OpenHandoff = func(string, string) (tracker.Token, bool) { return tracker.Token{}, false }
	}
	return o
}

// server answers in the dialect.
type server struct{ Options }

// New returns the dialect's server.
func New(o Options) *platform.Server {
	s := &server{o.withDefaults()}
	return &platform.Server{
		Name:    name,
		Owns:    func(path string) bool { return s.owns(path) },
		Handler: http.HandlerFunc(s.serve),
		Broken:  func(w http.ResponseWriter, _ *http.Request) { s.fail(w, errInternal) },
		Logger:  s.Logger,
	}
}

// The dialect's paths.
const (
	customerPath    = "/api/v1/customer"
	transactionPath = "/api/v1/transaction"
	bulkPath        = "/api/v1/transaction/bulk"
)

// canonical is a path as the routes have it. ASP.NET takes paths in any case and with a slash at the end.
func (s *server) canonical(path string) string {
	if s.Strict {
		return path
	}
	return asciiLower(strings.TrimSuffix(path, "/"))
}

func (s *server) owns(path string) bool {
	path = s.canonical(path)
	for _, ours := range []string{customerPath, transactionPath} {
		if path == ours || strings.HasPrefix(path, ours+"/") {
			return true
		}
	}
	return false
}

// route is an operation of the dialect.
type route struct {
	method    string
	operation string
	scope     tracker.Scope
	serve     func(ctx context.Context, c *call) error
}

// routes are the operations of a path; id is what a customer's path ends with.
func (s *server) routes(path string) (routes []route, id string) {
	switch path {
	case customerPath:
		return []route{{http.MethodPost, "create_customer", "customers:write", s.createCustomer}}, ""
	case transactionPath:
		return []route{{http.MethodPost, "create_transaction", "transactions:write", s.createTransaction}}, ""
	case bulkPath:
		return []route{{http.MethodPost, "create_transactions", "transactions:write", s.createTransactions}}, ""
	}
	id, ok := strings.CutPrefix(path, customerPath+"/")
	if !ok || id == "" || strings.Contains(id, "/") {
		return nil, ""
	}
	return []route{
		{http.MethodGet, "get_customer", "customers:read", s.getCustomer},
		{http.MethodPut, "update_customer", "customers:write", s.updateCustomer},
	}, id
}

// call is one request on its way through the dialect.
type call struct {
	server *server
	w      http.ResponseWriter
	r      *http.Request
	id     string // of the customer whom the path names
	books  Books
	key    tracker.Key
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	routes, id := s.routes(s.canonical(r.URL.Path))
	at := slices.IndexFunc(routes, func(one route) bool { return one.method == r.Method })
	c := &call{server: s, w: w, r: r, id: id}
	switch {
	case routes == nil:
		s.fail(w, errNoRoute)
	case at < 0:
		var allowed []string
		for _, one := range routes {
			allowed = append(allowed, one.method)
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.fail(w, errMethod)
	default:
		platform.Operation(r.Context(), routes[at].operation)
		err := c.authorize(r.Context(), routes[at].scope)
		if err == nil {
			err = routes[at].serve(r.Context(), c)
		}
		if err != nil {
			s.fail(w, err)
		}
	}
}

// authorize finds out whose request it is and whether it may do what needs the scope, and counts it against the key's rate.
func (c *call) authorize(ctx context.Context, scope tracker.Scope) (err error) {
	if c.books, err = c.server.Books(); err != nil {
		return away(err)
	}
	if c.key, err = access.Authenticate(ctx, c.books, c.server.keyText(c.r.Header)); err != nil {
		if errors.Is(err, access.ErrKey) {
			c.w.Header().Set("WWW-Authenticate", `ApiKey realm="affiliate"`)
		}
		return err
	}
	left := access.Spend(ctx, c.books, c.key, c.server.Now(), c.server.Logger)
	if !left.Allowed {
		p := fault(http.StatusTooManyRequests, "Wait as long as the header Retry-After says.")
		p.retryAfter = left.RetryAfter
		return p
	}
	if !c.key.Allows(scope) {
		return fault(http.StatusForbidden, "The key has not the scope "+string(scope)+".")
	}
	return nil
}

// keyText is the key that a request carries: in X-Api-Key, or else in Authorization, with or without Bearer.
func (s *server) keyText(h http.Header) string {
	given := h.Values("X-Api-Key")
	if len(given) == 0 && !s.Strict {
		given = h.Values("Authorization")
	}
	if len(given) != 1 {
		return ""
	}
	if scheme, text, found := strings.Cut(given[0], " "); found && strings.EqualFold(scheme, "Bearer") && !s.Strict {
		return strings.TrimSpace(text)
	}
	return strings.TrimSpace(given[0])
}

// noDate is what .NET writes for a time that nobody has set.
const noDate = "0001-01-01T00:00:00"

// date is a time as the dialect writes it.
func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// dateOrNone is a time that may not be there.
func (s *server) dateOrNone(t *time.Time) *string {
	switch {
	case t != nil:
		text := date(*t)
		return &text
	case s.NullDates:
		return nil
	default:
		text := noDate
		return &text
	}
}
