package journal

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
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
