package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	// scrubEvery is how often a node asks whom else to take out of its journal.
	scrubEvery = 10 * time.Second

	// scrubShare keeps a node that has much to look through from doing nothing else: it rests for so many times as long as
	// it took.
	scrubShare = 9
)

// erasures is where it is asked who was erased, and which records of theirs the ledger has.
type erasures interface {
	// ledgerID is the ledger's id, by which the hashes of customers are keyed; empty while it is not known.
	ledgerID() string
	// version changes when somebody is erased.
	version(ctx context.Context) (string, error)
	// people returns the hashes of all who ever were.
	people(ctx context.Context) ([]string, error)
	// cursors returns up to where each origin is applied; one that is left out, not at all.
	cursors(ctx context.Context, origins []string) (map[string]uint64, error)
}

// scrub takes people who were erased out of this node's journal, as far as the ledger has its records, until ctx ends.
// What it does not have yet lands blank, and is taken out then. Redis needs no such care: its streams hold nothing that is
// applied.
//
// It does not wait until the ledger's word is settled. Should the ledger come back older, records are given to it again as they
// are now, and that is as it has to be; to wait would keep the person for a day more.
func (w *workers) scrub(ctx context.Context, j *journal.Journal, source erasures) {
	s := scrubber{journal: j, source: source, log: w.config.Logger, erased: map[string]bool{}}
	failing := false
	for ctx.Err() == nil {
		began := time.Now()
		err := s.step(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.log.Error("who was erased could not be taken out of the journal; trying again", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(max(scrubEvery, scrubShare*time.Since(began))):
		}
	}
}

// scrubber is one node's.
type scrubber struct {
	journal *journal.Journal
	source  erasures
	log     *slog.Logger

	ledger string            // its id
	known  string            // the version of erased
	erased map[string]bool   // the hashes of all who were erased
	looked map[string]uint64 // by origin: its records up to here have been looked at for all of them
}

// step looks at what it has not looked at. It returns the first error.
func (s *scrubber) step(ctx context.Context) error {
	if err := s.learn(ctx); err != nil || len(s.erased) == 0 {
		return err
	}
	origins := s.journal.Origins()
	bounded, cancel := context.WithTimeout(ctx, linksTime)
	defer cancel()
	cursors, err := s.source.cursors(bounded, origins)
	if err != nil {
		return err
	}
	looked, total := make(map[string]uint64, len(origins)), 0
	var first error
	for _, name := range origins {
		n, err := s.origin(ctx, name, cursors[name], looked)
		total += n
		if first == nil && !errors.Is(err, journal.ErrNoOrigin) { // it was finished and removed since it was listed
			first = err
		}
	}
	s.looked = looked
	scrubbedRecords.Add(float64(total))
	if total > 0 {
		s.log.Info("people who were erased have been taken out of the journal", "records", total)
	}
	return first
}

// origin looks at an origin's records up to the cursor, and notes how far it has come. The cursor may be anything, since
// anybody may damage what Redis has: what is not in the journal yet has not been looked at.
func (s *scrubber) origin(ctx context.Context, name string, cursor uint64, looked map[string]uint64) (n int, err error) {
	looked[name] = s.looked[name]
	state, err := s.journal.State(name)
	if err != nil {
		return 0, err
	}
	last := min(cursor, state.Durable)
	n, err = s.journal.Scrub(ctx, name, looked[name], last, s.erase)
	if err == nil {
		looked[name] = max(looked[name], last)
	}
	return n, err
}

// learn asks who was erased. Whoever was once stays so, whatever the source says later.
func (s *scrubber) learn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, linksTime)
	defer cancel()
	if id := s.source.ledgerID(); id != s.ledger {
		s.ledger, s.looked = id, nil // customers look otherwise now
	}
	version, err := s.source.version(ctx)
	if err != nil || version == s.known {
		return err
	}
	hashes, err := s.source.people(ctx)
	if err != nil {
		return err
	}
	before := len(s.erased)
	for _, hash := range hashes {
		s.erased[hash] = true
	}
	if len(s.erased) > before {
		s.looked = nil // all there is may be of theirs
	}
	s.known = version
	return nil
}

// erase takes the person out of a record if they are one of them.
func (s *scrubber) erase(payload []byte) bool {
	_, hashes, err := tracker.ErasedHashes(s.ledger, payload)
	return err == nil && slices.ContainsFunc(hashes, func(hash string) bool { return s.erased[hash] }) && tracker.EraseRecord(payload)
}

// ledgerErasures asks where the books are.
type ledgerErasures struct{ ledger *ledger.Ledger }

func (s ledgerErasures) ledgerID() string { return s.ledger.ID() }

func (s ledgerErasures) version(ctx context.Context) (string, error) {
	return s.ledger.ErasedVersion(ctx)
}

func (s ledgerErasures) people(ctx context.Context) ([]string, error) { return s.ledger.Erased(ctx) }

func (s ledgerErasures) cursors(ctx context.Context, _ []string) (map[string]uint64, error) {
	rows, err := s.ledger.Origins(ctx)
	if err != nil {
		return nil, err
	}
	cursors := make(map[string]uint64, len(rows))
	for _, row := range rows {
		cursors[row.Name] = row.Cursor
	}
	return cursors, nil
}

// relayErasures asks for what the hubs published. The journal knows which ledger it feeds.
type relayErasures struct {
	relay   *relay.Relay
	journal *journal.Journal
}

func (s relayErasures) ledgerID() string { return s.journal.LedgerID() }

func (s relayErasures) version(ctx context.Context) (string, error) {
	n, err := s.relay.CountErased(ctx)
	return strconv.FormatInt(n, 10), err
}

func (s relayErasures) people(ctx context.Context) ([]string, error) { return s.relay.Erased(ctx) }

func (s relayErasures) cursors(ctx context.Context, origins []string) (map[string]uint64, error) {
	keys, err := s.relay.Keys(ctx, origins)
	if err != nil {
		return nil, err
	}
	cursors := make(map[string]uint64, len(keys))
	for _, key := range keys {
		cursors[key.Origin] = uint64(max(0, key.Cursor))
	}
	return cursors, nil
}

// publishErased keeps the relay's copy of who was erased, for edges without a ledger, until ctx ends. A relay that lost
// it is told again.
func (w *workers) publishErased(ctx context.Context, l *ledger.Ledger) {
	published, count, failing := "", 0, false
	every(ctx, scrubEvery, func(ctx context.Context) {
		version, err := l.ErasedVersion(ctx)
		if err != nil {
			return // scrub says so
		}
		there, err := w.relay.CountErased(ctx)
		if err == nil && (version != published || there < int64(count)) {
			var hashes []string
			if hashes, err = l.Erased(ctx); err == nil {
				err = w.relay.AddErased(ctx, hashes)
			}
			if err == nil {
				published, count = version, len(hashes)
			}
		}
		if err != nil && !failing && !errors.Is(err, context.Canceled) {
			w.config.Logger.Error("who was erased could not be published; edges without a ledger keep them in their journals meanwhile",
				"error", err)
		}
		failing = err != nil
	})
}
