package ledgertest

import (
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

var markTests = []test{
	{"settled is the cursor nine marks back", testSettled},
	{"a jump of the clock is worth one mark", testClockForward},
	{"a clock set back does not stop the marks", testClockBack},
}

const every = 3 * time.Hour

func writeMark(t *testing.T, l *ledger.Ledger, now time.Time, every time.Duration, want bool) {
	t.Helper()
	wrote, err := l.WriteMark(t.Context(), now, every)
	if err != nil {
		t.Fatal(err)
	}
	if wrote != want {
		t.Fatalf("a mark at %v was written: %v, want %v", now, wrote, want)
	}
}

func wantSettled(t *testing.T, l *ledger.Ledger, want map[string]uint64) {
	t.Helper()
	got, err := l.Settled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Fatalf("settled is %v, want %v", got, want)
	}
}

// testSettled gives one origin ten records per mark until mark 20, and another, later one, a single record.
func testSettled(t *testing.T, db Database) {
	l, busy, late := open(t, db), newOrigin(), newOrigin()
	now := epoch
	for n := 1; n <= 35; n++ {
		if n <= 20 {
			apply(t, l, busy, Sessions(uint64(n-1)*10+1, 10))
		}
		if n == 15 {
			apply(t, l, late, Sessions(1, 1))
		}
		writeMark(t, l, now, every, true)
		want := map[string]uint64{}
		if n > 9 {
			want[busy] = uint64(min(n-9, 20)) * 10
		}
		if n >= 15+9 {
			want[late] = 1
		}
		wantSettled(t, l, want)
		writeMark(t, l, now.Add(every-time.Millisecond), every, false)
		now = now.Add(every)
	}
	apply(t, l, late, Sessions(2, 1)) // an origin that moves again after all of it had settled
	for n := range 10 {
		writeMark(t, l, now, every, true)
		now = now.Add(every)
		settled := uint64(1)
		if n == 9 {
			settled = 2
		}
		wantSettled(t, l, map[string]uint64{busy: 200, late: settled})
	}
}

func testOneMark(t *testing.T, db Database) {
	hubs := make([]*ledger.Ledger, 4)
	for i := range hubs {
		hubs[i] = open(t, db)
	}
	now := epoch
	for range 5 {
		var written atomic.Int32
		var working sync.WaitGroup
		for _, l := range hubs {
			working.Go(func() {
				wrote, err := l.WriteMark(t.Context(), now, every)
				if err != nil {
					t.Error(err)
				}
				if wrote {
					written.Add(1)
				}
			})
		}
		working.Wait()
		if n := written.Load(); n != 1 {
			t.Fatalf("%d hubs wrote a mark at %v", n, now)
		}
		now = now.Add(every)
	}
}

func testClockForward(t *testing.T, db Database) {
	l, other, origin := open(t, db), open(t, db), newOrigin()
	apply(t, l, origin, Sessions(1, 5))
	writeMark(t, l, epoch, every, true)
	writeMark(t, other, epoch.AddDate(1, 0, 0), every, true)
	for m := range 60 {
		writeMark(t, l, epoch.AddDate(1, 0, 0).Add(time.Duration(m)*time.Minute), every, false)
		writeMark(t, other, epoch.AddDate(1, 0, 0).Add(time.Duration(m)*time.Minute), every, false)
	}
	wantSettled(t, l, map[string]uint64{})
}

func testClockBack(t *testing.T, db Database) {
	l := open(t, db)
	writeMark(t, l, epoch.AddDate(1, 0, 0), every, true)
	writeMark(t, l, epoch, every, false)
	writeMark(t, l, epoch.Add(every/2), every, false)
	writeMark(t, l, epoch.Add(every), every, true)
	writeMark(t, l, epoch.Add(every/2), every, false) // a little behind is no wrong clock
	writeMark(t, l, epoch.Add(2*every), every, true)
}
