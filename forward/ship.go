// Package forward moves what the journal holds to where it belongs: ship carries records from the journal into the relay,
// apply carries them from the relay, or straight from the journal, into the ledger. Both follow the relay protocol
// (docs/reliability.md): the journal is the queue, Redis a cache of it that anybody may damage, and only the ledger's row
// decides.
package forward

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	announceEvery = 30 * time.Second       // E2
	pollEvery     = time.Second            // while records are not applied (E)
	shipRetry     = 250 * time.Millisecond // after a call that failed
	shipBytes     = 256 << 10              // records of one call
	shipLeast     = 8 << 10                // of one call to a Redis that has little room
	shipPace      = 20 * time.Millisecond  // between steps, so that a call under load carries hundreds of records
	shipCalls     = 16                     // calls for one origin before the others have their turn
	strangerID    = 1_000_000_000_000      // an id that only an XADD * makes (E4)
)

// unknown is a cursor that nobody has told yet.
const unknown = -1

// Shipper keeps the relay's streams equal to the journal, one loop for all origins on this disk, live or old.
type Shipper struct {
	// OwnLedger says that this node keeps the ledger itself, which pins the journal; the relay's word is then only compared.
	OwnLedger bool

	journal *journal.Journal
	relay   *relay.Relay
	log     *slog.Logger
	origins map[string]*position
	again   chan struct{}
	policy  time.Time   // when the eviction policy is to be read again
	halted  string      // why nothing is shipped, "" when it is
	bytes   int         // of the next call: less while Redis is full, since a call itself takes up room in it
	foreign atomic.Bool // the relay serves another ledger than this journal's (L5)
	failing bool        // the last call failed; logged once
}

// position is what the shipper believes of one origin's stream. After a start it believes nothing (E1).
type position struct {
	stream    relay.Answer
	polled    bool  // stream was told by the relay
	cursor    int64 // the ledger's, or unknown
	live      bool
	end       record // the stream's last as it was told when it was found to be this disk's
	tombstone uint64 // the number under which the range that this disk no longer has was reported lost (L3)
	announced time.Time
	due       time.Time // the next poll
}

// NewShipper returns a shipper; Run starts it.
func NewShipper(j *journal.Journal, r *relay.Relay, log *slog.Logger) *Shipper {
	return &Shipper{journal: j, relay: r, log: log, origins: map[string]*position{}, again: make(chan struct{}, 1), bytes: shipBytes}
}

// Run ships until ctx ends. An unreachable Redis is tried again for ever; the journal holds everything meanwhile.
func (s *Shipper) Run(ctx context.Context) {
	ticker := time.NewTicker(shipRetry)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.journal.Committed():
		case <-s.again:
		case <-ticker.C:
		}
		err := s.Step(ctx)
		s.report(err)
		switch {
		case err != nil:
			pause(ctx, shipRetry) // not with every batch of the journal
		case len(s.again) == 0:
			pause(ctx, shipPace)
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Drain makes a last effort to ship what is due, until ctx ends.
func (s *Shipper) Drain(ctx context.Context) { s.report(s.Step(ctx)) }

// report logs the first failure of a row of failures, and its end.
func (s *Shipper) report(err error) {
	switch {
	case err == nil && s.failing:
		s.failing = false
		s.log.Info("shipping to redis again")
	case err != nil && !s.failing && !errors.Is(err, context.Canceled):
		s.failing = true
		s.log.Error("shipping to redis fails; the journal keeps every record until it works again", "error", err)
	}
	relayUp.Set(boolGauge(!s.failing && s.halted == ""))
}

// localError is an error of this disk, which concerns one origin only; after any other the relay is not asked again.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

func local(err error) error {
	if err == nil {
		return nil
	}
	return localError{err}
}

// Step brings every origin as far as it gets now. It returns the first error. After one of the relay nothing more is tried.
func (s *Shipper) Step(ctx context.Context) error {
	if err := s.checkPolicy(ctx); err != nil {
		return err
	}
	if s.halted != "" {
		return nil
	}
	names := s.journal.Origins()
	s.forget(names)
	var first error
	for _, name := range names {
		err := s.ship(ctx, name)
		if errors.Is(err, journal.ErrNoOrigin) {
			continue // an answer may say that the origin is finished, and it is removed
		}
		if local := (localError{}); err != nil && !errors.As(err, &local) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// checkPolicy refuses a Redis that evicts keys whatever they hold: it would throw the queue away, again and again. One
// that evicts only keys with a time to live leaves a stream alone while it has entries.
func (s *Shipper) checkPolicy(ctx context.Context) error {
	if time.Now().Before(s.policy) {
		return nil
	}
	policy, evicts, err := s.relay.Policy(ctx)
	if err != nil {
		return err
	}
	s.policy = time.Now().Add(announceEvery)
	switch {
	case evicts && s.halted == "":
		s.halted = "redis evicts (" + policy + ")"
		s.log.Error("redis may evict any key, so nothing is shipped to it; set maxmemory-policy noeviction", "maxmemory_policy", policy)
	case !evicts && s.halted != "":
		s.halted = ""
		s.log.Info("redis no longer evicts; shipping")
	}
	if evicts {
		s.policy = time.Now().Add(2 * time.Second)
	}
	return s.checkLedger(ctx)
}

// checkLedger pins the ledger that this journal feeds. Another one in its place knows nothing of what was applied, so
// nothing is truncated for it (L5).
func (s *Shipper) checkLedger(ctx context.Context) error {
	id, _, err := s.relay.LinksVersion(ctx)
	if err != nil || id == "" || s.OwnLedger && s.journal.LedgerID() == "" {
		return err
	}
	foreign, err := Foreign(s.journal, id)
	if was := s.foreign.Swap(foreign); foreign && !was {
		s.log.Error(foreignLedgerText, "ledger_id", id, "pinned", s.journal.LedgerID())
	}
	return err
}

// Foreign reports whether the relay serves another ledger than the one that this journal feeds.
func (s *Shipper) Foreign() bool { return s.foreign.Load() }

const foreignLedgerText = "the journal belongs to another ledger; nothing is deleted from it. If the change is meant, remove the file ledger_id in the journal's folder"

// Foreign pins the ledger's id in the journal, or reports that another one is pinned there.
func Foreign(j *journal.Journal, id string) (bool, error) {
	switch j.LedgerID() {
	case id:
		return false, nil
	case "":
		return false, j.PinLedger(id)
	}
	return true, nil
}

// position returns what is believed of an origin: of a new one that both position and cursor are 0, and nothing else (E1).
func (s *Shipper) position(name string, base uint64) *position {
	live, ok := s.journal.Live()
	p := s.origins[name]
	if p == nil {
		p = &position{cursor: unknown, live: ok && live == name}
		if p.live && base == 0 {
			p.cursor = 0
		}
		s.origins[name] = p
	}
	p.live = p.live && live == name // it may have ended after a failed fsync
	return p
}

// forget drops what is known of origins whose directory is gone.
func (s *Shipper) forget(names []string) {
	if len(s.origins) <= len(names) {
		return
	}
	here := make(map[string]bool, len(names))
	for _, name := range names {
		here[name] = true
	}
	for name := range s.origins {
		if !here[name] {
			delete(s.origins, name)
		}
	}
}

// ship announces the origin, polls where that is due, and appends until nothing more is to be sent.
func (s *Shipper) ship(ctx context.Context, name string) error {
	state, err := s.journal.State(name)
	if err != nil {
		return local(err)
	}
	if state.Disowned {
		more, err := move(s.journal, name)
		if more {
			s.wake()
		}
		return local(err)
	}
	p := s.position(name, state.Base)
	if state.Durable == 0 && p.live {
		return nil // nothing to say yet, and an idle edge leaves no keys behind
	}
	if state.Durable == 0 {
		return local(s.journal.Truncate(name, 0)) // a crash tore its first record: there will never be anything to say
	}
	if time.Since(p.announced) > announceEvery {
		if err := s.relay.Announce(ctx, name); err != nil {
			return err
		}
		p.announced, p.polled = time.Now(), false
	}
	applied := p.cursor >= 0 && uint64(p.cursor) >= state.Durable
	if !p.polled || !applied && time.Now().After(p.due) {
		if err := s.call(ctx, name, p, relay.Call{Origin: name}); err != nil {
			return err
		}
	}
	for range shipCalls {
		call, ok, err := s.next(name, p)
		if err != nil || !ok {
			return err
		}
		if call.Reset || call.Expected == 0 { // whoever emptied the stream may have emptied the list of origins as well
			if err := s.relay.Announce(ctx, name); err != nil {
				return err
			}
		}
		if err := s.call(ctx, name, p, call); err != nil {
			return err
		}
	}
	s.wake()
	return nil
}

// call makes one call and takes its answer over (E4). After an error the stream's end is unknown, so the next call polls (E6).
func (s *Shipper) call(ctx context.Context, name string, p *position, call relay.Call) error {
	call.Old = !p.live
	known := p.cursor
	answer, err := s.relay.Append(ctx, call)
	switch {
	case errors.Is(err, relay.ErrFull):
		s.bytes = max(s.bytes/2, shipLeast)
	case err == nil && len(call.Entries) > 0:
		s.bytes = min(2*s.bytes, shipBytes)
	}
	if err != nil {
		p.polled = false
		return err
	}
	p.stream, p.polled, p.due = answer, true, time.Now().Add(pollEvery)
	if answer.Cursor >= 0 {
		p.cursor = answer.Cursor // down as well as up
	}
	if answer.OK && len(call.Entries) > 0 {
		last := call.Entries[len(call.Entries)-1]
		p.end = record{last.Seq, tracker.RecordID(last.Payload)}
	}
	if forked, err := s.forked(name, p); err != nil || forked {
		p.polled = false // nothing is appended behind what may be the other's before this was judged
		return local(err)
	}
	if answer.OK && call.Reset {
		p.tombstone = 0
		if first := call.Entries[0].Seq; first > uint64(known)+1 {
			p.tombstone = first // it stands for all numbers since the cursor
		}
	}
	if answer.Settled > 0 && !s.foreign.Load() {
		return local(s.journal.Truncate(name, uint64(answer.Settled)))
	}
	return nil
}

// next decides what is to be sent: nothing, the records after the stream's end, or everything above the cursor in place of
// a stream that is broken.
func (s *Shipper) next(name string, p *position) (relay.Call, bool, error) {
	if !p.polled || p.cursor == unknown {
		return relay.Call{}, false, nil // a hub's pass will tell (R5)
	}
	state, err := s.journal.State(name)
	if err != nil || state.Disowned {
		return relay.Call{}, false, local(err)
	}
	call := relay.Call{Origin: name, Expected: p.stream.Last}
	after := p.stream.Last
	broken := p.broken(state.Base)
	if broken {
		call.Reset = true
		after = max(uint64(p.cursor), state.Base)
		if uint64(p.cursor) < state.Base {
			after = uint64(p.cursor) // the journal begins with the tombstone of what it no longer has
		}
	}
	if state.Durable <= after {
		return relay.Call{}, false, nil // E4: for an old origin even last > durable is no error
	}
	call.Entries, err = s.journal.Read(name, after, s.bytes)
	return call, len(call.Entries) > 0, local(err)
}

// broken reports whether the stream is not the unbroken run of records that begins no later than the ledger needs it (E4, L3).
func (p *position) broken(base uint64) bool {
	k := max(uint64(p.cursor), base)
	st := p.stream
	switch {
	case st.Last < k, st.Last >= strangerID:
		return true
	case st.Len == 0:
		return st.Last > k || uint64(p.cursor) < base && p.tombstone != base
	case st.First > k+1, st.Len != st.Last-st.First+1:
		return true
	}
	return uint64(p.cursor) < base && st.First > uint64(p.cursor)+1 && st.First != p.tombstone
}

// wake makes Run take another step at once.
func (s *Shipper) wake() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}
