package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Conversion returns a conversion with its history. tracker.ErrNotFound: the network has none of that id.
func (l *Ledger) Conversion(ctx context.Context, network, id string) (found tracker.Conversion, err error) {
	if _, err := tracker.ParseSessionID(id); err != nil {
		return tracker.Conversion{}, fmt.Errorf("reading a conversion: %w", tracker.ErrNotFound)
	}
	err = l.view(ctx, func(tx *sql.Tx) error {
		c, err := readConversion(ctx, tx, `c.id = $1 AND c.network = $2`, id, network)
		if err == nil {
			found = c.shown()
		}
		return err
	})
	return found, err
}

// Conversions returns a page of the network's conversions, newest first, without their histories, and where the next page
// begins: empty on the last one. tracker.ErrCursor: p.After is none of ours.
func (l *Ledger) Conversions(
	ctx context.Context, network string, f tracker.ConversionFilter, p tracker.Page,
) ([]tracker.Conversion, string, error) {
	from, to, err := conversionBounds(f, p)
	if err != nil {
		return nil, "", err
	}
	rows, err := l.findConversions(ctx, conversionSearch{network, conversionConditions(f), from, to, p.Size() + 1})
	if err != nil {
		return nil, "", l.nothing(err)
	}
	next := ""
	if len(rows) > p.Size() {
		rows = rows[:p.Size()]
		last := rows[len(rows)-1]
		next = tracker.EncodeCursor(millis(last.CreatedAt), last.ID)
	}
	page := make([]tracker.Conversion, len(rows))
	for i, c := range rows {
		page[i] = c.shown()
	}
	return page, next, nil
}

// nothing takes the error away if it says that the database refuses a value: then no row has it.
func (l *Ledger) nothing(err error) error {
	if l.db.Refused(err) {
		return nil
	}
	return err
}

// conversionPlace is a place in the order of a network's conversions.
type conversionPlace struct {
	created int64
	id      string
}

// conversionBounds are the places between which the page lies; the first belongs to it.
func conversionBounds(f tracker.ConversionFilter, p tracker.Page) (from, to conversionPlace, err error) {
	to.created = math.MaxInt64
	if !f.MinCreated.IsZero() {
		from.created = millis(f.MinCreated)
	}
	for _, max := range []time.Time{f.MaxCreated, f.MaxUpdated} { // none is updated before it is created
		if !max.IsZero() {
			to.created = min(to.created, millis(max)+1)
		}
	}
	if p.After == "" {
		return from, to, nil
	}
	ms, id, err := tracker.DecodeCursor(p.After)
	if err == nil && ms < to.created {
		to = conversionPlace{ms, id}
	}
	return from, to, err
}
