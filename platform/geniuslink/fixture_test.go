package geniuslink

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// start is the time of every test.
var start = time.Date(2026, 5, 17, 9, 30, 0, 123e6, time.UTC)

// guid is the one of wire samples. Here it is the programme of a shop.
const guid = "adfa988b01f6490db65b63750f869496"

// shop is a server of the dialect on books of its own.
type shop struct {
	testing.TB
	books   *sqlitetest.Books
	server  *platform.Server
	key     string
	changes int // how often the links were told to have changed
	log     bytes.Buffer
}

func newShop(t testing.TB, strict bool) *shop {
	t.Helper()
	books := sqlitetest.OpenBooks(t, start)
	s := &shop{TB: t, books: books}
	var err error
	s.server, err = New(Options{
		Options: platform.Options{
			LinksChanged: func(context.Context) { s.changes++ }, Strict: strict, Now: books.Now,
			Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		},
		Books:    func() (Books, error) { return books, nil },
		Programs: []Program{{GUID: guid, Name: "Shop", Parameters: []string{"tag", "ascsubtag"}, Hosts: []string{"shop.example"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.key = s.books.NewKey("acme", tracker.ScopeAll)
	return s
}

// pair splits a key's text into what the two header fields take.
func pair(text string) (key, secret string) {
	n := len("aff_") + tracker.KeyIDSize
	return text[:n], text[n+1:]
}

// ask sends a request with the shop's key. Headers are names and values in turn.
func (s *shop) ask(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	key, secret := pair(s.key)
	r.Header.Set("X-Api-Key", key)
	r.Header.Set("X-Api-Secret", secret)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.send(r)
}

func (s *shop) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w
}

// want fails unless the answer has the status and holds the text.
func want(t testing.TB, what string, w *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if w.Code != status || !strings.Contains(w.Body.String(), text) {
		t.Errorf("%s: %d %s, want %d with %s", what, w.Code, w.Body, status, text)
	}
}

// away are books that cannot be reached.
func away() (Books, error) { return nil, errors.New("no ledger") }
