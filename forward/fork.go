package forward

import (
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// A process may come to run twice, as a virtual machine that was resumed from a snapshot with its memory does. Both copies
// then write the same origin, each on its own disk, and give the same numbers to different records (E7). Whoever finds the
// other's record at the stream's end gives the origin up: it is disowned, and all that this disk still has of it moves to an
// origin of its own. What the ledger had already it drops by the sessions' own ids.

// record is a record's number and the id of its session or conversion.
type record struct {
	seq uint64
	id  string
}

// forked reports whether what was told of the stream shows that another copy of this process writes it, and disowns it then.
func (s *Shipper) forked(name string, p *position) (bool, error) {
	state, err := s.journal.State(name)
	if err != nil || state.Disowned {
		return state.Disowned, err
	}
	foreign := p.beyond(state)
	if !foreign {
		if foreign, err = s.others(name, p, state); err != nil || !foreign {
			return false, err
		}
	}
	if !p.forked {
		p.forked = true
		forks.Inc()
		s.log.Error("this process is a copy of one that goes on elsewhere, and both write the same origin; what this one has of it moves to another",
			"origin", name, "durable", state.Durable, "in_redis", p.stream.Last, "cursor", p.cursor)
	}
	if err := s.journal.Disown(name); err != nil {
		return false, err
	}
	s.wake()
	return true, nil
}

// beyond reports whether stream or ledger have more of the live origin than this process has written. What stands there must
// be an edge's: after a stranger's entry the stream is only broken.
func (p *position) beyond(state journal.State) bool {
	if !p.live {
		return false // an older copy of the disk, whose process is gone, has less too
	}
	st := p.stream
	edges := st.End.Genuine || st.Len == 0 && !p.broken(state.Base)
	return p.cursor > int64(state.Durable) || st.Last > state.Durable && st.Last < strangerID && edges
}

// others reports whether the record at the stream's end has the number of one on this disk and is another.
func (s *Shipper) others(name string, p *position, state journal.State) (bool, error) {
	told := record{p.stream.Last, p.stream.End.ID}
	if told.id == "" || told == p.end || told.seq <= state.Base || told.seq > state.Durable {
		return false, nil
	}
	entries, err := s.journal.Read(name, told.seq-1, 1)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	if own := tracker.RecordID(entries[0].Payload); own != "" && own != told.id { // "": it cannot be read any more
		return true, nil
	}
	p.end = told
	return false, nil
}

// move appends what this disk still has of a disowned origin to the live one, a part at a time so that other origins have
// their turn, and forgets it where it stood.
func (s *Shipper) move(name string, p *position, state journal.State) error {
	p.live = false
	if live, ok := s.journal.Live(); !ok || live == name {
		return s.journal.Disown(name) // it was marked, and no more
	}
	p.moved = max(p.moved, state.Base)
	entries, err := s.journal.Read(name, p.moved, shipBytes)
	if err != nil {
		return err
	}
	if err := s.appendAgain(entries); err != nil {
		return err
	}
	if n := len(entries); n > 0 {
		p.moved = entries[n-1].Seq
		moved.Add(float64(n))
		s.wake()
	}
	return s.journal.Truncate(name, p.moved)
}

// appendAgain returns nil when the records are durable under their new numbers.
func (s *Shipper) appendAgain(entries []tracker.Entry) error {
	tickets := make([]journal.Ticket, len(entries))
	for i, e := range entries {
		payload := e.Payload
		if r, err := tracker.DecodeRecord(payload); err == nil && r.Kind() == tracker.KindLost {
			payload = tracker.AppendLost(nil, 0, r.Get(tracker.FieldReason)) // the numbers that it names are of the old origin
		}
		var err error
		if tickets[i], err = s.journal.Append(payload); err != nil {
			return err
		}
	}
	for _, t := range tickets {
		if err := t.Wait(movePatience); err != nil {
			return err
		}
	}
	return nil
}

// movePatience is how long a record that moves may take to be durable.
const movePatience = 5 * time.Second
