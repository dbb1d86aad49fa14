package journal

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestWaitEndsOnTime has a disk that never answers: whoever waits is told so at the end of the time that they gave, to the
// moment, and the record may still become durable.
func TestWaitEndsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk faults
		j := open(t, t.TempDir(), Options{wrap: disk.wrap, SegmentBytes: 8 << 10})
		put(t, j, payload(1, 100))
		proceed := make(chan struct{})
		disk.set(nil, func() error { <-proceed; return nil })
		for _, patience := range []time.Duration{0, time.Millisecond, 25 * time.Millisecond, time.Second} {
			ticket, err := j.Append(payload(2, 100))
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := ticket.Wait(patience); !errors.Is(err, ErrLate) {
				t.Errorf("after %v: %v", patience, err)
			}
			if took := time.Since(began); took != patience {
				t.Errorf("a wait of at most %v took %v", patience, took)
			}
		}
		ticket, err := j.Append(payload(3, 100))
		if err != nil {
			t.Fatal(err)
		}
		close(proceed)
		if err := ticket.Wait(time.Minute); err != nil {
			t.Errorf("when the disk answers: %v", err)
		}
	})
}
