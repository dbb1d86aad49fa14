//go:build unix

package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAMovedFolderLosesNothing moves the journal's folder away under the open journal, with and without another in its place,
// and back. Nothing that was confirmed is taken for lost, nothing is confirmed meanwhile, and nothing is made in its place.
func TestAMovedFolderLosesNothing(t *testing.T) {
	for name, instead := range map[string]func(dir string) error{
		"nothing in its place":         func(string) error { return nil },
		"another folder in its place":  func(dir string) error { return os.Mkdir(dir, 0o700) },
		"an older copy in its place":   func(dir string) error { return os.CopyFS(dir, os.DirFS(dir+".copy")) },
		"another journal in its place": func(dir string) error { return emptyJournal(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "journal")
			j := open(t, dir, Options{SegmentBytes: 8 << 10, retry: 10 * time.Millisecond})
			first := live(t, j)
			const n = 50
			for i := range n {
				if i == n/2 {
					if err := os.CopyFS(dir+".copy", os.DirFS(dir)); err != nil {
						t.Fatal(err)
					}
				}
				put(t, j, payload(i+1, 1000))
			}
			if err := errors.Join(os.Rename(dir, dir+".away"), instead(dir)); err != nil {
				t.Fatal(err)
			}
			before := listing(t, dir)
			if err := j.Gone(); !errors.Is(err, ErrGone) {
				t.Errorf("the journal says of its folder: %v", err)
			}

			ticket, err := j.Append(payload(n+1, 1000))
			if err != nil {
				t.Fatal(err)
			}
			if err := ticket.Wait(patience); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ErrGone) {
				t.Fatalf("a record in a folder that is not there: %v", err)
			}
			time.Sleep(50 * time.Millisecond) // several attempts to begin another origin
			if _, err := j.Append(payload(n+1, 1000)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("a moment later: %v", err)
			}
			entries, err := j.Read(first, n-1, 1<<20)
			if !errors.Is(err, ErrGone) || len(entries) > 0 {
				t.Errorf("%d records are read, %v", len(entries), err)
			}
			if s := j.Stats(); s.Waiting != 1 || !s.Failed {
				t.Errorf("the journal says of itself: %+v", s)
			}
			if err := j.Truncate(first, n/2); !errors.Is(err, ErrGone) {
				t.Errorf("truncating: %v", err)
			}
			if after := listing(t, dir); after != before {
				t.Errorf("in its place was %q, and is %q", before, after)
			}

			if err := errors.Join(os.RemoveAll(dir), os.Rename(dir+".away", dir)); err != nil {
				t.Fatal(err)
			}
			until(t, "a new origin", func() bool { _, ok := j.Live(); return ok })
			put(t, j, payload(1, 1000))
			if live(t, j) == first {
				t.Error("the origin was used on")
			}
			for i, e := range readAll(t, j, first, 0, 1<<20) {
				if _, lost := lostFrom(e); lost || string(e.Payload) != string(payload(i+1, 1000)) {
					t.Fatalf("record %d is lost", i+1)
				}
			}
			if s := state(t, j, first); s.Durable != n || s.Unreadable != 0 {
				t.Errorf("after it came back: %+v", s)
			}
			if s := j.Stats(); s.Waiting != 0 || s.Failed || j.Gone() != nil {
				t.Errorf("after it came back the journal says: %+v, %v", s, j.Gone())
			}
			closeJournal(t, j)
			j = open(t, dir, Options{})
			if s := state(t, j, first); s.Durable != n+1 || s.Unreadable != 0 { // the one that was not confirmed was written
				t.Errorf("after a restart: %+v", s)
			}
		})
	}
}

// TestAnOldOriginThatIsMovedWaits moves the folder before an earlier process's origin was read for the first time.
func TestAnOldOriginThatIsMovedWaits(t *testing.T) {
	dir, name := written(t, 60, 500, Options{SegmentBytes: 8 << 10})
	j := open(t, dir, Options{})
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := j.Read(name, 0, 1000); !errors.Is(err, ErrGone) {
			t.Errorf("reading: %v", err)
		}
		if _, err := j.State(name); !errors.Is(err, ErrGone) {
			t.Errorf("its state: %v", err)
		}
		if _, err := j.Scrub(t.Context(), name, 0, 60, unplant); !errors.Is(err, ErrGone) {
			t.Errorf("scrubbing: %v", err)
		}
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, j, name, 0, 1<<20); len(got) != 60 {
		t.Errorf("%d records came back", len(got))
	}
	if s := state(t, j, name); s.Unreadable != 0 {
		t.Errorf("%+v", s)
	}
	if got, want := j.Stats().Bytes, onDisk(t, dir); got != want {
		t.Errorf("%d bytes by the account, %d on disk", got, want)
	}
}

// TestASpareThatIsRemovedIsMadeAgain removes the segment that was filled ahead.
func TestASpareThatIsRemovedIsMadeAgain(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 8 << 10, retry: 10 * time.Millisecond})
	n := 0
	failed := 0
	for removed := false; n < 100; n++ {
		if !removed {
			removed = os.Remove(j.sparePath()) == nil
		}
		ticket, err := j.Append(payload(n+1, 1000))
		if err == nil {
			err = ticket.Wait(patience)
		}
		if err != nil {
			failed++
			until(t, "a new origin", func() bool { _, ok := j.Live(); return ok })
		}
	}
	if failed > 0 {
		t.Errorf("%d records failed for one segment that somebody removed", failed)
	}
}

// The spare of another journal, which was mounted at the path meanwhile, is not ours to remove.
func TestClosingLeavesAnothersSpare(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir, Options{})
	if err := errors.Join(os.Rename(dir, dir+".away"), os.Mkdir(dir, 0o700), os.WriteFile(j.sparePath(), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, j)
	if _, err := os.Stat(j.sparePath()); err != nil {
		t.Error(err)
	}
}

func emptyJournal(dir string) error {
	j, err := Open(dir, Options{SegmentBytes: 8 << 10})
	if err != nil {
		return err
	}
	return j.Close()
}

// listing names the files in a folder and all below it.
func listing(t *testing.T, dir string) (names string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names += path + "\n"
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

// BenchmarkLinked prints what the look at the path adds to each fsync.
func BenchmarkLinked(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "segment"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for b.Loop() {
		if err := linked(f, 0); err != nil {
			b.Fatal(err)
		}
	}
}
