package relay

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Position says from where to read an origin.
type Position struct {
	Origin string
	After  uint64 // the ledger's cursor
}

// Batch is what a read found of one origin.
type Batch struct {
	Origin  string
	Entries []tracker.Entry // in order; a number may be missing
	Holes   int             // entries that did not verify and were removed
	Err     error           // reading this origin failed
}

// ReadAll returns for each origin, in their order and in one round trip, at most count entries after its position, in order,
// each verified. Parked streams fill in where the stream itself has none. Entries that do not verify are deleted, for the edge
// to send the true ones, and counted as holes; reading stops before the first whose place nothing else fills.
func (r *Relay) ReadAll(ctx context.Context, positions []Position, count int) []Batch {
	pipe := r.client.Pipeline()
	streams := make([]*redis.Cmd, len(positions))
	parked := make([]*redis.StringSliceCmd, len(positions))
	for i, p := range positions {
		streams[i] = rangeAfter(ctx, pipe, eventsKey(p.Origin), p.After, count)
		parked[i] = pipe.SMembers(ctx, parkedIndex(p.Origin))
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	batches := make([]Batch, len(positions))
	for i, p := range positions {
		batches[i] = r.read(ctx, p, count, streams[i], parked[i])
	}
	return batches
}

// doer is a client or a pipeline.
type doer interface {
	Do(ctx context.Context, args ...any) *redis.Cmd
}

func rangeAfter(ctx context.Context, c doer, key string, after uint64, count int) *redis.Cmd {
	start := strconv.FormatUint(after+1, 10) + "-0"
	return c.Do(ctx, "XRANGE", key, start, "+", "COUNT", count)
}

// read verifies and merges what was fetched of one origin.
func (r *Relay) read(ctx context.Context, p Position, count int, own *redis.Cmd, parked *redis.StringSliceCmd) Batch {
	b := Batch{Origin: p.Origin}
	fail := func(err error) Batch {
		return Batch{Origin: p.Origin, Err: fmt.Errorf("reading origin %s after %d: %w", p.Origin, p.After, err)}
	}
	if err := done("read", absentIfForeign(own.Err())); err != nil {
		return fail(err)
	}
	if err := done("read", absentIfForeign(parked.Err())); err != nil {
		return fail(err)
	}
	sources := []source{verify(p.Origin, eventsKey(p.Origin), own.Val())}
	for _, name := range parked.Val() {
		key := parkedKey(p.Origin, name)
		reply := rangeAfter(ctx, r.client, key, p.After, count)
		if err := done("read", absentIfForeign(reply.Err())); err != nil {
			return fail(err)
		}
		sources = append(sources, verify(p.Origin, key, reply.Val()))
	}
	for _, s := range sources {
		if len(s.bad) == 0 {
			continue
		}
		b.Holes += len(s.bad)
		if err := done("discard", r.client.XDel(ctx, s.key, s.bad...).Err()); err != nil {
			return fail(err)
		}
	}
	b.Entries = merge(sources, count)
	damagedTotal.Add(float64(b.Holes))
	entriesTotal.WithLabelValues("read").Add(float64(len(b.Entries)))
	return b
}

// source is what one stream holds.
type source struct {
	key  string
	good []tracker.Entry
	bad  []string // ids of the entries that do not verify
	hole []uint64 // the numbers among them that a true entry may have
}

func verify(origin, key string, reply any) source {
	s := source{key: key}
	for _, m := range messages(reply) {
		seq, ok := parseID(m.id)
		if !ok {
			s.bad = append(s.bad, m.id)
			continue
		}
		if entry, ok := decodeEntry(origin, seq, m.fields); ok {
			s.good = append(s.good, entry)
		} else {
			s.bad, s.hole = append(s.bad, m.id), append(s.hole, seq)
		}
	}
	return s
}

// merge unites the sources in order, each number once, up to count entries or the first hole that no source fills.
func merge(sources []source, count int) []tracker.Entry {
	entries := sources[0].good
	var holes []uint64
	for i, s := range sources {
		holes = append(holes, s.hole...)
		if i > 0 {
			entries = append(entries, s.good...)
		}
	}
	if len(sources) > 1 {
		// Stable: of two entries with one number (and so one checksum) the stream's own comes first.
		slices.SortStableFunc(entries, bySeq)
		entries = slices.CompactFunc(entries, func(a, b tracker.Entry) bool { return a.Seq == b.Seq })
	}
	for _, hole := range holes {
		if i, filled := slices.BinarySearchFunc(entries, tracker.Entry{Seq: hole}, bySeq); !filled {
			entries = entries[:i]
		}
	}
	return entries[:min(count, len(entries))]
}

func bySeq(a, b tracker.Entry) int {
	switch {
	case a.Seq < b.Seq:
		return -1
	case a.Seq > b.Seq:
		return 1
	}
	return 0
}

// message is an entry as Redis gives it: go-redis's own type puts the fields into a map, and their order counts.
type message struct {
	id     string
	fields []string
}

// messages reads the answer of XRANGE.
func messages(reply any) []message {
	list, _ := reply.([]any)
	out := make([]message, 0, len(list))
	for _, item := range list {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			continue
		}
		values, _ := pair[1].([]any)
		m := message{id: text(pair[0]), fields: make([]string, len(values))}
		for i, v := range values {
			m.fields[i] = text(v)
		}
		out = append(out, m)
	}
	return out
}
