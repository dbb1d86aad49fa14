package forward

import (
	"errors"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// movePatience is how long a record that moves may take to be durable.
const movePatience = 5 * time.Second

// move appends what this disk still has of a disowned origin to the live one, a part at a time so that other origins have
// their turn, and forgets it where it stood. It reports whether it got on, so that more may be there to move.
func move(j *journal.Journal, name string) (more bool, err error) {
	if err := j.Disown(name); err != nil { // no other origin may be live, or the mark is still to be written
		return false, err
	}
	state, err := j.State(name)
	if err != nil {
		return false, err
	}
	to := max(state.Moved, state.Base)
	entries, err := j.Read(name, to, shipBytes)
	if err != nil {
		return false, err
	}
	n, err := appendAgain(j, entries)
	if n > 0 {
		to = entries[n-1].Seq
		moved.Add(float64(n))
	}
	return n > 0, errors.Join(err, j.Moved(name, to))
}

// appendAgain returns how many of the records, from the first on, are durable under their new numbers. Those do not move again
// when the others do: a tombstone has no id by which the ledger would know it.
func appendAgain(j *journal.Journal, entries []tracker.Entry) (n int, err error) {
	tickets := make([]journal.Ticket, 0, len(entries))
	for _, e := range entries {
		ticket, full := j.Append(elsewhere(e.Payload))
		if full != nil {
			err = full
			break
		}
		tickets = append(tickets, ticket)
	}
	for n, ticket := range tickets {
		if err := ticket.Wait(movePatience); err != nil {
			return n, err
		}
	}
	return len(tickets), err
}

// elsewhere returns what stands for a record in another origin. The numbers that a tombstone names are of the old one.
func elsewhere(payload []byte) []byte {
	if r, err := tracker.DecodeRecord(payload); err == nil && r.Kind() == tracker.KindLost {
		return tracker.AppendLost(nil, 0, r.Get(tracker.FieldReason))
	}
	return payload
}
