package journal

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// patience is how long these tests wait for what happens sooner or later: longer than any machine stands still.
const patience = time.Minute

func open(t testing.TB, dir string, o Options) *Journal {
	t.Helper()
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func closeJournal(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// payload is a record of its own number, of that size.
func payload(n, size int) []byte {
	p := fmt.Appendf(nil, "record %d ", n)
	for len(p) < size {
		p = append(p, byte('a'+len(p)%26))
	}
	return p
}

func put(t testing.TB, j *Journal, payloads ...[]byte) {
	t.Helper()
	for _, p := range payloads {
		ticket, err := j.Append(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := ticket.Wait(patience); err != nil {
			t.Fatal(err)
		}
	}
}

func state(t testing.TB, j *Journal, origin string) State {
	t.Helper()
	s, err := j.State(origin)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func live(t testing.TB, j *Journal) string {
	t.Helper()
	name, ok := j.Live()
	if !ok {
		t.Fatal("no live origin")
	}
	return name
}

// readAll reads the origin from after to its end, a page at a time, and fails unless the numbers are unbroken.
func readAll(t testing.TB, j *Journal, origin string, after uint64, page int) []tracker.Entry {
	t.Helper()
	var all []tracker.Entry
	for {
		entries, err := j.Read(origin, after, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return all
		}
		for _, e := range entries {
			if e.Seq != after+1 && len(all) > 0 {
				t.Fatalf("entry %d follows %d", e.Seq, after)
			}
			after = e.Seq
			all = append(all, e)
		}
	}
}

// lostFrom returns the tombstone's from, and false for an entry that is none.
func lostFrom(e tracker.Entry) (string, bool) {
	r, err := tracker.DecodeRecord(e.Payload)
	if err != nil || r.Kind() != tracker.KindLost {
		return "", false
	}
	return r.Get(tracker.FieldFrom), true
}

func TestWhatWaitConfirmedIsThereAfterReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	j := open(t, dir, Options{})
	origin := live(t, j)
	for i := range 100 {
		put(t, j, payload(i+1, i*7))
	}
	if got := readAll(t, j, origin, 0, 1000); len(got) != 100 {
		t.Fatalf("live: %d records", len(got))
	}
	closeJournal(t, j)
	closeJournal(t, j)

	j = open(t, dir, Options{})
	if live(t, j) == origin {
		t.Fatal("the origin was opened again")
	}
	for i, e := range readAll(t, j, origin, 0, 1000) {
		if want := payload(i+1, i*7); !bytes.Equal(e.Payload, want) {
			t.Fatalf("record %d: %q", e.Seq, e.Payload)
		}
	}
	if s := state(t, j, origin); s.Base != 0 || s.Durable != 100 || s.Live || s.Unreadable != 0 {
		t.Fatalf("state %+v", s)
	}
}

func TestConcurrentAppendsKeepAnUnbrokenSequence(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 32 << 10})
	origin := live(t, j)
	const workers, each = 32, 100
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				ticket, err := j.Append(payload(w*each+i, 200))
				if err == nil {
					err = ticket.Wait(patience)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	check := func() {
		t.Helper()
		last := make(map[int]int)
		for _, e := range readAll(t, j, origin, 0, 5000) {
			var n int
			if _, err := fmt.Sscanf(string(e.Payload), "record %d ", &n); err != nil {
				t.Fatal(err)
			}
			if before, ok := last[n/each]; ok && n != before+1 {
				t.Fatalf("record %d follows %d of the same appender", n, before)
			}
			last[n/each] = n
		}
		if len(last) != workers {
			t.Fatalf("records of %d appenders", len(last))
		}
	}
	check()
	closeJournal(t, j)
	j = open(t, dir, Options{})
	check()
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
	closeJournal(t, j)
	open(t, dir, Options{})
}
