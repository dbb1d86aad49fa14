package forward

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	applyBytes = 1 << 20 // of one batch from the journal
	applyCount = 2_000   // records of one batch from the relay, where only one origin has any
	readCount  = 20_000  // records of one read from the relay, over all origins
)

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

func (s *journalSource) Read(_ context.Context, after []Position) ([]Batch, error) {
	batches := make([]Batch, 0, len(after))
	var first error
	for _, p := range after {
		entries, err := s.read(p)
		if err != nil && !errors.Is(err, journal.ErrNoOrigin) && first == nil { // it was finished and removed since it was listed
			first = err
		}
		batches = append(batches, Batch{p, entries})
	}
	return batches, first
}

// read returns what follows the position. Of a disowned origin there is nothing: the cursor is of the other copy's records, and
// what this disk has of it moves.
func (s *journalSource) read(p Position) ([]tracker.Entry, error) {
	state, err := s.journal.State(p.Origin)
	if err != nil {
		return nil, err
	}
	if state.Disowned {
		_, err := move(s.journal, p.Origin)
		return nil, err
	}
	return s.journal.Read(p.Origin, p.After, applyBytes)
}

func (s *journalSource) Applied(_ context.Context, at Standing) error {
	foreign, err := Foreign(s.journal, s.ledgerID)
	if err != nil {
		return err
	}
	if foreign {
		s.warned.Do(func() { s.log.Error(foreignLedgerText, "ledger_id", s.ledgerID, "pinned", s.journal.LedgerID()) })
		return nil
	}
	if forked, err := s.forked(at); err != nil || forked {
		return err
	}
	return s.journal.Truncate(at.Origin, at.Settled)
}

// forked reports whether another copy of this process writes the origin, which it does when the ledger has more of the live
// one than was ever written here, and disowns it then (E7). The ledger was asked first, the journal second.
func (s *journalSource) forked(at Standing) (bool, error) {
	state, err := s.journal.State(at.Origin)
	switch {
	case errors.Is(err, journal.ErrNoOrigin):
		return false, nil
	case err != nil || state.Disowned:
		return state.Disowned, err
	case !state.Live || at.Cursor <= state.Durable:
		return false, nil
	}
	s.log.Error(forkText, "origin", at.Origin, "durable", state.Durable, "cursor", at.Cursor)
	forks.Inc()
	return true, s.journal.Disown(at.Origin)
}

func (s *journalSource) Pass(ctx context.Context, _ []string, ask func() (map[string]Standing, error)) error {
	standings, err := ask()
	if err != nil {
		return err
	}
	var first error
	for _, at := range standings {
		if err := s.Applied(ctx, at); err != nil && first == nil {
			first = err
		}
	}
	return first
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

// Read asks for all origins in one round trip. The more there are, the less is taken of each, so that memory is bounded.
func (s *relaySource) Read(ctx context.Context, after []Position) ([]Batch, error) {
	count := min(applyCount, max(10, readCount/len(after)))
	batches := make([]Batch, 0, len(after))
	var first error
	for i, b := range s.relay.ReadAll(ctx, after, count) {
		if b.Err != nil && first == nil {
			first = b.Err
		}
		holes.Add(float64(b.Holes))
		batches = append(batches, Batch{after[i], b.Entries})
	}
	return batches, first
}

func (s *relaySource) Applied(ctx context.Context, at Standing) error {
	return s.relay.PublishCommit(ctx, at.Origin, at.Cursor, at.Settled)
}

// Pass looks at the keys first, then at the ledger, and publishes by compare-and-set, so that a hub which slept in between
// changes nothing. It writes only where something is to be mended: keys of finished origins must be left to expire (R4, R7).
func (s *relaySource) Pass(ctx context.Context, origins []string, ask func() (map[string]Standing, error)) error {
	keys, err := s.relay.Keys(ctx, origins)
	if err != nil {
		return err
	}
	standings, err := ask()
	if err != nil {
		return err
	}
	for _, key := range keys {
		at := standings[key.Origin]
		told := key.Cursor == int64(at.Cursor) && key.Settled >= int64(at.Settled)
		if trimmed := key.First == 0 || key.First > at.Cursor; !told || !trimmed {
			if _, err := s.relay.PublishPass(ctx, at.Origin, key.Cursor, at.Cursor, at.Settled); err != nil {
				return err
			}
		}
		if key.Parked {
			if err := s.relay.DropParked(ctx, at.Origin, at.Cursor); err != nil {
				return err
			}
		}
	}
	return nil
}
