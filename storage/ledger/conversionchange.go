package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// UpdateConversion changes a conversion's status or amount, or notes that it was paid, and returns it with its history.
// What it is already needs no change and adds no entry.
//
// tracker.ErrNotFound: the network has no such conversion. tracker.ErrClosed: it was paid. tracker.ErrReversed: it was
// reversed. tracker.ErrTransition: it is a duplicate, or is to be paid without being approved. tracker.Invalid: something is wrong with the update.
func (l *Ledger) UpdateConversion(
	ctx context.Context, network, id string, u tracker.ConversionUpdate,
) (tracker.Conversion, error) {
	if err := u.Check(); err != nil {
		return tracker.Conversion{}, fmt.Errorf("changing a conversion: %w", err)
	}
	return l.changeConversion(ctx, network, id, func(b *books, c *bookedConversion) error { return b.apply(c, u) })
}

// ReverseConversion takes back everything that is left of a conversion, also of a paid one, and returns it with its history.
// A second time it changes nothing. tracker.ErrNotFound: the network has no such conversion.
// tracker.Invalid: something is wrong with the note.
func (l *Ledger) ReverseConversion(ctx context.Context, network, id, note, actor string) (tracker.Conversion, error) {
	if err := (tracker.ConversionUpdate{Note: note}).Check(); err != nil {
		return tracker.Conversion{}, fmt.Errorf("reversing a conversion: %w", err)
	}
	return l.changeConversion(ctx, network, id, func(b *books, c *bookedConversion) error {
		if !c.IsReversed {
			c.change(b.now, tracker.Change{Kind: tracker.ChangeReversed, Note: note, Actor: actor}, func() {
				c.takeAll()
				c.IsReversed = true
			})
		}
		return nil
	})
}

// changeConversion runs do on a conversion in one transaction, and writes what it has changed.
func (l *Ledger) changeConversion(
	ctx context.Context, network, id string, do func(b *books, c *bookedConversion) error,
) (changed tracker.Conversion, err error) {
	err = l.book(ctx, func(b *books) error {
		c, err := b.open(ctx, network, id)
		if err != nil {
			return err
		}
		before := c.Conversion
		if err := do(b, c); err != nil {
			return err
		}
		changed = c.shown()
		if len(c.History) == c.kept {
			return nil
		}
		return b.update(ctx, &before, c, keptReport{})
	})
	if err != nil {
		return tracker.Conversion{}, fmt.Errorf("changing a conversion: %w", err)
	}
	return changed, nil
}

// open locks the conversion's identity and reads the conversion.
func (b *books) open(ctx context.Context, network, id string) (*bookedConversion, error) {
	if _, err := tracker.ParseSessionID(id); err != nil {
		return nil, tracker.ErrNotFound
	}
	var repeats int
	err := b.tx.QueryRowContext(ctx, `UPDATE conversion_identity SET repeats = conversion_identity.repeats FROM conversion c
		WHERE c.id = $1 AND c.network = $2 AND conversion_identity.network = c.network
		AND conversion_identity.external_id = c.external_id AND conversion_identity.type = c.type
		AND conversion_identity.source = c.source RETURNING conversion_identity.repeats`, id, network).Scan(&repeats)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, tracker.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("locking the conversion's identity: %w", err)
	}
	return b.read(ctx, `c.id = $1 AND c.network = $2`, id, network)
}

func (b *books) read(ctx context.Context, where string, args ...any) (*bookedConversion, error) {
	return readConversion(ctx, b.tx, where, args...)
}

// apply does what the update says: first the status, then the amount, then the payment.
func (b *books) apply(c *bookedConversion, u tracker.ConversionUpdate) error {
	changes := u.Status != nil || u.Amount != nil || len(u.Commissions) > 0 || u.Paid != nil
	switch {
	case changes && c.IsClosed:
		return tracker.ErrClosed
	case changes && c.IsReversed:
		return tracker.ErrReversed
	case changes && c.Status == tracker.StatusDuplicated:
		return tracker.ErrTransition
	}
	entry := tracker.Change{Note: u.Note, Actor: u.Actor}
	if u.Status != nil && *u.Status != c.Status {
		entry.Kind = tracker.ChangeStatus
		c.change(b.now, entry, func() { c.Status = *u.Status })
	}
	parts, err := newParts(c, u)
	if err != nil {
		return err
	}
	if parts != nil {
		entry.Kind = tracker.ChangeAmount
		c.change(b.now, entry, func() { c.setParts(parts) })
	}
	if u.Paid == nil || !*u.Paid {
		return nil
	}
	if c.Status != tracker.StatusApproved {
		return tracker.ErrTransition
	}
	entry.Kind = tracker.ChangePaid
	now := b.now
	c.change(now, entry, func() { c.IsClosed, c.CheckedOut, c.PaidAt = true, true, &now })
	return nil
}

// newParts are the parts that the update gives the conversion, or nil if it has them already.
func newParts(c *bookedConversion, u tracker.ConversionUpdate) ([]tracker.Part, error) {
	parts := u.Commissions
	switch {
	case len(parts) > 0:
	case u.Amount == nil || *u.Amount == c.Amount:
		return nil, nil
	case len(c.Commissions) > 1:
		return nil, tracker.Invalid{{Field: "commissions", Message: "are required, since the conversion has several parts"}}
	default:
		parts = tracker.ScaleParts(c.Commissions, *u.Amount)
	}
	sum, same := int64(0), len(parts) == len(c.Commissions)
	for i, part := range parts {
		sum += part.SubAmount
		same = same && part.Name == c.Commissions[i].Name && part.SubAmount == c.Commissions[i].SubAmount
	}
	switch {
	case same:
		return nil, nil
	case sum > tracker.MaxAmount:
		return nil, tracker.Invalid{{Field: "commissions", Message: "add up to too much"}}
	}
	return parts, nil
}
