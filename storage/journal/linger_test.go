package journal

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestWhoeverWaitsEndsTheLingering appends records for which nobody waits, until somebody waits for the last.
func TestWhoeverWaitsEndsTheLingering(t *testing.T) {
	var disk faults
	j := open(t, t.TempDir(), Options{wrap: disk.wrap})
	var fsyncs atomic.Int64
	disk.set(nil, func() error { fsyncs.Add(1); return nil })
	j.mu.Lock()
	j.o.Interval = time.Hour
	j.mu.Unlock()
	tickets := make([]Ticket, 3)
	for i := range tickets {
		var err error
		if tickets[i], err = j.Append(payload(i, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tickets[2].Wait(patience); err != nil {
		t.Fatal(err)
	}
	for i, ticket := range tickets {
		if err := ticket.Wait(0); err != nil {
			t.Errorf("record %d of one batch: %v", i+1, err)
		}
	}
	if n := fsyncs.Load(); n != 1 {
		t.Errorf("three records were fsynced %d times", n)
	}
}

func TestWhatNobodyWaitsForBecomesDurable(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	for i := range 3 {
		if _, err := j.Append(payload(i, 100)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "durable records", func() bool { return state(t, j, live(t, j)).Durable == 3 })
}

func TestAFillingQueueEndsTheLingering(t *testing.T) {
	j := open(t, t.TempDir(), Options{QueueBytes: 10 << 10})
	j.mu.Lock()
	j.o.Interval = time.Hour
	j.mu.Unlock()
	for i := range 6 {
		if _, err := j.Append(payload(i, 1<<10)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "durable records", func() bool { return state(t, j, live(t, j)).Durable > 0 })
}
