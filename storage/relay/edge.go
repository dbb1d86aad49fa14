package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// ErrCall is returned for entries that no edge may send: numbers with a gap, out of range, or not above what is expected.
var ErrCall = errors.New("entries are not in sequence")

// Call is one request of an edge about one origin's stream.
type Call struct {
	Origin   string
	Expected uint64          // the last number that the stream should have, 0 for none
	Reset    bool            // put the stream away and begin anew with Entries
	Old      bool            // an earlier process wrote this origin: a reset parks the stream instead of deleting it
	Entries  []tracker.Entry // numbered without a gap; none only asks (and never resets)
}

// Answer is where the stream stands after a call.
type Answer struct {
	OK              bool   // the entries were appended: the stream ended as expected
	Last            uint64 // the highest number the stream ever had, trimmed ones included; 0 if there is no stream
	First           uint64 // the lowest number in it, 0 if it is empty
	Len             uint64 // how many entries it has
	Cursor, Settled int64  // the ledger's, as hubs last published them; -1 unknown
	End             End    // of a call that appended nothing: what is known of the record at Last
}

// End is what the relay knows of the last record of a stream.
type End struct {
	Genuine bool   // an edge wrote it: its checksum holds, or a hub has applied it
	ID      string // of its session or conversion; empty where it has none, or nobody knows
}

// Announce makes the origin known to hubs. An edge does it before its first append and every 30 s.
func (r *Relay) Announce(ctx context.Context, origin string) error {
	err := announceScript.Run(ctx, r.client, []string{originsKey}, "announce", origin).Err()
	if err = done("announce", err); err != nil {
		return fmt.Errorf("announcing origin %s: %w", origin, err)
	}
	return nil
}

// Append asks where the origin's stream stands, after appending the call's entries if it ends where the call expects. A
// call without an answer may have been done or be done later; asking again is always right. ErrFull, ErrCall, or the
// client's error.
func (r *Relay) Append(ctx context.Context, c Call) (Answer, error) {
	e := r.encoder.Swap(nil)
	if e == nil { // the first call, or a second one beside another
		e = new(encoder)
	}
	defer r.encoder.Store(e)
	if err := c.encode(e); err != nil {
		return Answer{}, fmt.Errorf("appending to origin %s: %w", c.Origin, err)
	}
	name := strconv.FormatInt(time.Now().UnixMilli(), 10)
	keys := []string{eventsKey(c.Origin), cursorKey(c.Origin), parkedIndex(c.Origin), parkedKey(c.Origin, name)}
	start := time.Now()
	reply, err := appendScript.Run(ctx, r.client, keys, c.Expected, c.mode(), c.age(), name, e.buf).Slice()
	if err = done(c.operation(), err); err != nil {
		if redis.IsOOMError(err) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return Answer{}, fmt.Errorf("appending to origin %s: %w", c.Origin, err)
	}
	a, err := parseAnswer(c.Origin, reply)
	if err != nil {
		return Answer{}, fmt.Errorf("appending to origin %s: %w", c.Origin, err)
	}
	c.count(a, time.Since(start))
	return a, nil
}

func (c Call) mode() string {
	if c.Reset {
		return "reset"
	}
	return "append"
}

func (c Call) age() string {
	if c.Old {
		return "old"
	}
	return "live"
}

// encode writes the call's entries as appendScript takes them.
func (c Call) encode(e *encoder) error {
	e.origin, e.buf = c.Origin, e.buf[:0]
	for i, entry := range c.Entries {
		if entry.Seq != c.Entries[0].Seq+uint64(i) || entry.Seq == 0 || entry.Seq >= maxSeq {
			return fmt.Errorf("%w: %d cannot stand at place %d of a batch", ErrCall, entry.Seq, i)
		}
		e.add(entry)
	}
	if len(c.Entries) > 0 && !c.Reset && c.Entries[0].Seq <= c.Expected {
		return fmt.Errorf("%w: %d does not follow %d", ErrCall, c.Entries[0].Seq, c.Expected)
	}
	return nil
}

// parseAnswer reads what appendScript returned.
func parseAnswer(origin string, reply []any) (a Answer, err error) {
	if len(reply) != 7 {
		return a, fmt.Errorf("the script answered %d values instead of 7", len(reply))
	}
	ok, isInt := reply[0].(int64)
	length, isInt2 := reply[3].(int64)
	if !isInt || !isInt2 {
		return a, fmt.Errorf("the script answered %T and %T instead of two integers", reply[0], reply[3])
	}
	a.OK, a.Len = ok == 1, uint64(length)
	if a.Last, err = strconv.ParseUint(text(reply[1]), 10, 64); err != nil {
		return a, fmt.Errorf("the script's last number: %w", err)
	}
	if a.First, err = strconv.ParseUint(text(reply[2]), 10, 64); err != nil {
		return a, fmt.Errorf("the script's first number: %w", err)
	}
	a.Cursor, a.Settled = position(reply[4]), position(reply[5])
	a.End = parseEnd(origin, a.Last, reply[6])
	return a, nil
}

// parseEnd reads what is known of the record at last: an entry, or its number and its id. What is told of another number
// tells nothing.
func parseEnd(origin string, last uint64, reply any) End {
	id := strconv.FormatUint(last, 10) + "-0"
	if kept, ok := reply.(string); ok {
		of, record, _ := strings.Cut(kept, " ")
		if of != id || record == "" {
			return End{}
		}
		return End{Genuine: true, ID: record}
	}
	list := messages([]any{reply})
	if len(list) == 0 || list[0].id != id {
		return End{}
	}
	entry, ok := decodeEntry(origin, last, list[0].fields)
	return End{Genuine: ok, ID: tracker.RecordID(entry.Payload)}
}

// text is a reply that should be a string, "" for any other.
func text(reply any) string {
	s, _ := reply.(string)
	return s
}

// position is a published number, or -1 for what no hub wrote.
func position(reply any) int64 {
	if n, ok := parseNumber(text(reply)); ok {
		return int64(n)
	}
	return -1
}
