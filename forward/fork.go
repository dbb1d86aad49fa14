package forward

import (
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
	s.log.Error(forkText, "origin", name, "durable", state.Durable, "in_redis", p.stream.Last, "cursor", p.cursor)
	forks.Inc()
	if err := s.journal.Disown(name); err != nil {
		return false, err
	}
	s.wake()
	return true, nil
}

const forkText = "this process is a copy of one that goes on elsewhere, and both write the same origin; what this one has of it moves to another"

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
