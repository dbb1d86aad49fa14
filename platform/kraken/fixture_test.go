package kraken

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var _ Books = (*ledger.Ledger)(nil)

// epoch is what the clock of every test says at first.
var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// shop is a server on a real ledger, with what Kraken's samples take for granted: link 12, of an
// organisation that sells in the field.
type shop struct {
	testing.TB
	*platform.Server
	books   *sqlitetest.Books
	changes atomic.Int64 // calls of LinksChanged
	away    error        // what Options.Books answers
	log     bytes.Buffer
	key     string // with all scopes
}

func newShop(t testing.TB, change ...func(o *Options)) *shop {
	t.Helper()
	books := sqlitetest.OpenBooks(t, epoch)
	s := &shop{TB: t, books: books}
	o := Options{
		Options: platform.Options{
			LinksChanged: func(context.Context) { s.changes.Add(1) },
			Keys:         s.books.Sealer.Keys,
			Logger:       slog.New(slog.NewTextHandler(&s.log, nil)),
			Now:          books.Now,
		},
		Books: func() (Books, error) { return books, s.away },
	}
	for _, c := range change {
		c(&o)
	}
	s.Server = New(o)
	s.key = s.books.NewKey("acme", tracker.ScopeAll)
	s.stock()
	return s
}

// stock makes the affiliate and the links.
func (s *shop) stock() {
	s.Helper()
	affiliate, err := s.books.CreateAffiliate(s.Context(), "acme", tracker.AffiliateFields{
		Name: "Octoenergy", IDFromNetwork: "partner-7",
		CustomData: map[string]string{"sales_channel": "field sales", "can_renew_tariffs": "true", "default_account_type": "Domestic"},
		Users: []tracker.User{{IDFromNetwork: "1", FirstName: "Joe", LastName: "Doe", EmailSettings: []tracker.EmailSetting{
			{EmailAddress: "joe@home.example"}, {EmailAddress: "office@octoenergy.example", UseForNotifications: true},
		}}},
	})
	if err != nil {
		s.Fatal(err)
	}
	links := make([]tracker.LinkFields, 11, 15)
	for i := range links {
		links[i] = tracker.LinkFields{Code: fmt.Sprintf("other-%d", i)}
	}
	over := epoch.Add(-time.Hour)
	for _, f := range append(links, []tracker.LinkFields{
		{Code: "familymart", Subdomain: "familymart", ContactName: "Joe", ContactEmail: "joe@familymart.com", Enabled: true},
		{Code: "plain", Destination: "https://shop.example/landing", Enabled: true, IsBusiness: true, TrainingStatus: tracker.TrainingQualified},
		{Code: "disabled", Subdomain: "disabled"},
		{Code: "expired", Subdomain: "expired", Enabled: true, ExpiresAt: &over},
	}...) {
		f.AffiliateID = affiliate.ID
		if _, err := s.books.CreateLink(s.Context(), "acme", f); err != nil {
			s.Fatal(err)
		}
	}
}

// reply is an answer.
type reply struct {
	testing.TB
	status int
	header http.Header
	body   string
	Response
}

// fields is a JSON object.
type fields map[string]any

// do posts a document with the shop's key.
func (s *shop) do(query string, variables any) reply {
	s.Helper()
	return s.send(s.post(fields{"query": query, "variables": variables}))
}

// post is a request with the shop's key. A body that is no string is sent as JSON.
func (s *shop) post(body any) *http.Request {
	s.Helper()
	text, ok := body.(string)
	if !ok {
		encoded, err := json.Marshal(body)
		if err != nil {
			s.Fatal(err)
		}
		text = string(encoded)
	}
	r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", s.key)
	return r
}

// send answers. Whatever the answer is, it is Kraken's form.
func (s *shop) send(r *http.Request) reply {
	s.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	out := reply{TB: s.TB, status: w.Code, header: w.Header(), body: w.Body.String()}
	if err := json.Unmarshal(w.Body.Bytes(), &out.Response); err != nil {
		s.Fatalf("status %d with %q: %v", w.Code, out.body, err)
	}
	return out
}

// want fails unless the answer has the status, and these codes as its errors.
func (r reply) want(status int, codes ...string) reply {
	r.Helper()
	var got []string
	for _, err := range r.Errors {
		code := ""
		if err.Extensions != nil {
			code = err.Extensions.Code
		}
		got = append(got, code)
	}
	if r.status != status || strings.Join(got, " ") != strings.Join(codes, " ") {
		r.Fatalf("status %d with %q, want %d with %q: %s", r.status, got, status, codes, r.body)
	}
	return r
}

// wantData fails unless the answer is this.
func (r reply) wantData(data string) {
	r.Helper()
	if r.want(http.StatusOK); string(r.Data) != data {
		r.Fatalf("the data are %s, want %s", r.Data, data)
	}
}

// sessions are those of the network, newest first.
func (s *shop) sessions() []tracker.BookedSession {
	s.Helper()
	all, _, err := s.books.FindSessions(s.Context(), "acme", tracker.SessionFilter{}, tracker.Page{})
	if err != nil {
		s.Fatal(err)
	}
	return all
}
