package forward

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	passEvery  = 5 * time.Second  // R5
	adoptEvery = time.Hour        // R6
	applyTime  = 30 * time.Second // of one transaction; a ledger's host may vanish without a word
	passTime   = 30 * time.Second
	lookEvery  = 100 * time.Millisecond // for records in the relay
	applyPace  = 40 * time.Millisecond  // between transactions that keep up: fewer of them, and fewer fsyncs beside the journal's
	applyFull  = 1_000                  // a batch from which on there is a backlog, and no pause
	applyYield = 16                     // records after which a request that is due goes first

	stepFailures = 3 // origins that fail before a step gives up
)

// Source is where records wait for the ledger: the relay, or the journal itself where no Redis is configured.
type Source interface {
	// Origins lists all origins that may hold records.
	Origins(ctx context.Context) ([]string, error)
	// Read returns what follows each position, in order; origins with nothing new may be left out. Beside an error it returns
	// what could be read.
	Read(ctx context.Context, after []Position) ([]Batch, error)
	// Applied tells what the ledger has acknowledged of an origin.
	Applied(ctx context.Context, at Standing) error
	// Pass tells what the ledger says now of each origin, which may be less than it said before. It is given a way to ask,
	// since what was told before must be looked at first (R5).
	Pass(ctx context.Context, origins []string, ask func() (map[string]Standing, error)) error
	// Adopt looks for records that nobody announced (R6).
	Adopt(ctx context.Context) error
	// Wake fires when there may be something to read.
	Wake() <-chan struct{}
}

// Position is a place in an origin: the records after that number are wanted.
type Position = relay.Position

// Batch is what a source holds after a position.
type Batch struct {
	Position
	Entries []tracker.Entry
}

// Standing is what the ledger says of an origin: it has everything up to Cursor, and up to Settled the journal may forget.
type Standing struct {
	Origin          string
	Cursor, Settled uint64
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
	failing map[string]bool // by part

	troubles troubles
	lagging  bool // the metric shows a trouble
	most     int  // records in the last step's largest batch
}

// NewApplier returns an applier; Run starts it. retain is how far the ledger may fall back without loss.
func NewApplier(source Source, l *ledger.Ledger, retain time.Duration, log *slog.Logger) (*Applier, error) {
	shared, err := sharedAgents()
	if err != nil {
		return nil, err
	}
	return &Applier{
		source: source, ledger: l, retain: retain, log: log, agents: shared,
		cursors: map[string]uint64{}, settled: map[string]uint64{}, failing: map[string]bool{},
	}, nil
}

// Run applies until ctx ends. An absent ledger or relay is tried again for ever.
func (a *Applier) Run(ctx context.Context) {
	var nextPass, nextAdopt time.Time
	for ctx.Err() == nil {
		if now := time.Now(); now.After(nextPass) {
			nextPass = now.Add(min(passEvery, a.retain/8))
			a.report("comparing cursors", a.Pass(ctx))
		}
		if now := time.Now(); now.After(nextAdopt) {
			nextAdopt = now.Add(adoptEvery)
			a.report("looking for streams", a.source.Adopt(ctx))
		}
		moved, err := a.Step(ctx)
		a.report("applying", err)
		switch {
		case err != nil:
			pause(ctx, time.Second) // whatever comes
		case a.most >= applyFull:
		case moved:
			pause(ctx, applyPace)
		default:
			a.rest(ctx)
		}
	}
}

// rest waits until there may be something to do.
func (a *Applier) rest(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-a.source.Wake():
	case <-time.After(lookEvery):
	}
}

// report logs the first failure of a row of failures of one part, and its end.
func (a *Applier) report(part string, err error) {
	if err == nil {
		a.troubles.end(part)
	} else if !errors.Is(err, context.Canceled) {
		a.troubles.note(part, "", time.Now(), err)
	}
	switch {
	case err == nil && a.failing[part]:
		delete(a.failing, part)
		a.log.Info("records reach the ledger again", "part", part)
	case err != nil && !a.failing[part] && !errors.Is(err, context.Canceled):
		a.failing[part] = true
		a.log.Error("records do not reach the ledger; they wait and are tried again", "part", part, "error", err)
	}
	applyUp.Set(boolGauge(len(a.failing) == 0))
}

// Step applies one batch of every origin that has one. It reports whether any cursor moved, so that more may be waiting. An origin that fails does
// not keep the others waiting, unless several do: then the ledger is away.
func (a *Applier) Step(ctx context.Context) (moved bool, err error) {
	a.most = 0
	after, err := a.positions(ctx)
	if err != nil || len(after) == 0 {
		return false, err
	}
	batches, first := a.source.Read(ctx, after)
	if first == nil {
		a.troubles.keep(batches)
	}
	failed := 0
	for _, b := range batches {
		a.most = max(a.most, len(b.Entries))
		ahead, err := a.apply(ctx, b)
		moved = moved || ahead
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		if failed++; failed == stepFailures || ctx.Err() != nil {
			break
		}
	}
	a.showLag()
	return moved, first
}

// showLag has the metric grow as long as something waits that does not get on.
func (a *Applier) showLag() {
	trouble, some := a.Trouble()
	switch {
	case some:
		applyLag.Set(time.Since(trouble.Since).Seconds())
	case a.lagging:
		applyLag.Set(0)
	}
	a.lagging = some
}

// positions says from where to read each origin: after the ledger's cursor, as it was last seen. That is only where to
// look: the ledger's row, locked in the transaction, decides what is dropped and where the contiguous run begins (R1, R2).
func (a *Applier) positions(ctx context.Context) ([]Position, error) {
	origins, err := a.source.Origins(ctx)
	if err != nil {
		return nil, err
	}
	after := make([]Position, len(origins))
	for i, origin := range origins {
		cursor, known := a.cursors[origin]
		if !known {
			row, err := a.ledger.Origin(ctx, origin)
			if err != nil {
				return nil, err
			}
			cursor = row.Cursor
			a.cursors[origin] = cursor
		}
		after[i] = Position{Origin: origin, After: cursor}
	}
	return after, nil
}

// apply books a batch and reports whether the cursor moved.
func (a *Applier) apply(ctx context.Context, b Batch) (bool, error) {
	if len(b.Entries) == 0 {
		return false, nil
	}
	records := make([]ledger.Record, len(b.Entries))
	for i, e := range b.Entries {
		if i%applyYield == applyYield-1 {
			runtime.Gosched()
		}
		records[i] = a.agents.decode(b.Origin, e)
	}
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, applyTime)
	done, err := a.ledger.Apply(bounded, b.Origin, records)
	cancel()
	if err != nil {
		delete(a.cursors, b.Origin) // the commit may have happened: ask again (C3)
		if ctx.Err() == nil {
			a.troubles.note(b.Origin, b.Origin, oldest(records), err)
		}
		return false, err
	}
	if i := slices.IndexFunc(records, func(r ledger.Record) bool { return r.Seq > done.Cursor }); done.Hole && i >= 0 {
		a.troubles.note(b.Origin, b.Origin, oldest(records[i:]), errHole)
	} else {
		a.troubles.end(b.Origin)
	}
	a.cursors[b.Origin] = done.Cursor
	a.count(done, records, time.Since(began))
	if done.Cursor == b.After {
		return false, nil // a hole: the edge will mend it
	}
	return true, a.source.Applied(ctx, Standing{b.Origin, done.Cursor, a.settled[b.Origin]})
}

func (a *Applier) count(done ledger.Applied, records []ledger.Record, took time.Duration) {
	applyBatches.Inc()
	applySeconds.Observe(took.Seconds())
	applied.Add(float64(done.Sessions))
	repeated.Add(float64(done.Repeated))
	appliedConversions.Add(float64(done.Conversions))
	replayedConversions.Add(float64(done.Replayed))
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
		if at := recordedAt(records[i]); !at.IsZero() && records[i].Seq <= done.Cursor {
			applyLag.Set(time.Since(at).Seconds())
			return
		}
	}
}

// recordedAt is when an edge took a record, or the zero time for what is neither session nor conversion.
func recordedAt(r ledger.Record) time.Time {
	switch {
	case r.Session != nil:
		return r.Session.Time
	case r.Conversion != nil:
		return r.Conversion.OccurredAt
	}
	return time.Time{}
}

// Pass compares every origin's row in the ledger with what the source believes, and corrects the source, down as well as up
// (R5): it heals lost replies, lost keys, crashed hubs and a ledger that came back older.
func (a *Applier) Pass(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, passTime)
	defer cancel()
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
	return a.source.Pass(ctx, origins, func() (map[string]Standing, error) { return a.standings(ctx, origins) })
}

// standings asks the ledger for the cursors of all origins, and forgets what was remembered of them.
func (a *Applier) standings(ctx context.Context, origins []string) (map[string]Standing, error) {
	rows, err := a.ledger.Origins(ctx)
	if err != nil {
		return nil, err
	}
	booked := make(map[string]uint64, len(rows))
	for _, row := range rows {
		booked[row.Name] = row.Cursor
	}
	clear(a.cursors)
	standings := make(map[string]Standing, len(origins))
	for _, origin := range origins {
		a.cursors[origin] = booked[origin] // no row is 0
		standings[origin] = Standing{origin, booked[origin], a.settled[origin]}
	}
	return standings, nil
}
