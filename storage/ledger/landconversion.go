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
			isNew, err = a.bookConversion(ctx, *r.Conversion)
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

// bookConversion books a conversion, and takes the visitor out of it again if they were erased: whether it repeats an
// earlier one can only be seen of the whole.
func (a *applier) bookConversion(ctx context.Context, n tracker.NewConversion) (isNew bool, err error) {
	isNew, err = a.books.landConversion(ctx, n)
	if err != nil || !a.forgotten.visitors {
		return isNew, err
	}
	for _, token := range []*tracker.Token{n.Evidence.Token, n.Evidence.Cookie} {
		if token == nil || token.Visitor.IsZero() {
			continue
		}
		erased, err := erasedVisitors.find(ctx, a.tx, n.Network, []string{tracker.VisitorHash(n.Network, token.Visitor)})
		if err != nil {
			return isNew, err
		}
		if len(erased) > 0 {
			e := eraser{ledger: a.ledger, tx: a.tx, network: n.Network}
			if err := e.visitor(ctx, token.Visitor); err != nil {
				return isNew, err
			}
		}
	}
	return isNew, nil
}

// refuses reports whether err says that a conversion cannot be booked for its values, now and for ever.
func (a *applier) refuses(err error) bool {
	var invalid tracker.Invalid
	return a.ledger.db.Refused(err) || errors.As(err, &invalid) || slices.ContainsFunc([]error{
		tracker.ErrNotFound, tracker.ErrExists, tracker.ErrConflict, tracker.ErrClosed, tracker.ErrTransition, tracker.ErrIdempotency,
	}, func(fault error) bool { return errors.Is(err, fault) })
}
