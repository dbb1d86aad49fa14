package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lines collects a log that several goroutines write.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// TestTheCapIsLogged meets the cap twice: each time the log says so once, however many clicks are refused, and once when there
// is room again.
func TestTheCapIsLogged(t *testing.T) {
	var log lines
	j := open(t, t.TempDir(), Options{
		MaxBytes: MinBytes, SegmentBytes: 8 << 10, retry: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	origin := live(t, j)
	n := uint64(0)
	for met := 1; met <= 2; met++ {
		for refused := 0; refused < 100; {
			ticket, err := j.Append(payload(int(n)+1, 1000))
			if err == nil {
				err = ticket.Wait(patience)
			}
			switch {
			case err == nil:
				n++
			case errors.Is(err, ErrFull):
				refused++
			default:
				t.Fatal(err)
			}
		}
		until(t, "the log to say that the cap is met", func() bool { return log.count("the journal has no room") == met })
		time.Sleep(30 * time.Millisecond) // three looks of the keeper
		if got := log.count("\n"); got != 2*met-1 {
			t.Errorf("the log has %d lines when the cap is met for time %d:\n%s", got, met, &log.text)
		}
		if err := j.Truncate(origin, n); err != nil {
			t.Fatal(err)
		}
		until(t, "the log to say that there is room", func() bool { return log.count("the journal has room again") == met })
		put(t, j, payload(int(n)+1, 1000))
		n++
	}
	if got := log.count("\n"); got != 4 {
		t.Errorf("the log has %d lines:\n%s", got, &log.text)
	}
}

// TestTheSmallestJournalHoldsTheLargestRecord has no use for a cap that lets nothing in.
func TestTheSmallestJournalHoldsTheLargestRecord(t *testing.T) {
	j := open(t, t.TempDir(), Options{MaxBytes: MinBytes})
	put(t, j, make([]byte, maxFrame-headerSize))
}

// TestAFullDiskIsLoggedOnce has a disk without room, which the journal tries once a second.
func TestAFullDiskIsLoggedOnce(t *testing.T) {
	var log lines
	var disk faults
	j := open(t, t.TempDir(), Options{
		SegmentBytes: 8 << 10, retry: 10 * time.Millisecond, wrap: disk.wrap, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	full := &fs.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC}
	disk.set(func(p []byte) error {
		if len(bytes.Trim(p, "\x00")) == 0 {
			return full
		}
		return nil
	}, nil)
	appendOne := func() error {
		ticket, err := j.Append(payload(1, 1000))
		if err == nil {
			err = ticket.Wait(patience)
		}
		return err
	}
	for deadline := time.Now().Add(2*retryInterval + retryInterval/2); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err := appendOne(); err != nil && !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
	if said, again := log.count("the journal has no room"), log.count("room again"); said != 1 || again != 0 {
		t.Errorf("the log says %d times that there is no room, and %d times that there is some:\n%s", said, again, &log.text)
	}
	disk.set(nil, nil)
	until(t, "the log to say that there is room", func() bool {
		_ = appendOne() // which finds it out
		return log.count("room again") == 1
	})
}
