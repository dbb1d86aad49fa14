//go:build unix

package model_test

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// record is one click.
type record struct {
	n       int // which, counted from 1
	id      tracker.SessionID
	places  []place // more than one when it was appended again
	acked   bool    // promised
	excused bool    // a fault took the last copy
}

// place is a record's origin and number.
type place struct {
	origin string
	seq    uint64
}

// world is what ledger and Redis have at a moment.
type world struct {
	sessions map[tracker.SessionID]int
	rows     map[string]ledger.Origin
	streams  map[string]map[uint64]bool // true records in an origin's streams, parked ones included
}

func (m *machine) look() world {
	w := world{map[tracker.SessionID]int{}, map[string]ledger.Origin{}, map[string]map[uint64]bool{}}
	m.must(m.books.Sessions(ctx, "", 0, func(s ledger.Session) error { w.sessions[s.ID]++; return nil }))
	rows, err := m.books.Origins(ctx)
	m.must(err)
	for _, row := range rows {
		w.rows[row.Name] = row
	}
	if m.server != nil {
		m.lookAtStreams(w)
	}
	return w
}

func (m *machine) lookAtStreams(w world) {
	keys := m.redis.ScanType(ctx, 0, "affiliate:{*}:*", 1000, "stream").Iterator()
	for keys.Next(ctx) {
		origin, _, _ := strings.Cut(strings.TrimPrefix(keys.Val(), "affiliate:{"), "}")
		entries, err := m.redis.XRange(ctx, keys.Val(), "-", "+").Result()
		m.must(err)
		if w.streams[origin] == nil {
			w.streams[origin] = map[uint64]bool{}
		}
		for _, e := range entries {
			if e.Values["crc"] != nil {
				seq, err := strconv.ParseUint(strings.TrimSuffix(e.ID, "-0"), 10, 64)
				m.must(err)
				w.streams[origin][seq] = true
			}
		}
	}
	m.must(keys.Err())
}

// safe reports whether the record is in the ledger, or can still get there: it, and all between the cursor and it, are on
// the disk or in Redis.
func (m *machine) safe(w world, r *record) bool {
	return w.sessions[r.id] > 0 || slices.ContainsFunc(r.places, func(p place) bool { return m.reachable(w, p) })
}

func (m *machine) reachable(w world, p place) bool {
	here := m.disk[p.origin]
	if here != nil && here.rotten[p.seq] || p.seq <= w.rows[p.origin].Cursor {
		return false
	}
	for seq := w.rows[p.origin].Cursor + 1; seq <= p.seq; seq++ {
		if (here == nil || seq > here.last) && !w.streams[p.origin][seq] {
			return false
		}
	}
	return true
}

// excuse is called after a fault that destroys: the records of which it took the last copy are no longer asked for.
func (m *machine) excuse() {
	if m.twin != nil {
		return // a number has two records, and nothing here destroys
	}
	w := m.look()
	if m.tooFar {
		m.miss(w)
	}
	for _, r := range m.records {
		r.excused = r.excused || !m.safe(w, r)
	}
}

// check is what holds at each moment.
func (m *machine) check() {
	w := m.look()
	known := map[tracker.SessionID]bool{}
	for _, r := range m.records {
		known[r.id] = true
		if r.acked && !r.excused && m.twin == nil && !m.safe(w, r) {
			m.t.Fatalf("click %d was acknowledged and is nowhere any more", r.n)
		}
		if w.sessions[r.id] > 1 {
			m.t.Fatalf("click %d is in the ledger %d times", r.n, w.sessions[r.id])
		}
	}
	for id := range w.sessions {
		if !known[id] {
			m.t.Fatal("the ledger has a session that nobody recorded")
		}
	}
	for _, row := range w.rows {
		if row.Cursor != row.Applied+row.Quarantined+row.Lost || row.Quarantined > 0 || row.Repeated > 0 && !m.forked {
			m.t.Fatalf("the books of an origin do not hold: %d = %d applied + %d quarantined + %d lost, %d repeated",
				row.Cursor, row.Applied, row.Quarantined, row.Lost, row.Repeated)
		}
	}
}

// rounds is how many rounds without a fault everything may take to come home.
const rounds = 12

// settle lets everything run without faults, and judges.
func (m *machine) settle() {
	m.calm = true
	for range rounds {
		m.round()
		m.check()
		if m.home() {
			m.judge()
			m.outlive()
			return
		}
	}
	w := m.look()
	for _, r := range m.records {
		if r.acked && !r.excused && w.sessions[r.id] == 0 {
			m.t.Fatalf("click %d is still not in the ledger", r.n)
		}
	}
	m.t.Fatal("the journal still has records above the ledger's cursor")
}

// round is what each process does within half a minute. (The hubs look for what was not announced only once an hour.)
func (m *machine) round() {
	time.Sleep(31 * time.Second)
	m.both(m.ship)
	for _, h := range m.hubs {
		m.try(h.line, h.adopt)
		m.try(h.line, h.pass)
		m.try(h.line, h.step)
	}
}

// home reports whether the ledger has all that can get there.
func (m *machine) home() bool {
	w := m.look()
	waiting := false
	m.both(func() {
		for _, name := range m.edge.journal.Origins() {
			state, err := m.edge.journal.State(name)
			m.must(err)
			waiting = waiting || w.rows[name].Cursor < state.Durable
		}
	})
	return !waiting && !slices.ContainsFunc(m.records, func(r *record) bool { return r.acked && !r.excused && w.sessions[r.id] == 0 })
}

// judge looks at the books when all is home.
func (m *machine) judge() {
	w := m.look()
	var lost, booked, rows uint64
	for _, row := range w.rows {
		lost += row.Lost
		booked += row.Applied - row.Repeated
	}
	if lost > uint64(len(m.rotted)) {
		m.t.Fatalf("%d records were booked as lost, and %d were damaged", lost, len(m.rotted))
	}
	for _, n := range w.sessions {
		rows += uint64(n)
	}
	if booked != rows {
		m.t.Fatalf("%d sessions were applied, and there are %d", booked, rows)
	}
}

// outlive waits until the whole retention has gone by: what is settled goes from the disk, and from Redis.
func (m *machine) outlive() {
	for range 11 {
		time.Sleep(retain / 8)
		m.round()
	}
	m.check()
	m.both(func() {
		if names := m.edge.journal.Origins(); !slices.Equal(names, []string{m.edge.live}) {
			m.t.Fatalf("%d origins are settled and still on the disk", len(names)-1)
		}
	})
	if m.server == nil {
		return
	}
	w := m.look()
	for origin, numbers := range w.streams {
		for seq := range numbers {
			if !m.stuck(w, origin) {
				m.t.Fatalf("number %d is applied (the cursor is %d) and still in Redis", seq, w.rows[origin].Cursor)
			}
		}
	}
}

// stuck reports whether a fault took a record of the origin that what is in Redis must wait for.
func (m *machine) stuck(w world, origin string) bool {
	return !w.streams[origin][w.rows[origin].Cursor+1]
}
