package engine

import (
	"context"
	"errors"
	"log/slog"
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

// erasures is where the visitors who were erased are asked for, and which records of theirs the ledger has.
type erasures interface {
	// version changes when somebody is erased.
	version(ctx context.Context) (string, error)
	// visitors returns the hashes of all who ever were.
	visitors(ctx context.Context) ([]string, error)
	// cursors returns up to where each origin is applied; one that is left out, not at all.
	cursors(ctx context.Context, origins []string) (map[string]uint64, error)
}

// scrub takes visitors who were erased out of this node's journal, as far as the ledger has its records, until ctx ends.
// What it does not have yet lands blank, and is taken out then. Redis needs no such care: its streams hold nothing that is
// applied.
func (w *workers) scrub(ctx context.Context, j *journal.Journal, source erasures) {
	s := scrubber{journal: j, source: source, log: w.config.Logger, erased: map[string]bool{}}
	failing := false
	for ctx.Err() == nil {
		began := time.Now()
		err := s.step(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.log.Error("erased visitors could not be taken out of the journal; trying again", "error", err)
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

	known  string            // the version of erased
	erased map[string]bool   // the hashes of all visitors who were erased
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
		looked[name] = s.looked[name]
		n, err := s.journal.Scrub(ctx, name, looked[name], cursors[name], s.erase)
		total += n
		switch {
		case err == nil:
			looked[name] = max(looked[name], cursors[name])
		case first == nil && !errors.Is(err, journal.ErrNoOrigin): // it was finished and removed since it was listed
			first = err
		}
	}
	s.looked = looked
	scrubbedRecords.Add(float64(total))
	if total > 0 {
		s.log.Info("visitors who were erased have been taken out of the journal", "records", total)
	}
	return first
}

// learn asks who was erased. Whoever was once stays so, whatever the source says later.
func (s *scrubber) learn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, linksTime)
	defer cancel()
	version, err := s.source.version(ctx)
	if err != nil || version == s.known {
		return err
	}
	hashes, err := s.source.visitors(ctx)
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

// erase takes the visitor out of a record if they are one of them.
func (s *scrubber) erase(payload []byte) bool {
	record, err := tracker.DecodeRecord(payload)
	if err != nil {
		return false
	}
	visitor, err := tracker.ParseVisitorID(record.Get(tracker.FieldVisitor))
	if err != nil {
		return false // it names none
	}
	return s.erased[tracker.VisitorHash(record.Get(tracker.FieldNetwork), visitor)] && tracker.EraseRecord(payload)
}

// ledgerErasures asks where the books are.
type ledgerErasures struct{ ledger *ledger.Ledger }

func (s ledgerErasures) version(ctx context.Context) (string, error) {
	return s.ledger.ErasedVersion(ctx)
}

func (s ledgerErasures) visitors(ctx context.Context) ([]string, error) {
	return s.ledger.ErasedVisitors(ctx)
}

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

// relayErasures asks for what the hubs published.
type relayErasures struct{ relay *relay.Relay }

func (s relayErasures) version(ctx context.Context) (string, error) {
	n, err := s.relay.CountErased(ctx)
	return strconv.FormatInt(n, 10), err
}

func (s relayErasures) visitors(ctx context.Context) ([]string, error) { return s.relay.Erased(ctx) }

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

// publishErased keeps the relay's copy of the erased visitors, for edges without a ledger, until ctx ends. A relay that lost
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
			if hashes, err = l.ErasedVisitors(ctx); err == nil {
				err = w.relay.AddErased(ctx, hashes)
			}
			if err == nil {
				published, count = version, len(hashes)
			}
		}
		if err != nil && !failing && !errors.Is(err, context.Canceled) {
			w.config.Logger.Error("erased visitors could not be published; edges without a ledger keep them in their journals meanwhile",
				"error", err)
		}
		failing = err != nil
	})
}
