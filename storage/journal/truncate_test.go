package journal

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// onDisk sums up the sizes of all segments under dir.
func onDisk(t testing.TB, dir string) int64 {
	t.Helper()
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.Name() == "damaged" {
			return fs.SkipDir
		}
		if err != nil || filepath.Ext(path) != suffix && d.Name() != "spare" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestTruncateForgetsWholeSettledSegments(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 8 << 10})
	origin := live(t, j)
	for i := range 50 {
		put(t, j, payload(i+1, 1000))
	}
	before := state(t, j, origin)
	for settled := uint64(0); settled <= 60; settled++ {
		if err := j.Truncate(origin, settled); err != nil {
			t.Fatal(err)
		}
		s := state(t, j, origin)
		if s.Base > settled || s.Durable != 50 || s.Unreadable != 0 {
			t.Fatalf("settled %d: %+v", settled, s)
		}
		if got := readAll(t, j, origin, s.Base, 1<<20); uint64(len(got)) != 50-s.Base || len(got) > 0 && got[0].Seq != s.Base+1 {
			t.Fatalf("settled %d: %d records above %d", settled, len(got), s.Base)
		}
	}
	s := state(t, j, origin)
	if s.Base == 0 || s.Base == 50 || s.Bytes >= before.Bytes/2 {
		t.Fatalf("all settled, and of a live origin there is %+v", s)
	}
	if err := j.Truncate(origin, 1); err != nil || state(t, j, origin) != s {
		t.Fatalf("a lower mark: %v, %+v", err, state(t, j, origin))
	}
	put(t, j, payload(51, 1000))

	// The ledger fell back below base: one tombstone stands for what is gone.
	got := readAll(t, j, origin, 3, 1<<20)
	if from, ok := lostFrom(got[0]); !ok || from != "4" || got[0].Seq != s.Base || got[1].Seq != s.Base+1 {
		t.Fatalf("below base: %v", got[0])
	}
	if got, err := j.Read(origin, math.MaxUint64, 10); err != nil || len(got) != 0 {
		t.Fatalf("above everything: %v, %v", got, err)
	}
	closeJournal(t, j)

	j = open(t, dir, Options{})
	if again := state(t, j, origin); again.Base != s.Base || again.Durable != 51 {
		t.Fatalf("reopened: %+v, was %+v", again, s)
	}
}

func TestAnOldOriginGoesWhenItsHighestIsSettled(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	old := live(t, j)
	put(t, j, payload(1, 100), payload(2, 100))
	if err := j.Truncate(old, 2); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, j, old, 0, 100); len(got) != 2 {
		t.Fatal("the live segment was truncated")
	}
	closeJournal(t, j)
	j = open(t, dir, Options{})
	if err := j.Truncate(old, 1); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, j, old, 0, 100); len(got) != 2 {
		t.Fatal("unsettled records were truncated")
	}
	for range 2 {
		if err := j.Truncate(old, 2); err != nil {
			t.Fatal(err)
		}
	}
	if got := j.Origins(); len(got) != 1 || got[0] != live(t, j) {
		t.Fatalf("origins %v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "origins", old)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("its folder: %v", err)
	}
	if _, err := j.State(old); !errors.Is(err, ErrNoOrigin) {
		t.Fatalf("its state: %v", err)
	}
	if _, err := j.Read(old, 0, 1); !errors.Is(err, ErrNoOrigin) {
		t.Fatalf("reading it: %v", err)
	}
}

func TestTheCapRefusesAndTruncatingHelps(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 32 << 10, MaxBytes: 256 << 10}
	j := open(t, dir, o)
	fill := func() (n uint64) {
		t.Helper()
		for {
			ticket, err := j.Append(payload(1, 1000))
			if errors.Is(err, ErrFull) {
				return n
			}
			if err == nil {
				err = ticket.Wait(patience)
			}
			if err != nil {
				t.Fatal(err)
			}
			if size := onDisk(t, dir); size > o.MaxBytes {
				t.Fatalf("%d bytes on disk", size)
			}
			n++
		}
	}
	first := live(t, j)
	n := fill()
	if n < 200 {
		t.Fatalf("full after %d KB", n)
	}
	if s := j.Stats(); !s.Full || s.Bytes != onDisk(t, dir) {
		t.Fatalf("%+v with %d bytes on disk", s, onDisk(t, dir))
	}
	if err := j.Truncate(first, n); err != nil {
		t.Fatal(err)
	}
	more := fill()
	if more < 100 {
		t.Fatalf("room for %d KB after truncating", more)
	}
	if live(t, j) != first {
		t.Fatal("the cap ended the origin")
	}
	if s := state(t, j, first); s.Durable != n+more {
		t.Fatalf("%+v", s)
	}
	closeJournal(t, j)

	// Opened at the cap there is no room for an origin until the old one is settled.
	j = open(t, dir, o)
	if _, ok := j.Live(); ok {
		t.Fatal("an origin was begun beyond the cap")
	}
	if _, err := j.Append(payload(1, 1000)); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	if got := readAll(t, j, first, n, 1<<20); uint64(len(got)) != more {
		t.Fatalf("%d records", len(got))
	}
	if err := j.Truncate(first, n+more); err != nil {
		t.Fatal(err)
	}
	until(t, "an origin", func() bool { _, ok := j.Live(); return ok })
	put(t, j, payload(1, 1000))
}

func TestEmptyOriginsDoNotPileUp(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		closeJournal(t, open(t, dir, Options{}))
	}
	stray := filepath.Join(dir, "origins", "019b0000-0000-7000-8000-000000000000")
	if err := os.Mkdir(stray, 0o700); err != nil { // a crash before its first segment
		t.Fatal(err)
	}
	j := open(t, dir, Options{})
	if entries, err := os.ReadDir(filepath.Join(dir, "origins")); err != nil || len(entries) != 1 {
		t.Fatalf("%d folders, %v", len(entries), err)
	}
	if got := j.Origins(); len(got) != 1 {
		t.Fatalf("origins %v", got)
	}
}

// TestKilledProcessesLeaveNoZeros opens copies of a running journal's folder, as a killed process leaves it.
func TestKilledProcessesLeaveNoZeros(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 1 << 20})
	origin := live(t, j)
	for i := range 700 {
		put(t, j, payload(i+1, 1000))
	}
	until(t, "the spare", func() bool { _, err := os.Stat(filepath.Join(dir, "spare")); return err == nil })

	left := copyDir(t, dir)
	quieten(t, left, origin)
	j = open(t, left, Options{SegmentBytes: 64 << 10})
	if s := state(t, j, origin); s.Durable != 700 || s.Unreadable != 0 || s.Bytes != 700*(headerSize+1000) {
		t.Fatalf("%+v", s)
	}
	if got, want := j.Stats().Bytes, onDisk(t, left); got != want {
		t.Fatalf("%d bytes by the account, %d on disk", got, want)
	}
	if _, err := os.Stat(filepath.Join(left, "spare")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the spare: %v", err)
	}
	if got := readAll(t, j, origin, 0, 1<<16); len(got) != 700 {
		t.Fatalf("%d records", len(got))
	}
}

// copyDir copies a journal's folder.
func copyDir(t testing.TB, dir string) string {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dst, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return dst
}

// quieten makes an origin's segments look as if nobody had written to them for a while.
func quieten(t testing.TB, dir, origin string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "origins", origin, "*"))
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	for _, path := range paths {
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASegmentThatChangesUnderUsIsNotRemoved(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	old := live(t, j)
	put(t, j, payload(1, 100))
	closeJournal(t, j)
	j = open(t, dir, Options{})
	state(t, j, old)

	path := segmentPath(filepath.Join(dir, "origins", old), 1)
	frames := appendFrame(nil, payload(2, 100))
	stamp(frames, old, 2, 1<<20)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(frames); err != nil {
		t.Fatal(err)
	}
	if err := j.Truncate(old, 1); !errors.Is(err, errChanged) {
		t.Fatalf("got %v", err)
	}
	if err := j.Truncate(old, 1); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, j, old, 0, 100); len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
}

func TestLedgerIsPinnedOnce(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	if id := j.LedgerID(); id != "" {
		t.Fatalf("pinned to %q", id)
	}
	for range 2 {
		if err := j.PinLedger("abc"); err != nil {
			t.Fatal(err)
		}
	}
	closeJournal(t, j)
	j = open(t, dir, Options{})
	if id := j.LedgerID(); id != "abc" {
		t.Fatalf("pinned to %q", id)
	}
	if err := j.PinLedger("other"); !errors.Is(err, ErrPinned) {
		t.Fatalf("got %v", err)
	}
}

func TestClosedJournalDoesNothing(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	origin := live(t, j)
	put(t, j, payload(1, 10))
	closeJournal(t, j)
	_, appended := j.Append(payload(2, 10))
	_, read := j.Read(origin, 0, 10)
	_, looked := j.State(origin)
	for what, err := range map[string]error{
		"append": appended, "read": read, "state": looked, "truncate": j.Truncate(origin, 1), "pin": j.PinLedger("x"),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestCloseFinishesTheQueue(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	origin := live(t, j)
	var tickets []Ticket
	for i := range 200 {
		ticket, err := j.Append(payload(i+1, 100))
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	closeJournal(t, j)
	for _, ticket := range tickets {
		if err := ticket.Wait(0); err != nil {
			t.Fatal(err)
		}
	}
	if size := onDisk(t, dir); size != int64(200*(headerSize+100)) {
		t.Errorf("%d bytes on disk", size)
	}
	j = open(t, dir, Options{})
	if s := state(t, j, origin); s.Durable != 200 {
		t.Errorf("%+v", s)
	}
}

func TestCommittedWakesTheReader(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	for i := range 3 {
		put(t, j, payload(i, 10))
		select {
		case <-j.Committed():
		case <-time.After(patience):
			t.Fatal("not woken")
		}
	}
}
