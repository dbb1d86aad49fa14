package invoca

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var _ Books = (*ledger.Ledger)(nil)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// network is the dialect's server on a real ledger, with a client.
type network struct {
	testing.TB
	books   *sqlitetest.Books
	handler http.Handler
	key     string // of do
	changes atomic.Int64
	log     bytes.Buffer
}

// newNetwork opens one in the network "acme", whose client has a key with all scopes.
func newNetwork(t testing.TB, settings func(*Options)) *network {
	t.Helper()
	books := sqlitetest.OpenBooks(t, now)
	n := &network{TB: t, books: books}
	o := Options{Books: func() (Books, error) { return books, nil }}
	o.LinksChanged = func(context.Context) { n.changes.Add(1) }
	o.Logger = slog.New(slog.NewTextHandler(&n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Now = books.Now
	if settings != nil {
		settings(&o)
	}
	n.handler = New(o)
	n.key = n.books.NewKey("acme", tracker.ScopeAll)
	return n
}

// reply is an answer.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// do sends a request with the network's key. A path that begins with no slash is one of the network's.
func (n *network) do(method, path, body string) reply {
	n.Helper()
	return n.send(n.request(method, path, body))
}

func (n *network) request(method, path, body string) *http.Request {
	if !strings.HasPrefix(path, "/") {
		path = prefix + "acme/" + path
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if n.key != "" {
		r.Header.Set("Authorization", n.key)
	}
	return r
}

func (n *network) send(r *http.Request) reply {
	w := httptest.NewRecorder()
	n.handler.ServeHTTP(w, r)
	return reply{n.TB, w.Code, w.Header(), w.Body.String()}
}

// want fails unless the answer has the status, and each of the texts.
func (r reply) want(status int, texts ...string) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			r.t.Errorf("the answer has no %s: %s", text, r.body)
		}
	}
	return r
}

// wantFields fails unless the answer refuses exactly these fields.
func (r reply) wantFields(errors string) reply {
	r.t.Helper()
	return r.wantBody(http.StatusForbidden, `{"errors":`+errors+`}`)
}

func (r reply) wantBody(status int, body string) reply {
	r.t.Helper()
	if r.want(status); r.body != body {
		r.t.Errorf("the answer is\n%s\nwant\n%s", r.body, body)
	}
	return r
}

// wantClass fails unless the answer is an error of that class.
func (r reply) wantClass(status int, class string) reply {
	r.t.Helper()
	return r.want(status, `{"errors":{"invalid_data":"`, fmt.Sprintf(`","class":%q}}`, class))
}

// link makes a link of an affiliate.
func (n *network) link(affiliate int64) {
	n.Helper()
	if _, err := n.books.CreateLink(n.Context(), "acme", tracker.LinkFields{Code: "busy", AffiliateID: affiliate}); err != nil {
		n.Fatal(err)
	}
}
