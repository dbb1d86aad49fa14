// Package sqlitetest opens real books for the tests of what works on them.
package sqlitetest

import (
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Open opens an empty ledger, which is closed when the test ends.
func Open(t testing.TB) *ledger.Ledger {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "ledger.db"))
}

func openAt(t testing.TB, path string) *ledger.Ledger {
	t.Helper()
	Place(t, path)
	l, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Books are a ledger whose clock stands until a test moves it, with keys for its networks and tokens for their visitors.
type Books struct {
	*ledger.Ledger
	Path   string // of the ledger's file
	Sealer *tracker.Sealer

	t   testing.TB
	now atomic.Pointer[time.Time]
}

// OpenBooks opens empty books at that time.
func OpenBooks(t testing.TB, now time.Time) *Books {
	t.Helper()
	sealer, err := tracker.NewSealer([]string{strings.Repeat("secret", 8)})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	b := &Books{Ledger: openAt(t, path), Path: path, Sealer: sealer, t: t}
	b.At(now)
	b.SetClock(b.Now)
	return b
}

// Now tells the time.
func (b *Books) Now() time.Time { return *b.now.Load() }

// At sets the clock.
func (b *Books) At(now time.Time) { b.now.Store(&now) }

// Pass lets the clock go on.
func (b *Books) Pass(d time.Duration) { b.At(b.Now().Add(d)) }

// NewKey makes a key with a rate that no test reaches, and returns its text.
func (b *Books) NewKey(network string, scopes ...tracker.Scope) string {
	b.t.Helper()
	return b.NewSlowKey(network, tracker.MaxRate, scopes...)
}

// NewSlowKey makes a key with a rate, in requests per second, and returns its text.
func (b *Books) NewSlowKey(network string, rate int, scopes ...tracker.Scope) string {
	b.t.Helper()
	key, text := tracker.NewKey(network, "test", scopes, rate, b.Now())
	if err := b.CreateKey(b.t.Context(), key); err != nil {
		b.t.Fatal(err)
	}
	return text
}

// OpenToken opens the token of a visitor of the network.
func (b *Books) OpenToken(network, text string) (tracker.Token, bool) {
	token, err := b.Sealer.Open(network, text)
	return token, err == nil
}

// SealToken seals a token of its network.
func (b *Books) SealToken(token tracker.Token) (string, bool) {
	text, err := b.Sealer.Seal(token)
	return text, err == nil
}
