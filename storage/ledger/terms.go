package ledger

import (
	"cmp"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// UseTerms says by which rules the ledger attributes from now on. What was decided before stays.
func (l *Ledger) UseTerms(t tracker.Terms) {
	t.Rule = cmp.Or(t.Rule, tracker.LastClick)
	t.Window = cmp.Or(t.Window, tracker.DefaultWindow)
	t.Organic = cmp.Or(t.Organic, tracker.OrganicAssign)
	l.terms.Store(&t)
}

// SetClock replaces the clock, time.Now, by which the ledger dates what it writes.
func (l *Ledger) SetClock(now func() time.Time) { l.clock.Store(&now) }

// now is the ledger's clock.
func (l *Ledger) now() time.Time { return (*l.clock.Load())() }
