package ledgertest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var keyTests = []test{
	{"a key comes back as it was made", testKey},
	{"revoking", testRevokeKey},
	{"its last use is noted to the minute", testKeyUsed},
}

func makeKey(t *testing.T, l *ledger.Ledger, network, name string, at time.Time) tracker.Key {
	t.Helper()
	k, _ := tracker.NewKey(network, name, []tracker.Scope{"links:read", "links:write"}, 7, at)
	if err := l.CreateKey(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	return k
}

func keys(t *testing.T, l *ledger.Ledger, network string) []tracker.Key {
	t.Helper()
	all, err := l.Keys(t.Context(), network)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func testKey(t *testing.T, db Database) {
	l := open(t, db)
	before := version(t, l)
	second := makeKey(t, l, "acme", "second", epoch.Add(time.Hour))
	first := makeKey(t, l, "acme", "first", epoch)
	other := makeKey(t, l, "other", "other", epoch)
	if got := keys(t, l, "acme"); !reflect.DeepEqual(got, []tracker.Key{first, second}) {
		t.Errorf("acme's keys are %+v", got)
	}
	for _, k := range []tracker.Key{first, second, other} {
		if got, err := l.KeyByID(t.Context(), k.ID); err != nil || !reflect.DeepEqual(got, k) {
			t.Errorf("by its id it is %+v (%v), want %+v", got, err, k)
		}
	}
	if _, err := l.KeyByID(t.Context(), "abcdefghijkl"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unknown key: %v", err)
	}
	if err := l.CreateKey(t.Context(), first); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("the same id again: %v", err)
	}
	if len(keys(t, l, "nobody")) > 0 {
		t.Error("a network without keys has some")
	}
	wantUntouched(t, l, before) // no edge needs to know
}

func testRevokeKey(t *testing.T, db Database) {
	l := open(t, db)
	k := makeKey(t, l, "acme", "k", epoch)
	for _, network := range []string{"other", ""} {
		if _, err := l.RevokeKey(t.Context(), network, k.ID); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("from network %q: %v", network, err)
		}
	}
	if got, err := l.KeyByID(t.Context(), k.ID); err != nil || got.RevokedAt != nil {
		t.Errorf("another network has revoked it: %+v, %v", got, err)
	}
	at := epoch.Add(time.Hour)
	l.SetClock(func() time.Time { return at })
	revoked, err := l.RevokeKey(t.Context(), "acme", k.ID)
	k.RevokedAt = &at
	if err != nil || !reflect.DeepEqual(revoked, k) {
		t.Errorf("revoked it is %+v, %v", revoked, err)
	}
	l.SetClock(func() time.Time { return at.Add(time.Hour) })
	if again, err := l.RevokeKey(t.Context(), "acme", k.ID); err != nil || !reflect.DeepEqual(again, k) {
		t.Errorf("revoked again it is %+v, %v", again, err)
	}
	if got := keys(t, l, "acme"); !reflect.DeepEqual(got, []tracker.Key{k}) {
		t.Errorf("the keys are %+v", got)
	}
}

func testKeyUsed(t *testing.T, db Database) {
	l := open(t, db)
	k, unused := makeKey(t, l, "acme", "k", epoch), makeKey(t, l, "acme", "unused", epoch)
	for _, step := range []struct{ at, want time.Duration }{
		{0, 0}, {59 * time.Second, 0}, {time.Minute, 0}, {61 * time.Second, 61 * time.Second}, {30 * time.Second, 61 * time.Second},
	} {
		if err := l.KeyUsed(t.Context(), k.ID, epoch.Add(step.at)); err != nil {
			t.Fatal(err)
		}
		got, err := l.KeyByID(t.Context(), k.ID)
		if err != nil || got.LastUsedAt == nil || !got.LastUsedAt.Equal(epoch.Add(step.want)) {
			t.Errorf("used at %v: %+v, %v", step.at, got, err)
		}
	}
	if got, err := l.KeyByID(t.Context(), unused.ID); err != nil || got.LastUsedAt != nil {
		t.Errorf("the other key is %+v, %v", got, err)
	}
	if err := l.KeyUsed(t.Context(), "abcdefghijkl", epoch); err != nil {
		t.Errorf("an unknown key: %v", err)
	}
}
