package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// landConversions books the conversions one by one, each in a savepoint of its own.
func (a *applier) landConversions(ctx context.Context, records []Record) error {
	for _, r := range records {
		var isNew bool
		refusal, err := a.try(ctx, a.refuses, func() (err error) {
			isNew, err = a.books.landConversion(ctx, *r.Conversion)
			return err
		})
		switch {
		case err != nil:
			return err
		case refusal != nil:
			a.quarantine(r, refusal.Error())
		case isNew:
			a.done.Conversions++
		default:
			a.done.Replayed++
		}
	}
	return nil
}

// refuses reports whether err says that a conversion cannot be booked for its values, now and for ever.
func (a *applier) refuses(err error) bool {
	var invalid tracker.Invalid
	return a.ledger.db.Refused(err) || errors.As(err, &invalid) || slices.ContainsFunc([]error{
		tracker.ErrNotFound, tracker.ErrExists, tracker.ErrConflict, tracker.ErrClosed, tracker.ErrTransition, tracker.ErrIdempotency,
	}, func(fault error) bool { return errors.Is(err, fault) })
}
