package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestADisownedOriginEndsAndStaysReadable(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{retry: time.Millisecond})
	mustAppend := func(text string) {
		t.Helper()
		ticket, err := j.Append([]byte(text))
		if err != nil || ticket.Wait(patience) != nil {
			t.Fatal(err)
		}
	}
	mustAppend("before")
	old, _ := j.Live()
	if err := j.Disown(old); err != nil {
		t.Fatal(err)
	}
	live, ok := j.Live()
	if !ok || live == old {
		t.Fatalf("live origin is %q after disowning %q", live, old)
	}
	mustAppend("after")
	for origin, want := range map[string]string{old: "before", live: "after"} {
		entries, err := j.Read(origin, 0, 1<<20)
		if err != nil || len(entries) != 1 || string(entries[0].Payload) != want {
			t.Errorf("origin %s holds %v, %v; want %q", origin, entries, err, want)
		}
	}

	if err := j.Close(); err != nil { // the next process has to know as well
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	for origin, want := range map[string]bool{old: true, live: false} {
		if state, err := j.State(origin); err != nil || state.Disowned != want {
			t.Errorf("origin %s is disowned: %t, %v; want %t", origin, state.Disowned, err, want)
		}
	}
	if err := j.Truncate(old, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "origins", old)); !os.IsNotExist(err) || slices.Contains(j.Origins(), old) {
		t.Errorf("the origin's folder is still there when all of it is settled: %v", err)
	}
}

// A disk that does not take the note is asked again, and meanwhile nobody takes the origin for this process's own.
func TestADisownedOriginThatCannotBeMarked(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{retry: time.Millisecond})
	put(t, j, payload(1, 100))
	old := live(t, j)
	inTheWay := filepath.Join(dir, "origins", old, disownedName+newSuffix)
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := j.Disown(old); err == nil {
			t.Fatal("it says that it has marked the origin")
		}
		if !state(t, j, old).Disowned || live(t, j) == old {
			t.Errorf("the origin is used on: %+v", state(t, j, old))
		}
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := j.Disown(old); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, j)
	if j = open(t, dir, Options{}); !state(t, j, old).Disowned {
		t.Error("the next process does not know")
	}
}

// What has moved does not move again after a restart. A note that the disk has damaged passes nothing over.
func TestWhatHasMovedIsNoted(t *testing.T) {
	for damage, want := range map[string]uint64{"": 2, "3 00000000\n": 0, "none": 0} {
		dir := t.TempDir()
		j := open(t, dir, Options{retry: time.Millisecond})
		put(t, j, payload(1, 100), payload(2, 100), payload(3, 100))
		old := live(t, j)
		if err := errors.Join(j.Disown(old), j.Moved(old, 2)); err != nil {
			t.Fatal(err)
		}
		if s := state(t, j, old); s.Moved != 2 || s.Durable != 3 {
			t.Errorf("after two have moved: %+v", s)
		}
		closeJournal(t, j)
		mark := filepath.Join(dir, "origins", old, disownedName)
		if err := os.WriteFile(mark+newSuffix, nil, 0o600); err != nil { // a process died as it wrote the next
			t.Fatal(err)
		}
		if damage != "" {
			if err := os.WriteFile(mark, []byte(damage), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j = open(t, dir, Options{})
		if s := state(t, j, old); s.Moved != want || !s.Disowned {
			t.Errorf("after a restart with the note %q: %+v, want %d moved", damage, s, want)
		}
		if err := j.Moved(old, 3); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Dir(mark)); !os.IsNotExist(err) {
			t.Errorf("the folder is still there when all has moved: %v", err)
		}
	}
}

// Whoever ships other origins does not wait again for one that there is no room to begin.
func TestDisownWaitsOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := open(t, dir, Options{MaxBytes: MinBytes, SegmentBytes: MinBytes / 4})
		old := live(t, j)
		for n := 1; ; n++ {
			ticket, err := j.Append(payload(n, 1000))
			if errors.Is(err, ErrFull) {
				break
			}
			if err != nil || ticket.Wait(patience) != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 {
			began := time.Now() // of a clock that stands still unless somebody waits
			if err := j.Disown(old); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("without room: %v", err)
			}
			if waited := time.Since(began); i > 0 && waited > 0 {
				t.Errorf("it waits for %v again", waited)
			}
		}
	})
}
