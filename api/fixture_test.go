package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var _ Books = (*ledger.Ledger)(nil)

// shop is an API on a real ledger, with a client.
type shop struct {
	testing.TB
	api     *API
	books   *sqlitetest.Books
	changes atomic.Int64 // calls of LinksChanged
	log     bytes.Buffer
	key     string // the key of do

	destinations map[string][]string // by network
	tested       []string            // network and name of each that was sent a test
}

// newShop opens one in the network "acme", whose client has a key with all scopes.
func newShop(t testing.TB) *shop {
	t.Helper()
	books := sqlitetest.OpenBooks(t, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	s := &shop{TB: t, books: books}
	s.api = New(Options{
		Books:        func() (Books, error) { return books, nil },
		LinksChanged: func(context.Context) { s.changes.Add(1) },
		OpenToken:    books.OpenToken,
		Destinations: func(network string) []string { return s.destinations[network] },
		TestDestination: func(_ context.Context, network, name string) (tracker.Attempt, error) {
			s.tested = append(s.tested, network+" "+name)
			return tracker.Attempt{N: 1, Status: http.StatusNoContent}, nil
		},
		Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		Now:    books.Now,
	})
	s.key = s.books.NewKey("acme", tracker.ScopeAll)
	return s
}

// reply is an answer.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// do sends a request with the shop's key. A body that is no string is sent as JSON.
func (s *shop) do(method, path string, body any) reply {
	s.Helper()
	return s.send(s.request(method, path, body))
}

// soon is do, whose answer must come within that time. A machine that stands still for a moment makes one late: what is late is asked
// twice more. The answer is the first one.
func (s *shop) soon(most time.Duration, method, path string, body any) (first reply) {
	s.Helper()
	var took time.Duration
	for i := range 3 {
		began := time.Now()
		got := s.do(method, path, body)
		took = time.Since(began)
		if i == 0 {
			first = got
		}
		if took <= most {
			return first
		}
	}
	s.Errorf("it took %s each time", took)
	return first
}

func (s *shop) request(method, path string, body any) *http.Request {
	s.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			s.Fatal(err)
		}
		reader = bytes.NewReader(text)
	}
	r := httptest.NewRequest(method, "/affiliate/v1/"+path, reader)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if s.key != "" {
		r.Header.Set("Authorization", "Bearer "+s.key)
	}
	return r
}

func (s *shop) send(r *http.Request) reply {
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
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

// object reads the answer into an object.
func (r reply) object() map[string]any {
	r.t.Helper()
	var v map[string]any
	r.read(&v)
	return v
}

// number is a field of the answer that is a number.
func (r reply) number(field string) int64 {
	r.t.Helper()
	n, ok := r.object()[field].(json.Number)
	if !ok {
		r.t.Fatalf("%s is no number in %s", field, r.body)
	}
	i, err := n.Int64()
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

// text is a field of the answer that is a string.
func (r reply) text(field string) string {
	r.t.Helper()
	s, ok := r.object()[field].(string)
	if !ok {
		r.t.Fatalf("%s is no string in %s", field, r.body)
	}
	return s
}

// rows are those of a list.
func (r reply) rows() []map[string]any {
	r.t.Helper()
	var list struct {
		Data []map[string]any `json:"data"`
	}
	r.want(http.StatusOK).read(&list)
	if list.Data == nil {
		r.t.Fatalf("data is no array in %s", r.body)
	}
	return list.Data
}

func (r reply) read(v any) {
	r.t.Helper()
	d := json.NewDecoder(strings.NewReader(r.body))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		r.t.Fatalf("reading %q: %v", r.body, err)
	}
}

// wantProblem fails unless the answer is this problem, with an entry for each of the paths.
func (r reply) wantProblem(status int, name string, paths ...string) reply {
	r.t.Helper()
	r.want(status)
	var p Problem
	r.read(&p)
	if p.Type != problemPrefix+name || p.Status != status || p.Title == "" || p.Detail == "" ||
		p.RequestID != r.header.Get("X-Request-Id") || r.header.Get("Content-Type") != "application/problem+json" {
		r.t.Fatalf("not the problem %s: %s %v", name, r.body, r.header)
	}
	for _, path := range paths {
		if !strings.Contains(r.body, `{"path":"`+path+`",`) {
			r.t.Errorf("no entry for %s: %s", path, r.body)
		}
	}
	return r
}

// fields is a JSON object for a request.
type fields map[string]any

func (o fields) with(field string, value any) fields {
	changed := fields{field: value}
	for name, v := range o {
		if name != field {
			changed[name] = v
		}
	}
	return changed
}

func (o fields) without(field string) fields {
	changed := o.with(field, nil)
	delete(changed, field)
	return changed
}

var sale = fields{"external_id": "order-1", "type": "buy", "amount": 9990, "currency": "EUR"}

// click books a session of a link and returns it with the token that its visitor has.
func (s *shop) click(network, code string) (session tracker.Session, token string) {
	s.Helper()
	at := s.books.Now().Add(-time.Hour)
	session = tracker.Session{
		ID: tracker.NewSessionID(at), Network: network, Code: code, Time: at, Class: tracker.ClassHuman,
		Visitor: tracker.NewVisitorID(), IP: "203.0.113.7", UserAgent: "Mozilla/5.0 (X11; Linux x86_64)",
		Host: "shop.example.com", Route: "/", Query: "via=" + code + "&sub1=news", Param: "via",
	}
	booked := tracker.BookedSession{Session: session, SubIDs: map[string]string{"sub1": "news"}}
	_, err := s.books.Apply(s.Context(), tracker.NewSessionID(at).String(), []ledger.Record{
		{Seq: 1, Session: &booked, Raw: session.AppendRecord(nil)},
	})
	if err != nil {
		s.Fatal(err)
	}
	touch := tracker.Touch{Session: session.ID, Code: code, Time: session.Time}
	token, err = s.books.Sealer.Seal(tracker.Token{Network: network, Visitor: session.Visitor, First: touch, Last: touch})
	if err != nil {
		s.Fatal(err)
	}
	return session, token
}

// newLink makes a link of a new affiliate in a campaign that pays 10 %.
func (s *shop) newLink(code string) reply {
	s.Helper()
	campaign := s.do("POST", "campaigns", fields{
		"name": "campaign of " + code, "commissions": []fields{{"name": "default", "percent": "10"}},
	}).want(http.StatusCreated).number("id")
	return s.do("POST", "links", fields{"code": code, "affiliate": "partner of " + code, "campaign_id": campaign}).want(http.StatusCreated)
}

// toText is a JSON number as text.
func toText(v any) string { return v.(json.Number).String() }

func text(n int64) string { return strconv.FormatInt(n, 10) }
