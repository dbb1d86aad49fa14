//go:build unix

package journal

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAppendDoesNotWaitForThePin pins on a disk that takes its time: a pipe that nobody reads is in the file's place.
func TestAppendDoesNotWaitForThePin(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	pipe := filepath.Join(dir, "ledger_id.new")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- j.PinLedger("a") }()
	until(t, "the pin to begin", func() bool {
		idle := j.pinning.TryLock()
		if idle {
			j.pinning.Unlock()
		}
		return !idle
	})
	put(t, j, payload(1, 100))
	if id := j.LedgerID(); id != "" {
		t.Errorf("pinned to %q before it was written", id)
	}
	f, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Fatal("a pipe was fsynced")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	if err := j.PinLedger("a"); err != nil || j.LedgerID() != "a" {
		t.Fatalf("%q, %v", j.LedgerID(), err)
	}
}
