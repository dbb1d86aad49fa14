package ledger

import (
	"cmp"
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

// bookConversion books a conversion, and blanks it if its visitor was erased: whether it repeats an earlier one can only be
// seen of the whole.
func (a *applier) bookConversion(ctx context.Context, n tracker.NewConversion) (isNew bool, err error) {
	if isNew, err = a.books.landConversion(ctx, n); err != nil || !isNew || !a.forgotten.visitors {
		return isNew, err
	}
	var hashes []string
	for _, token := range []*tracker.Token{n.Evidence.Token, n.Evidence.Cookie} {
		if token != nil && !token.Visitor.IsZero() {
			hashes = append(hashes, tracker.VisitorHash(n.Network, token.Visitor))
		}
	}
	if erased, err := erasedVisitors.find(ctx, a.tx, n.Network, hashes); err != nil || len(erased) == 0 {
		return isNew, err
	}
	e := eraser{ledger: a.ledger, tx: a.tx, network: n.Network}
	return isNew, e.blankConversions(ctx, `external_id = $2 AND type = $3 AND source = $4 AND id = $5`,
		n.ExternalID, string(n.Type), cmp.Or(n.Source, tracker.SourceAPI), n.ID)
}

// refuses reports whether err says that a conversion cannot be booked for its values, now and for ever.
func (a *applier) refuses(err error) bool {
	var invalid tracker.Invalid
	return a.ledger.db.Refused(err) || errors.As(err, &invalid) || slices.ContainsFunc([]error{
		tracker.ErrNotFound, tracker.ErrExists, tracker.ErrConflict, tracker.ErrClosed, tracker.ErrTransition, tracker.ErrIdempotency,
	}, func(fault error) bool { return errors.Is(err, fault) })
}
