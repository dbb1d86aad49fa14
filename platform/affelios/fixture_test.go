package affelios

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var _ Books = (*ledger.Ledger)(nil)

// noon is the time of everything in the tests.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shop is the dialect on a real ledger in the network "acme", in which Ann earns by her link "ann".
type shop struct {
	testing.TB
	books  *sqlitetest.Books
	server *platform.Server
	log    bytes.Buffer
	key    string // which may do all
	ann    tracker.CatalogLink
}

// newShop opens one; each edit changes the dialect's options.
func newShop(t testing.TB, edits ...func(o *Options)) *shop {
	t.Helper()
	s := &shop{TB: t, books: sqlitetest.OpenBooks(t, noon)}
	s.serve(edits...)
	s.key = s.books.NewKey("acme", tracker.ScopeAll)
	s.ann = s.addLink("acme", "ann", "Ann")
	return s
}

// serve takes other options.
func (s *shop) serve(edits ...func(o *Options)) {
	o := Options{
		Options: platform.Options{
			OpenToken: s.books.OpenToken,
			Logger:    slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Now:       s.books.Now,
		},
		Books: func() (Books, error) { return s.books, nil },
		OpenHandoff: func(network, text string) (tracker.Token, bool) {
			visitor, touch, err := s.books.Sealer.OpenHandoff(network, text, noon)
			return tracker.Token{Network: network, Visitor: visitor, First: touch, Last: touch}, err == nil
		},
	}
	for _, edit := range edits {
		edit(&o)
	}
	s.server = New(o)
}

func strict(o *Options) { o.Strict = true }

func (s *shop) addLink(network, code, affiliate string) tracker.CatalogLink {
	s.Helper()
	a, err := s.books.CreateAffiliate(s.Context(), network, tracker.AffiliateFields{Name: affiliate})
	if err != nil {
		s.Fatal(err)
	}
	link, err := s.books.CreateLink(s.Context(), network, tracker.LinkFields{Code: code, AffiliateID: a.ID, Enabled: true})
	if err != nil {
		s.Fatal(err)
	}
	return link
}

// click is a session in the books, of a click on the code two hours ago.
func (s *shop) click(network, code string) tracker.BookedSession {
	s.Helper()
	return s.clickAt(network, code, noon.Add(-2*time.Hour))
}

func (s *shop) clickAt(network, code string, at time.Time) tracker.BookedSession {
	s.Helper()
	booked := tracker.BookedSession{
		Session: tracker.Session{
			Network: network, ID: tracker.NewSessionID(at), Visitor: tracker.NewVisitorID(), Code: code, Class: tracker.ClassHuman,
			Time: at, Referrer: "https://blog.example/post",
		},
		SubIDs: map[string]string{"sub1": "summer"},
	}
	if err := s.books.AddSession(s.Context(), booked); err != nil {
		s.Fatal(err)
	}
	return booked
}

// token is that of the visitor who made the click.
func (s *shop) token(b tracker.BookedSession) string {
	s.Helper()
	touch := tracker.Touch{Session: b.ID, Code: b.Code, Time: b.Time}
	text, err := s.books.Sealer.Seal(tracker.Token{Network: b.Network, Visitor: b.Visitor, First: touch, Last: touch})
	if err != nil {
		s.Fatal(err)
	}
	return text
}

// handoff is the parameter by which one site hands the click to another.
func (s *shop) handoff(b tracker.BookedSession) string {
	s.Helper()
	text, err := s.books.Sealer.SealHandoff(b.Network, b.Visitor, tracker.Touch{Session: b.ID, Code: b.Code, Time: b.Time}, noon)
	if err != nil {
		s.Fatal(err)
	}
	return text
}

// reply is an answer.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// do sends a request with the shop's key.
func (s *shop) do(method, path, body string) reply {
	s.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Api-Key", s.key)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return s.send(r)
}

func (s *shop) send(r *http.Request) reply {
	s.Helper()
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return reply{s.TB, w.Code, w.Header(), w.Body.String()}
}

// want fails unless the answer has the status.
func (r reply) want(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// refused fails unless the answer is a problem of that status that names these properties.
func (r reply) refused(status int, properties ...string) reply {
	r.t.Helper()
	r.want(status)
	var p problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || p.Status != status || p.Title == "" ||
		p.TraceID == "" || p.TraceID != r.header.Get("X-Request-Id") ||
		!strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") {
		r.t.Errorf("the problem is %s (%v)", r.body, err)
	}
	for _, name := range properties {
		if len(p.Errors[name]) == 0 {
			r.t.Errorf("the problem does not name %s: %s", name, r.body)
		}
	}
	if len(p.Errors) != len(properties) {
		r.t.Errorf("the problem names %d properties, want %q: %s", len(p.Errors), properties, r.body)
	}
	return r
}

// customer reads the answer.
func (r reply) customer() Customer {
	r.t.Helper()
	var c Customer
	if err := json.Unmarshal([]byte(r.body), &c); err != nil {
		r.t.Fatalf("%v in %s", err, r.body)
	}
	return c
}

// newCustomer is the body of a customer who registered an hour ago; more is what else it says, with a comma before it.
func newCustomer(externalID, more string) string {
	return `{"externalId":"` + externalID + `","externalBrandId":"brand-1","registrationDate":"2026-11-21T11:00:00Z"` + more + `}`
}

// create reports a customer, who has to be taken.
func (s *shop) create(externalID, more string) Customer {
	s.Helper()
	return s.do("POST", "/api/v1/customer", newCustomer(externalID, more)).want(200).customer()
}
