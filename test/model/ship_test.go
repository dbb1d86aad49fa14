//go:build unix

package model_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// What the machine found once, by itself.

// An answer that says that all of an old origin is settled ends it, and is no failure.
func TestAFinishedOriginEndsQuietly(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	origin, _ := j.Live()
	ticket, err := j.Append(tracker.AppendLost(nil, 1, "a record"))
	if err == nil {
		err = ticket.Wait(time.Minute)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	r := relay.Open(servers.Redis(t).Options())
	t.Cleanup(func() { r.Close() })
	if err := r.PublishCommit(t.Context(), origin, 1, 1); err != nil {
		t.Fatal(err)
	}
	shipped(t, open(t, dir), r)
}

// An origin of which a crash left only a torn record has nothing to say, and goes.
func TestAnOriginWithoutRecordsGoes(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "origins", tracker.NewSessionID(time.Now()).String())
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "00000000000000000001.seg"), []byte("\x00\x00\x00\x09torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := relay.Open(servers.Redis(t).Options())
	t.Cleanup(func() { r.Close() })
	shipped(t, open(t, dir), r)
}

func open(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// shipped fails the test unless a step of the shipper leaves only the live origin.
func shipped(t *testing.T, j *journal.Journal, r *relay.Relay) {
	t.Helper()
	if len(j.Origins()) != 2 {
		t.Fatalf("there are %d origins, want an old one and the live one", len(j.Origins()))
	}
	if err := forward.NewShipper(j, r, quiet).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if live, _ := j.Live(); !slices.Equal(j.Origins(), []string{live}) {
		t.Fatalf("%d origins are left, want the live one", len(j.Origins()))
	}
}
