package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var errDisk = errors.New("the disk says no")

// faults decides what the segments' files answer.
type faults struct {
	mu    sync.Mutex
	write func(p []byte) error
	sync  func() error
}

func (f *faults) set(write func([]byte) error, sync func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.write, f.sync = write, sync
}

func (f *faults) hooks() (write func([]byte) error, sync func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write, f.sync
}

func (f *faults) wrap(inner file) file { return &faultyFile{inner, f} }

type faultyFile struct {
	file
	faults *faults
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if write, _ := f.faults.hooks(); write != nil {
		if err := write(p); err != nil {
			n, _ := f.file.WriteAt(p[:len(p)/2], off)
			return n, err
		}
	}
	return f.file.WriteAt(p, off)
}

func (f *faultyFile) Sync() error {
	if _, sync := f.faults.hooks(); sync != nil {
		if err := sync(); err != nil {
			return err
		}
	}
	return f.file.Sync()
}

func fails(err error) func() error { return func() error { return err } }

// TestFailedDiskEndsTheOrigin covers rules J1 and J2.
func TestFailedDiskEndsTheOrigin(t *testing.T) {
	for _, test := range []struct {
		name  string
		write func([]byte) error
		sync  func() error
	}{
		{"fsync", nil, fails(errDisk)},
		{"write", func([]byte) error { return errDisk }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var disk faults
			dir := t.TempDir()
			j := open(t, dir, Options{wrap: disk.wrap, retry: 20 * time.Millisecond})
			first := live(t, j)
			put(t, j, payload(1, 100), payload(2, 100))

			disk.set(test.write, test.sync)
			ticket, err := j.Append(payload(3, 100))
			if err != nil {
				t.Fatal(err)
			}
			if err := ticket.Wait(patience); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errDisk) {
				t.Fatalf("the ticket of a failed batch: %v", err)
			}
			if _, err := j.Append(payload(4, 100)); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("without an origin: %v", err)
			}
			if _, ok := j.Live(); ok || !j.Stats().Failed {
				t.Fatal("the origin lives on")
			}

			disk.set(nil, nil)
			until(t, "a new origin", func() bool { _, ok := j.Live(); return ok })
			second := live(t, j)
			if second == first {
				t.Fatal("the origin was used on")
			}
			put(t, j, payload(4, 100))
			if s := state(t, j, first); s.Durable != 2 || s.Live || s.Unreadable != 0 {
				t.Fatalf("ended origin: %+v", s)
			}
			if got := readAll(t, j, first, 0, 1<<20); len(got) != 2 {
				t.Fatalf("%d records of the ended origin are read", len(got))
			}
			if got := readAll(t, j, second, 0, 1<<20); len(got) != 1 || got[0].Seq != 1 {
				t.Fatalf("new origin: %v", got)
			}
			if err := j.Truncate(first, 2); err != nil {
				t.Fatal(err)
			}
			if got := j.Origins(); len(got) != 1 || got[0] != second {
				t.Fatalf("origins %v", got)
			}
		})
	}
}

func TestQueueFailsWithTheBatchBefore(t *testing.T) {
	var disk faults
	entered, proceed := make(chan struct{}), make(chan struct{})
	j := open(t, t.TempDir(), Options{wrap: disk.wrap})
	put(t, j, payload(1, 100))
	disk.set(nil, func() error { close(entered); <-proceed; return errDisk })
	failing, err := j.Append(payload(2, 100))
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	queued, err := j.Append(payload(3, 100))
	if err != nil {
		t.Fatal(err)
	}
	if err := queued.Wait(0); !errors.Is(err, ErrLate) {
		t.Fatalf("looking at a queued record: %v", err)
	}
	disk.set(nil, nil)
	close(proceed)
	for _, ticket := range []Ticket{failing, queued} {
		if err := ticket.Wait(patience); !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
	}
	if q := j.Stats().Queued; q != 0 {
		t.Errorf("%d bytes queued", q)
	}
}

func TestAnOriginWithoutPromisesLeavesNothing(t *testing.T) {
	var disk faults
	j := open(t, t.TempDir(), Options{wrap: disk.wrap, retry: 10 * time.Millisecond})
	first := live(t, j)
	var attempts atomic.Int32
	disk.set(nil, func() error { attempts.Add(1); return errDisk })
	ticket, err := j.Append(payload(1, 100))
	if err != nil {
		t.Fatal(err)
	}
	if err := ticket.Wait(patience); !errors.Is(err, errDisk) {
		t.Fatalf("got %v", err)
	}
	until(t, "the empty origin to go", func() bool {
		_, err := os.Stat(filepath.Join(j.dir, "origins", first))
		return errors.Is(err, fs.ErrNotExist)
	})
	until(t, "a few attempts", func() bool { return attempts.Load() > 3 })
	disk.set(nil, nil)
	until(t, "a new origin", func() bool { _, ok := j.Live(); return ok })
	if entries, err := os.ReadDir(filepath.Join(j.dir, "origins")); err != nil || len(entries) != 1 {
		t.Fatalf("folders %v, %v", entries, err)
	}
	if got, want := j.Stats().Bytes, onDisk(t, j.dir); got != want {
		t.Fatalf("%d bytes by the account, %d on disk", got, want)
	}
}

// TestARemovedOrCutFileIsAFailedFsync covers rule J5: another process took the origin for an abandoned one.
func TestARemovedOrCutFileIsAFailedFsync(t *testing.T) {
	for name, harm := range map[string]func(segment string) error{
		"removed": func(segment string) error { return os.RemoveAll(filepath.Dir(segment)) },
		"cut":     func(segment string) error { return os.Truncate(segment, 500) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, Options{retry: 10 * time.Millisecond})
			first := live(t, j)
			for i := range 10 {
				put(t, j, payload(i+1, 100))
			}
			if err := harm(segmentPath(filepath.Join(dir, "origins", first), 1)); err != nil {
				t.Fatal(err)
			}
			ticket, err := j.Append(payload(11, 100))
			if err != nil {
				t.Fatal(err)
			}
			if err := ticket.Wait(patience); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "somebody has "+name) {
				t.Fatalf("got %v", err)
			}
			until(t, "a new origin", func() bool { _, ok := j.Live(); return ok })
			put(t, j, payload(11, 100))
			if name == "removed" {
				if _, err := j.Read(first, 0, 1<<20); !errors.Is(err, ErrGone) {
					t.Errorf("reading what may be put back: %v", err)
				}
				if n := j.Stats().Waiting; n != 1 {
					t.Errorf("%d origins are said to wait", n)
				}
			} else {
				entries := readAll(t, j, first, 0, 1<<20)
				if len(entries) != 10 {
					t.Fatalf("%d entries stand for ten confirmed records", len(entries))
				}
				if _, lost := lostFrom(entries[9]); !lost {
					t.Error("a record that is gone is no tombstone")
				}
			}
			if err := j.Truncate(first, 10); err != nil {
				t.Fatal(err)
			}
			if got, want := j.Stats().Bytes, onDisk(t, dir); got != want {
				t.Errorf("%d bytes by the account, %d on disk", got, want)
			}
		})
	}
}

// TestALockThatDoesNotWorkLosesNothing has two journals on one folder, as on a shared volume without locks.
func TestALockThatDoesNotWorkLosesNothing(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, Options{retry: 10 * time.Millisecond})
	origin := live(t, first)
	put(t, first, payload(1, 100), payload(2, 100))
	if err := os.Remove(filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir, Options{})
	if got := readAll(t, second, origin, 0, 1<<20); len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
	path := segmentPath(filepath.Join(dir, "origins", origin), 1)
	before, err := os.Stat(path)
	if err != nil || before.Size() != firstSegment {
		t.Fatalf("the segment that is being written was cut to %d, %v", before.Size(), err)
	}
	n := 2
	until(t, "the file's time to move on", func() bool {
		n++
		put(t, first, payload(n, 100))
		info, err := os.Stat(path)
		return err == nil && info.ModTime().After(before.ModTime())
	})
	if err := second.Truncate(origin, 2); !errors.Is(err, errChanged) {
		t.Fatalf("removing what the other one has added to: %v", err)
	}
	if got := readAll(t, second, origin, 2, 1<<20); len(got) != n-2 {
		t.Fatalf("%d records were added, %d are read", n-2, len(got))
	}
	if err := second.Truncate(origin, uint64(n)); err != nil {
		t.Fatal(err)
	}
	ticket, err := first.Append(payload(n+1, 100))
	if err != nil {
		t.Fatal(err)
	}
	if err := ticket.Wait(patience); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("a promise in a file that is gone: %v", err)
	}
	until(t, "a new origin", func() bool { _, ok := first.Live(); return ok })
	put(t, first, payload(n+1, 100))
}

func TestQueueIsBounded(t *testing.T) {
	var disk faults
	entered, proceed := make(chan struct{}, 100), make(chan struct{})
	j := open(t, t.TempDir(), Options{wrap: disk.wrap, QueueBytes: 10 << 10})
	disk.set(nil, func() error { entered <- struct{}{}; <-proceed; return nil })
	var tickets []Ticket
	for {
		ticket, err := j.Append(payload(len(tickets), 1000))
		if errors.Is(err, ErrQueueFull) {
			break
		}
		if err != nil || len(tickets) > 10 {
			t.Fatalf("after %d records: %v", len(tickets), err)
		}
		tickets = append(tickets, ticket)
	}
	<-entered
	if q := j.Stats().Queued; q > 10<<10 || q < 9<<10 {
		t.Errorf("%d bytes queued", q)
	}
	if err := tickets[0].Wait(time.Millisecond); !errors.Is(err, ErrLate) {
		t.Errorf("got %v", err)
	}
	close(proceed)
	for _, ticket := range tickets {
		if err := ticket.Wait(patience); err != nil {
			t.Fatal(err)
		}
	}
	put(t, j, payload(1, 1000))
	if s := state(t, j, live(t, j)); s.Durable != uint64(len(tickets))+1 {
		t.Errorf("%+v after %d tickets", s, len(tickets))
	}
}

func TestFullDiskWhileMakingRoomIsHarmless(t *testing.T) {
	var disk faults
	j := open(t, t.TempDir(), Options{wrap: disk.wrap, SegmentBytes: 8 << 10, retry: 300 * time.Millisecond})
	origin := live(t, j)
	full := &fs.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC}
	disk.set(func(p []byte) error {
		if len(bytes.Trim(p, "\x00")) == 0 {
			return full
		}
		return nil
	}, nil)
	durable := uint64(0)
	appendOne := func() error {
		ticket, err := j.Append(payload(int(durable)+1, 1000))
		if err == nil {
			err = ticket.Wait(patience)
		}
		if err == nil {
			durable++
		}
		return err
	}
	for {
		err := appendOne()
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil || durable > 100 {
			t.Fatalf("after %d records: %v", durable, err)
		}
	}
	if durable == 0 {
		t.Fatal("the segment that was there was not used")
	}
	if _, err := j.Append(payload(1, 1000)); !errors.Is(err, ErrFull) || !j.Stats().Full {
		t.Fatalf("a moment later: %v", err)
	}
	disk.set(nil, nil)
	until(t, "room", func() bool { return appendOne() == nil })
	for range 20 {
		if err := appendOne(); err != nil {
			t.Fatal(err)
		}
	}
	if live(t, j) != origin {
		t.Error("a full disk ended the origin")
	}
	if s := state(t, j, origin); s.Durable != durable || s.Unreadable != 0 {
		t.Errorf("%d confirmed, %+v", durable, s)
	}
	readAll(t, j, origin, 0, 1<<20)
}

func TestOpenOnAFullDiskWaitsForRoom(t *testing.T) {
	var disk faults
	dir := t.TempDir()
	j := open(t, dir, Options{})
	old := live(t, j)
	put(t, j, payload(1, 100))
	closeJournal(t, j)

	disk.set(func([]byte) error { return syscall.ENOSPC }, nil)
	j = open(t, dir, Options{wrap: disk.wrap, retry: 10 * time.Millisecond})
	if _, err := j.Append(payload(2, 100)); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	if got := readAll(t, j, old, 0, 1000); len(got) != 1 {
		t.Fatalf("the old origin has %d records", len(got))
	}
	disk.set(nil, nil)
	until(t, "an origin", func() bool { _, ok := j.Live(); return ok })
	put(t, j, payload(2, 100))
}

func TestOpenFailsWhereNothingCanBeMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if j, err := Open(filepath.Join(path, "journal"), Options{}); err == nil {
		j.Close()
		t.Fatal("opened below a file")
	}
}

func TestSizeOfARecord(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 1 << 10})
	for _, p := range [][]byte{nil, make([]byte, tracker.MaxRecord+1)} {
		if _, err := j.Append(p); !errors.Is(err, ErrSize) {
			t.Errorf("%d bytes: %v", len(p), err)
		}
	}
	// A record may be larger than a segment, and hold nothing but zeros.
	big := make([]byte, tracker.MaxRecord)
	put(t, j, big, payload(2, 10), big)
	got := readAll(t, j, live(t, j), 0, 10)
	if len(got) != 3 || !bytes.Equal(got[0].Payload, big) || !bytes.Equal(got[2].Payload, big) {
		t.Fatalf("%d records", len(got))
	}
}
