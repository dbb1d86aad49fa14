//go:build unix

package model_test

import (
	"os"
	"strconv"
	"testing"
	"testing/cryptotest"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// twin is another copy of the edge's process, with a disk of its own.
type twin struct {
	edge   *edge
	disk   disk
	shared string // the origin that both write
	apart  bool   // from now on each has its own clicks
}

// A process goes on twice, each copy with the memory and the disk of before, as a virtual machine that is resumed twice from one
// snapshot: whatever either has acknowledged from then on is in the ledger in the end, once (E7).
func TestAProcessThatRunsTwice(t *testing.T) {
	server := servers.Redis(t)
	seeds := uint64(0)
	for name, seed := range map[string]string{"the same seeds": "1", "other seeds": "0"} {
		t.Run(name, func(t *testing.T) {
			setFlags(t, map[string]string{
				"rapid.seed": seed, "rapid.checks": strconv.Itoa(check.Times(50, 5_000)), "rapid.steps": "15", "rapid.nofailfile": "true",
			})
			rapid.Check(t, func(r *rapid.T) {
				dir, err := os.MkdirTemp(memory(), "model")
				if err != nil {
					t.Fatal(err)
				}
				defer os.RemoveAll(dir)
				seeds++
				rapid.SyncTest(r, func(r *rapid.T) {
					m := newMachine(r, dir, server, retain)
					defer m.close()
					m.double(func() { cryptotest.SetGlobalRandom(t, seeds) })
					m.runTwice()
				})
			})
		})
	}
}

// double starts the process again, twice: both give their origin the same name, since seed lets chance repeat itself and the
// clock stands still.
func (m *machine) double(seed func()) {
	dir := m.stopEdge()
	m.twin = &twin{disk: m.disk.clone()}
	m.must(os.CopyFS(dir+"twin", os.DirFS(dir)))
	time.Sleep(time.Second) // or the journal waits until it begins an origin
	seed()
	m.startEdge(dir)
	m.twin.shared = m.edge.live
	seed()
	j, err := journal.Open(dir+"twin", journal.Options{SegmentBytes: segmentBytes})
	m.must(err)
	live, _ := j.Live()
	if live != m.edge.live {
		m.t.Fatalf("the processes write %s and %s", m.edge.live, live)
	}
	m.twin.disk[live] = &written{rotten: map[uint64]bool{}}
	e := &edge{dir: dir + "twin", journal: j, live: live}
	e.relay, e.line = m.openRelay()
	e.shipper = forward.NewShipper(j, e.relay, quiet)
	m.twin.edge = e
}

// swap gives the other copy its turn.
func (m *machine) swap() {
	if m.twin != nil {
		m.edge, m.twin.edge = m.twin.edge, m.edge
		m.disk, m.twin.disk = m.twin.disk, m.disk
	}
}

// both does something in each copy.
func (m *machine) both(do func()) {
	do()
	if m.twin != nil {
		m.swap()
		do()
		m.swap()
	}
}

// mirror lets the other copy remember a record too, as long as there is but one process.
func (m *machine) mirror(s tracker.Session) {
	if m.twin == nil || m.twin.apart {
		return
	}
	ticket, err := m.twin.edge.journal.Append(s.AppendRecord(nil))
	m.must(err)
	m.must(ticket.Wait(time.Minute))
	m.twin.disk[m.twin.shared].last++
}

// runTwice lets one process work, then two, and then everything come home.
func (m *machine) runTwice() {
	for range rapid.IntRange(0, 4).Draw(m.t, "common steps") {
		m.work()
		m.swap()
	}
	m.twin.apart = true
	actions := map[string]func(*rapid.T){"": func(*rapid.T) { m.check() }}
	add := func(name string, times int, do ...func()) {
		for i := range times {
			actions[name+strconv.Itoa(i)] = func(*rapid.T) { do[rapid.IntRange(0, len(do)-1).Draw(m.t, name)]() }
		}
	}
	add("work", 4, func() { m.work(); m.swap() })
	add("other", 1, m.swap)
	add("time", 2, m.wait, m.mark)
	add("kill", 1, m.crashKnowing, m.killHub)
	add("ledger", 1, m.backUp, m.fallBack)
	add("redis", 1, m.late)
	m.t.Repeat(actions)
	m.settle()
}

// crashKnowing kills the process once it knows that it is a copy. One that is killed before it asked Redis again cannot know.
func (m *machine) crashKnowing() {
	if m.edge.live != m.twin.shared {
		m.crash()
	}
}
