package forward

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	passEvery  = 5 * time.Second        // R5
	adoptEvery = time.Hour              // R6
	lookEvery  = 100 * time.Millisecond // for records in the relay
	applyCount = 2_000                  // records of one transaction
	applyBytes = 1 << 20
)

// Source is where records wait for the ledger: the relay, or the journal itself where no Redis is configured.
type Source interface {
	// Origins lists all origins that may hold records.
	Origins(ctx context.Context) ([]string, error)
	// Read returns the records after that number, in order.
	Read(ctx context.Context, origin string, after uint64) ([]tracker.Entry, error)
	// Applied tells what the ledger has acknowledged: the cursor, and what the journal may forget.
	Applied(ctx context.Context, origin string, cursor, settled uint64) error
	// Pass tells what the ledger says now, which may be less than it said before. It is given a way to ask the ledger, since
	// the order of looking matters (R5).
	Pass(ctx context.Context, origin string, ask func() (cursor, settled uint64, err error)) error
	// Adopt looks for records that nobody announced (R6).
	Adopt(ctx context.Context) error
	// Wake fires when there may be something to read.
	Wake() <-chan struct{}
}

// Applier books what a source holds in the ledger: exactly once, in order per origin, however many of them run (R1–R9).
type Applier struct {
	source Source
	ledger *ledger.Ledger
	retain time.Duration
	log    *slog.Logger
	agents *agents

	cursors map[string]uint64 // as last seen; the ledger's row is asked in each transaction
	settled map[string]uint64
	failing bool
}

// NewApplier returns an applier; Run starts it. retain is how far the ledger may fall back without loss.
func NewApplier(source Source, l *ledger.Ledger, retain time.Duration, log *slog.Logger) (*Applier, error) {
	shared, err := sharedAgents()
	if err != nil {
		return nil, err
	}
	return &Applier{
		source: source, ledger: l, retain: retain, log: log, agents: shared,
		cursors: map[string]uint64{}, settled: map[string]uint64{},
	}, nil
}

// Run applies until ctx ends. An absent ledger or relay is tried again for ever.
func (a *Applier) Run(ctx context.Context) {
	var nextPass, nextAdopt time.Time
	for ctx.Err() == nil {
		if now := time.Now(); now.After(nextPass) {
			nextPass = now.Add(min(passEvery, a.retain/8))
			a.report(a.Pass(ctx))
		}
		if now := time.Now(); now.After(nextAdopt) {
			nextAdopt = now.Add(adoptEvery)
			a.report(a.source.Adopt(ctx))
		}
		more, err := a.Step(ctx)
		a.report(err)
		if more && err == nil {
			continue
		}
		wait := lookEvery
		if err != nil {
			wait = time.Second
		}
		select {
		case <-ctx.Done():
		case <-a.source.Wake():
		case <-time.After(wait):
		}
	}
}

func (a *Applier) report(err error) {
	switch {
	case err == nil && a.failing:
		a.failing = false
		a.log.Info("applying to the ledger again")
	case err != nil && !a.failing && !errors.Is(err, context.Canceled):
		a.failing = true
		a.log.Error("applying to the ledger fails; records wait and are tried again", "error", err)
	}
	applyUp.Set(boolGauge(!a.failing))
}

// Step applies one batch of every origin that has one. It reports whether more may be waiting.
func (a *Applier) Step(ctx context.Context) (bool, error) {
	origins, err := a.source.Origins(ctx)
	if err != nil {
		return false, err
	}
	more := false
	for _, origin := range origins {
		full, err := a.apply(ctx, origin)
		if err != nil {
			return false, err
		}
		more = more || full
	}
	return more, nil
}

// apply books the batch after the cursor. The cursor remembered here is only where to read: the ledger's row, locked in the
// transaction, decides what is dropped and where the contiguous run begins (R1, R2).
func (a *Applier) apply(ctx context.Context, origin string) (bool, error) {
	after, known := a.cursors[origin]
	if !known {
		row, err := a.ledger.Origin(ctx, origin)
		if err != nil {
			return false, err
		}
		after = row.Cursor
		a.cursors[origin] = after
	}
	entries, err := a.source.Read(ctx, origin, after)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	records := make([]ledger.Record, len(entries))
	for i, e := range entries {
		records[i] = a.agents.decode(origin, e)
	}
	began := time.Now()
	done, err := a.ledger.Apply(ctx, origin, records)
	if err != nil {
		delete(a.cursors, origin) // the commit may have happened: ask again (C3)
		return false, err
	}
	a.cursors[origin] = done.Cursor
	a.count(done, records, time.Since(began))
	if done.Cursor == after {
		return false, nil // a hole: the edge will mend it
	}
	return true, a.source.Applied(ctx, origin, done.Cursor, a.settled[origin])
}

func (a *Applier) count(done ledger.Applied, records []ledger.Record, took time.Duration) {
	applyBatches.Inc()
	applySeconds.Observe(took.Seconds())
	applied.Add(float64(done.Sessions))
	repeated.Add(float64(done.Repeated))
	quarantined.Add(float64(done.Quarantined))
	lost.Add(float64(done.Lost))
	if done.Hole {
		holes.Inc()
	}
	if done.Repeated > 0 {
		a.log.Error("a session that the ledger has was offered again under another number", "sessions", done.Repeated)
	}
	if done.Quarantined > 0 || done.Lost > 0 {
		a.log.Error("records could not be applied", "quarantined", done.Quarantined, "lost", done.Lost)
	}
	for i := len(records) - 1; i >= 0; i-- {
		if s := records[i].Session; s != nil && records[i].Seq <= done.Cursor {
			applyLag.Set(time.Since(s.Time).Seconds())
			return
		}
	}
}

// Pass compares every origin's row in the ledger with what the source believes, and corrects the source, down as well as up
// (R5): it heals lost replies, lost keys, crashed hubs and a ledger that came back older.
func (a *Applier) Pass(ctx context.Context) error {
	if _, err := a.ledger.WriteMark(ctx, time.Now(), a.retain/8); err != nil {
		return err
	}
	settled, err := a.ledger.Settled(ctx)
	if err != nil {
		return err
	}
	a.settled = settled
	origins, err := a.source.Origins(ctx)
	if err != nil {
		return err
	}
	clear(a.cursors) // what is no origin any more is forgotten, the rest is read again
	for _, origin := range origins {
		err := a.source.Pass(ctx, origin, func() (uint64, uint64, error) {
			row, err := a.ledger.Origin(ctx, origin)
			if err != nil {
				return 0, 0, err
			}
			a.cursors[origin] = row.Cursor
			return row.Cursor, settled[origin], nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// FromJournal is the source of a node without Redis: the journal itself.
func FromJournal(j *journal.Journal, l *ledger.Ledger, log *slog.Logger) Source {
	return &journalSource{journal: j, ledgerID: l.ID(), log: log}
}

type journalSource struct {
	journal  *journal.Journal
	ledgerID string
	log      *slog.Logger
	warned   sync.Once
}

func (s *journalSource) Origins(context.Context) ([]string, error) { return s.journal.Origins(), nil }
func (s *journalSource) Wake() <-chan struct{}                     { return s.journal.Committed() }
func (s *journalSource) Adopt(context.Context) error               { return nil }

func (s *journalSource) Read(_ context.Context, origin string, after uint64) ([]tracker.Entry, error) {
	return s.journal.Read(origin, after, applyBytes)
}

func (s *journalSource) Applied(_ context.Context, origin string, _, settled uint64) error {
	foreign, err := foreignLedger(s.journal, s.ledgerID)
	if err != nil {
		return err
	}
	if foreign {
		s.warned.Do(func() { s.log.Error(foreignLedgerText, "ledger_id", s.ledgerID, "pinned", s.journal.LedgerID()) })
		return nil
	}
	if settled == 0 {
		return nil
	}
	return s.journal.Truncate(origin, settled)
}

func (s *journalSource) Pass(ctx context.Context, origin string, ask func() (uint64, uint64, error)) error {
	cursor, settled, err := ask()
	if err != nil {
		return err
	}
	return s.Applied(ctx, origin, cursor, settled)
}

// FromRelay is the source of a hub behind Redis: the streams of all edges.
func FromRelay(r *relay.Relay) Source { return &relaySource{relay: r} }

type relaySource struct{ relay *relay.Relay }

func (s *relaySource) Origins(ctx context.Context) ([]string, error) { return s.relay.Origins(ctx) }
func (s *relaySource) Wake() <-chan struct{}                         { return nil }

func (s *relaySource) Adopt(ctx context.Context) error {
	_, err := s.relay.Adopt(ctx)
	return err
}

func (s *relaySource) Read(ctx context.Context, origin string, after uint64) ([]tracker.Entry, error) {
	entries, bad, err := s.relay.Read(ctx, origin, after, applyCount)
	holes.Add(float64(bad))
	return entries, err
}

func (s *relaySource) Applied(ctx context.Context, origin string, cursor, settled uint64) error {
	return s.relay.PublishCommit(ctx, origin, cursor, settled)
}

// Pass looks at the key first, then at the ledger, and publishes by compare-and-set, so that a hub which slept in between
// changes nothing. It writes only where something is to be mended: keys of finished origins must be left to expire (R4, R7).
func (s *relaySource) Pass(ctx context.Context, origin string, ask func() (uint64, uint64, error)) error {
	seen, err := s.relay.Append(ctx, relay.Call{Origin: origin})
	if err != nil {
		return err
	}
	cursor, settled, err := ask()
	if err != nil {
		return err
	}
	if seen.Cursor == int64(cursor) && seen.Settled >= int64(settled) && (seen.Len == 0 || seen.First > cursor) {
		return s.relay.DropParked(ctx, origin, cursor)
	}
	if _, err := s.relay.PublishPass(ctx, origin, seen.Cursor, cursor, settled); err != nil {
		return err
	}
	return s.relay.DropParked(ctx, origin, cursor)
}
