package journal

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOneOriginThatCannotBeReadStopsNoOther puts a folder where a segment was: it can be listed, and not be read.
func TestOneOriginThatCannotBeReadStopsNoOther(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for range 3 {
		j := open(t, dir, Options{})
		names = append(names, live(t, j))
		put(t, j, payload(1, 100), payload(2, 100))
		closeJournal(t, j)
	}
	bad := names[1]
	path := segmentPath(filepath.Join(dir, "origins", bad), 1)
	if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}

	var log strings.Builder
	j := open(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), bad) {
		t.Errorf("the log does not name the origin: %s", &log)
	}
	put(t, j, payload(1, 100))
	if got := j.Origins(); len(got) != 4 {
		t.Fatalf("origins %v", got)
	}
	if _, err := j.State(bad); !errors.Is(err, errNoFile) {
		t.Errorf("state: %v", err)
	}
	if _, err := j.Read(bad, 0, 100); !errors.Is(err, errNoFile) {
		t.Errorf("read: %v", err)
	}
	if err := j.Truncate(bad, 2); !errors.Is(err, errNoFile) {
		t.Errorf("truncate: %v", err)
	}
	for _, good := range []string{names[0], names[2]} {
		if got := readAll(t, j, good, 0, 1000); len(got) != 2 {
			t.Errorf("%d records of %s", len(got), good)
		}
		if err := j.Truncate(good, 2); err != nil {
			t.Error(err)
		}
	}

	// The disk gives it back.
	if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, j, bad, 0, 1000); len(got) != 2 {
		t.Errorf("%d records came back", len(got))
	}
	if got, want := j.Stats().Bytes, onDisk(t, dir); got != want {
		t.Errorf("%d bytes by the account, %d on disk", got, want)
	}
	if err := j.Truncate(bad, 2); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "origins", bad)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the settled origin's folder: %v", err)
	}
}

// TestAnEmptyOriginThatCannotBeReadStays has a segment that fails only when its bytes are read.
func TestAnEmptyOriginThatCannotBeReadStays(t *testing.T) {
	dir, name := written(t, 2, 100, Options{})
	o, err := oldOrigin(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	path := o.segments[0].path
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if empty, err := o.adopt(); empty || err == nil {
		t.Fatalf("empty %v, %v", empty, err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
}

// TestCloseDoesNotWaitForAScan begins to read an origin that takes seconds.
func TestCloseDoesNotWaitForAScan(t *testing.T) {
	dir, name := written(t, 2, 100, Options{})
	huge := segmentPath(filepath.Join(dir, "origins", name), 3)
	if err := errors.Join(os.WriteFile(huge, nil, 0o600), os.Truncate(huge, 4<<30)); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir, Options{MaxBytes: 1 << 40})
	o := j.origins[name]
	done := make(chan error)
	go func() { _, err := j.State(name); done <- err }()
	until(t, "the scan to begin", func() bool {
		idle := o.reading.TryLock()
		if idle {
			o.reading.Unlock()
		}
		return !idle
	})
	closeJournal(t, j)
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Fatalf("the scan ended with %v", err)
	}
	j = open(t, dir, Options{MaxBytes: 1 << 40})
	if err := os.Truncate(huge, 0); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, j, name, 0, 1000); len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
}

func TestPinnedOnce(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	results := make(chan error)
	for _, id := range []string{"a", "b", "a", "b"} {
		go func() { results <- j.PinLedger(id) }()
	}
	refused := 0
	for range 4 {
		if err := <-results; errors.Is(err, ErrPinned) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if refused != 2 {
		t.Errorf("%d of four were refused, of whom two agree", refused)
	}
	b, err := os.ReadFile(filepath.Join(dir, "ledger_id"))
	if err != nil || strings.TrimSpace(string(b)) != j.LedgerID() {
		t.Errorf("%q on disk, %q in memory, %v", b, j.LedgerID(), err)
	}
}

func TestRoomy(t *testing.T) {
	j := open(t, t.TempDir(), Options{MaxBytes: 256 << 10, SegmentBytes: 16 << 10, retry: 10 * time.Millisecond})
	name := live(t, j)
	if !j.Roomy() {
		t.Fatal("an empty journal is not roomy")
	}
	size := int64(1000 + headerSize)
	n := int64(0)
	for ; j.Roomy(); n++ {
		put(t, j, payload(int(n)+1, 1000))
	}
	if taken := n * size; taken < 192<<10-2*size || taken > 192<<10+2*size {
		t.Fatalf("not roomy with %d bytes of %d", taken, 256<<10)
	}
	put(t, j, payload(int(n)+1, 1000)) // there is room for those that matter
	if err := j.Truncate(name, 100); err != nil {
		t.Fatal(err)
	}
	if !j.Roomy() {
		t.Error("not roomy after a hundred records were given back")
	}
}

func TestAFullDiskIsNotRoomy(t *testing.T) {
	full := &fs.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC}
	var disk faults
	j := open(t, t.TempDir(), Options{wrap: disk.wrap, SegmentBytes: 8 << 10, retry: 10 * time.Millisecond})
	disk.set(func(p []byte) error {
		if p[0] == 0 && len(p) > headerSize && p[headerSize] == 0 {
			return full
		}
		return nil
	}, nil)
	n := 0
	until(t, "the disk to refuse", func() bool { n++; put(t, j, payload(n, 1000)); return !j.Roomy() || n > 6 })
	until(t, "the disk's refusal", func() bool { return !j.Roomy() })
	time.Sleep(retryInterval + 100*time.Millisecond)
	if j.Roomy() {
		t.Error("roomy again though the disk refuses still")
	}
	disk.set(nil, nil)
	until(t, "room", j.Roomy)
}
