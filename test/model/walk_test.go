//go:build unix

package model_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// Walks that chance hardly takes: each is the way to what one rule is for.

// walk makes one run, of these steps, without a fault but those that they name; then everything has to come home.
func walk(t *testing.T, steps func(*machine)) {
	t.Helper()
	server := servers.Redis(t)
	setFlags(t, map[string]string{"rapid.checks": "1", "rapid.nofailfile": "true", "rapid.shrinktime": "1ms"})
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(memory(), "model")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		rapid.SyncTest(r, func(r *rapid.T) {
			m := newMachine(r, dir, server, retain)
			defer m.close()
			m.calm = true
			steps(m)
			m.check()
			m.settle()
		})
	})
}

// days is that many clicks, so far apart that the journal forgets the older ones; at some of them something is done.
func (m *machine) days(clicks int, at map[int]func()) {
	for n := 1; n <= clicks; n++ {
		m.click(1, true)
		m.round()
		if do := at[n]; do != nil {
			do()
		}
		time.Sleep(retain / 8)
	}
	m.round()
}

// A live stream's reset comes late, when the process is gone, its disk is an older copy, and only Redis has what came since: it
// must not take that away (E3).
func TestALateResetTakesNothingAway(t *testing.T) {
	walk(t, func(m *machine) {
		m.click(2, true)
		m.ship()
		m.photograph()
		m.click(3, true)
		m.ship()
		m.must(m.redis.XDel(ctx, key(m.edge.live, "events"), "4-0").Err())
		time.Sleep(time.Minute) // until the edge announces its origin, and asks
		m.edge.line.disturb(isHeld, 3)
		for range 4 {
			time.Sleep(2 * time.Second)
			_ = m.edge.shipper.Step(ctx)
		}
		m.edge.line.calm()
		if len(m.held) != 1 {
			m.t.Fatalf("%d calls are held up, want the reset", len(m.held))
		}
		m.click(2, true)
		time.Sleep(2 * time.Second)
		m.ship()

		m.must(os.RemoveAll(m.stopEdge()))
		m.disk = m.images[0].disk
		m.startEdge(m.images[0].dir)
		m.excuse()
		for _, r := range m.records {
			if r.excused {
				m.t.Fatalf("click %d is not in Redis", r.n)
			}
		}
		m.must(deliver(m.server.Addr, m.held[0]))
	})
}

// The ledger comes back older than anything that the journal has, the edge reports what is missing as lost, and before a hub
// reads that, another copy of the ledger takes its place, which is not as old: only the part that it lacks is lost (L3).
func TestALostRangeThatTheLedgerHasInPart(t *testing.T) {
	walk(t, func(m *machine) {
		m.days(24, map[int]func(){2: m.backUp, 5: m.backUp})
		state, err := m.edge.journal.State(m.edge.live)
		m.must(err)
		if state.Base <= 5 {
			m.t.Fatalf("the journal has forgotten only up to %d", state.Base)
		}
		h := m.hubs[0]
		m.tooFar = true
		for _, older := range m.backups {
			m.must(putBack(m.admin, older.path))
			m.excuse()
			if older == m.backups[0] {
				m.must(h.pass())
				time.Sleep(time.Minute) // until the edge asks
				m.ship()
			}
		}
		m.must(h.step())
		row, err := m.books.Origin(ctx, m.edge.live)
		m.must(err)
		if row.Lost != state.Base-5 || row.Applied != row.Cursor-row.Lost {
			m.t.Fatalf("%d are booked as lost and %d as applied; the ledger had 5 of the %d that the journal has no longer",
				row.Lost, row.Applied, state.Base)
		}
	})
}

// Two copies of a process give the same number to two clicks each. One's are applied; the other finds out although it has as
// many, and has them in the ledger too, with what came before where that is still to be kept (E7).
func TestACopyThatIsAsLong(t *testing.T) {
	walk(t, func(m *machine) {
		m.double(func() { cryptotest.SetGlobalRandom(t, 1<<32) })
		m.click(3, true)
		m.ship()
		m.twin.apart = true
		m.both(func() { m.click(2, true) })
		m.ship()
		h := m.hubs[0]
		m.must(h.pass())
		m.must(h.step())
		m.swap()
		var log strings.Builder
		m.edge.shipper = forward.NewShipper(m.edge.journal, m.edge.relay, slog.New(slog.NewTextHandler(&log, nil)))
		for range 3 {
			m.ship()
		}
		if m.edge.live == m.twin.shared {
			m.t.Fatal("the other copy goes on with the origin")
		}
		if strings.Count(log.String(), "level=ERROR") != 1 || !strings.Contains(log.String(), "this process is a copy") {
			m.t.Fatalf("it should be said once, as an error; the log is %q", log.String())
		}
		m.swap()
		m.ship()
		if m.edge.live != m.twin.shared {
			m.t.Fatal("both gave the origin up")
		}
	})
}

// A copy whose disk does not take the note that it is one sends nothing behind the other's records meanwhile, however often it
// asks and whatever it has recorded since (E7).
func TestACopyThatCannotNoteIt(t *testing.T) {
	walk(t, func(m *machine) {
		m.double(func() { cryptotest.SetGlobalRandom(t, 1<<34) })
		m.click(3, true)
		m.ship()
		m.twin.apart = true
		m.both(func() { m.click(2, true) })
		m.ship()
		m.swap()
		inTheWay := filepath.Join(m.edge.dir, "origins", m.twin.shared, "disowned.new")
		m.must(os.Mkdir(inTheWay, 0o700))
		for i := range 3 {
			if err := m.edge.shipper.Step(ctx); err == nil && i == 0 {
				m.t.Fatal("the note should fail")
			}
			m.follow()
			m.click(1, true) // before it is time to poll again
		}
		m.must(os.Remove(inTheWay))
	})
}

// A copy that wakes up when the other has had more than it ever wrote settled asks before it forgets anything: a number that is
// settled is not its own (E7).
func TestACopyThatSleptForDays(t *testing.T) {
	walk(t, func(m *machine) {
		m.double(func() { cryptotest.SetGlobalRandom(t, 1<<33) })
		m.click(1, true)
		m.ship()
		m.twin.apart = true
		asleep := m.twin
		m.twin = nil
		m.days(30, nil)
		m.twin = asleep
		m.swap()
		m.click(20, true)
		state, err := m.edge.journal.State(m.edge.live)
		m.must(err)
		settled, err := m.redis.HGet(ctx, key(m.edge.live, "cursor"), "settled").Uint64()
		m.must(err)
		if settled < 10 || state.Base > 0 {
			m.t.Fatalf("settled is %d, truncated are %d", settled, state.Base)
		}
	})
}
