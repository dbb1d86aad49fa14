package forward

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// holeTime is how long a gap is no trouble: the edge sends what is missing within a second or two.
const holeTime = 10 * time.Second

// Trouble is what keeps records from the ledger.
type Trouble struct {
	Since   time.Time            // the earliest of Origins, or, where nothing can be read, since when
	Reason  string               // for people, without values; the log says more
	Origins map[string]time.Time // when an edge took the oldest record of each origin that waits
}

// Trouble says what keeps records from the ledger; ok is false where nothing does. It may be called from any goroutine.
func (a *Applier) Trouble() (t Trouble, ok bool) { return a.troubles.sum() }

// troubles are what fails now: parts of the applier, and origins.
type troubles struct {
	mu     sync.Mutex
	failed map[string]failure
}

type failure struct {
	origin string    // empty: a part as a whole
	since  time.Time // see Trouble
	noted  time.Time
	err    error
}

// errHole is no error but the lack of a number.
var errHole = errors.New("a number is missing")

// note keeps that a part, or an origin, fails. As long as it does the oldest time counts: what waits does not get younger.
func (t *troubles) note(key, origin string, since time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, known := t.failed[key]
	if !known {
		f = failure{origin: origin, since: since, noted: time.Now()}
	}
	if since.Before(f.since) {
		f.since = since
	}
	f.err = err
	if t.failed == nil {
		t.failed = map[string]failure{}
	}
	t.failed[key] = f
}

func (t *troubles) end(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.failed, key)
}

// keep forgets origins of which nothing waits here any more: another hub has applied it.
func (t *troubles) keep(batches []Batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.failed, func(_ string, f failure) bool {
		return f.origin != "" && !slices.ContainsFunc(batches, func(b Batch) bool { return b.Origin == f.origin && len(b.Entries) > 0 })
	})
}

func (t *troubles) sum() (sum Trouble, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum.Origins = map[string]time.Time{}
	for f := range maps.Values(t.failed) {
		if errors.Is(f.err, errHole) && time.Since(f.noted) < holeTime {
			continue
		}
		if !ok || f.since.Before(sum.Since) {
			sum.Since = f.since
		}
		if sum.Reason == "" || f.origin != "" {
			sum.Reason = reasonOf(f.err)
		}
		if f.origin != "" {
			sum.Origins[f.origin] = f.since
		}
		ok = true
	}
	return sum, ok
}

// reasonOf is what may be said of an error where its text may have an address or a value in it.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, errHole):
		return "a number is missing, and its edge has not sent it again"
	case errors.Is(err, tracker.ErrAway):
		return "the ledger cannot be reached or written right now"
	case errors.Is(err, context.DeadlineExceeded):
		return "there was no answer in time"
	}
	return "the ledger, or what is read from, answers with an error; see the log"
}

// oldest is when an edge took the first of the records that says so, or now.
func oldest(records []ledger.Record) time.Time {
	for _, r := range records {
		if at := recordedAt(r); !at.IsZero() {
			return at
		}
	}
	return time.Now()
}
