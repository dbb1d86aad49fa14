package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// RefundConversion takes an amount back from the conversions of an external id, also after the payout, and returns the refund as
// JSON (tracker.Refund), as it is then. What reversals took already is not taken again, and what the conversions do not have waits
// for more of them. Who reports the same refund again gets the
// same bytes and replayed is true.
//
// tracker.Invalid: something is wrong with it. tracker.ErrConflict: it was reported before with other content.
func (l *Ledger) RefundConversion(ctx context.Context, n tracker.NewRefund) (answer []byte, replayed bool, err error) {
	if err = n.Check(); err == nil {
		err = l.book(ctx, func(b *books) (err error) {
			answer, replayed, err = b.refund(ctx, n)
			return err
		})
	}
	if err != nil {
		return nil, false, fmt.Errorf("booking a refund: %w", err)
	}
	return answer, replayed, nil
}

func (b *books) refund(ctx context.Context, n tracker.NewRefund) (answer []byte, replayed bool, err error) {
	id := identity{n.Network, n.ConversionExternalID, n.ConversionType, n.Source}
	hash := n.ContentHash()
	if answer, err = b.refundAnswered(ctx, n, hash); err != nil || answer != nil {
		return answer, true, err
	}
	if _, err := b.know(ctx, id, 0); err != nil {
		return nil, false, err
	}
	repeats, err := b.lock(ctx, id)
	if err != nil {
		return nil, false, err
	}
	if answer, err = b.refundAnswered(ctx, n, hash); err != nil || answer != nil { // another was first
		return answer, true, err
	}
	r := tracker.Refund{
		ID: tracker.NewSessionID(b.now).String(), Network: n.Network, Source: n.Source, ExternalID: n.ExternalID,
		ConversionType: n.ConversionType, ConversionExternalID: n.ConversionExternalID,
		Amount: n.Amount, Currency: n.Currency, Note: n.Note, CreatedAt: b.now,
	}
	if repeats > 0 {
		if err := b.refundNow(ctx, id, &r, n.Actor); err != nil {
			return nil, false, err
		}
	}
	r.Waiting = r.Amount - r.Taken
	if answer, err = json.Marshal(r); err != nil {
		return nil, false, fmt.Errorf("writing the answer: %w", err)
	}
	return answer, false, b.insertRefund(ctx, r, hash, answer, n.Actor)
}

// refundAnswered returns the answer to an earlier report of the refund, or nil if there was none.
func (b *books) refundAnswered(ctx context.Context, n tracker.NewRefund, hash string) (answer []byte, err error) {
	var known string
	err = b.tx.QueryRowContext(ctx, `SELECT hash, answer FROM refund WHERE network = $1 AND source = $2 AND external_id = $3`,
		n.Network, n.Source, n.ExternalID).Scan(&known, &answer)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking for an earlier refund: %w", err)
	case !sameContent(known, hash):
		return nil, tracker.ErrConflict
	}
	return answer, nil
}

// refundNow takes the refund from what was reversed of the identity's conversions in its currency, and then from the
// conversions: the oldest first, and last those that are rejected, from which nobody earns anything to take back.
func (b *books) refundNow(ctx context.Context, id identity, r *tracker.Refund, actor string) error {
	targets, err := readAll(ctx, b.tx, "the refund's conversions", scanText, `SELECT id FROM conversion WHERE network = $1
		AND external_id = $2 AND type = $3 AND source = $4 AND currency = $5 AND status <> 'duplicated'
		ORDER BY status = 'rejected', repeat`,
		id.args(r.Currency)...)
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return tracker.Invalid{{Field: "currency", Message: "is not the conversion's"}}
	}
	if err := b.takeReversed(ctx, id, r); err != nil {
		return err
	}
	for _, target := range targets {
		if r.Taken == r.Amount {
			return nil
		}
		c, err := b.read(ctx, `c.id = $1`, target)
		if err != nil {
			return err
		}
		if c.Amount == 0 {
			continue
		}
		before := c.Conversion
		b.takeRefund(c, r, actor)
		if err := b.update(ctx, &before, c, keptReport{}); err != nil {
			return err
		}
	}
	return nil
}

// takeReversed sets the refund against what reversals took from the identity's conversions, as far as no other refund was: the
// money is back already. That is what the entries of refunds and reversals took, less what all refunds have.
func (b *books) takeReversed(ctx context.Context, id identity, r *tracker.Refund) error {
	const ofIdentity = `c.network = $1 AND c.external_id = $2 AND c.type = $3 AND c.source = $4 AND c.currency = $5
		AND c.status <> 'duplicated'`
	var target string
	var left int64
	err := b.tx.QueryRowContext(ctx, `SELECT coalesce((SELECT id FROM conversion c WHERE `+ofIdentity+` AND c.reversed
			ORDER BY repeat LIMIT 1), ''),
		CAST(coalesce((SELECT sum(-e.amount) FROM conversion c JOIN conversion_change e ON e.conversion_id = c.id
			WHERE `+ofIdentity+` AND (e.kind = 'refund' OR e.kind = 'reversed' AND c.reversed)), 0)
		- coalesce((SELECT sum(taken) FROM refund WHERE network = $1 AND conversion_external_id = $2 AND conversion_type = $3
			AND source = $4 AND currency = $5), 0) AS bigint)`, id.args(r.Currency)...).Scan(&target, &left)
	if err != nil {
		return fmt.Errorf("reading what was reversed: %w", err)
	}
	if target != "" && left > 0 {
		r.ConversionID, r.Taken = target, min(left, r.Amount)
	}
	return nil
}

// takeRefund takes what the refund has not got yet from the conversion, as far as it goes.
func (b *books) takeRefund(c *bookedConversion, r *tracker.Refund, actor string) {
	r.ConversionID = cmp.Or(r.ConversionID, c.ID)
	entry := tracker.Change{Kind: tracker.ChangeRefund, ExternalID: r.ExternalID, Note: r.Note, Actor: actor}
	c.change(b.now, entry, func() { r.Taken += c.take(r.Amount - r.Taken) })
}

func (b *books) insertRefund(ctx context.Context, r tracker.Refund, hash string, answer []byte, actor string) error {
	done, err := b.tx.ExecContext(ctx, `INSERT INTO refund (id, network, source, external_id, hash, answer, conversion_type,
		conversion_external_id, conversion_id, amount, taken, waiting, currency, note, actor, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (network, source, external_id) DO NOTHING`,
		r.ID, r.Network, r.Source, r.ExternalID, hash, string(answer), string(r.ConversionType), r.ConversionExternalID,
		r.ConversionID, r.Amount, r.Taken, r.Waiting, r.Currency, r.Note, actor, millis(r.CreatedAt))
	if err != nil {
		return fmt.Errorf("adding a refund: %w", err)
	}
	if n, err := done.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return errClash // the same refund, of another conversion, at the same time
}

// waitingRefund is a refund of which something waits.
type waitingRefund struct {
	tracker.Refund
	actor string
}

// takeWaiting takes what waits for the conversion, in the order in which it came.
func (b *books) takeWaiting(ctx context.Context, c *bookedConversion) error {
	waiting, err := readAll(ctx, b.tx, "waiting refunds", func(rows *sql.Rows) (waitingRefund, error) {
		var r waitingRefund
		err := rows.Scan(&r.ID, &r.ExternalID, &r.ConversionID, &r.Amount, &r.Taken, &r.Waiting, &r.Note, &r.actor)
		return r, err
	}, `SELECT id, external_id, conversion_id, amount, taken, waiting, note, actor FROM refund
		WHERE network = $1 AND conversion_external_id = $2 AND conversion_type = $3 AND source = $4 AND currency = $5
		AND waiting > 0 ORDER BY created_at, id`, c.Network, c.ExternalID, string(c.Type), c.Source, c.Currency)
	if err != nil {
		return err
	}
	for _, r := range waiting {
		if c.Amount == 0 {
			return nil
		}
		b.takeRefund(c, &r.Refund, r.actor)
		_, err := b.tx.ExecContext(ctx, `UPDATE refund SET conversion_id = $2, taken = $3, waiting = $4 WHERE id = $1`,
			r.ID, r.ConversionID, r.Taken, r.Amount-r.Taken)
		if err != nil {
			return fmt.Errorf("taking a refund that waited: %w", err)
		}
	}
	return nil
}

// WithdrawRefund takes back a refund that has taken nothing yet: it is as if it had never been reported, and its external id may
// be used again. ErrNotFound: the network has none of that id. tracker.ErrTransition: it has taken something.
func (l *Ledger) WithdrawRefund(ctx context.Context, network, id string) error {
	err := l.book(ctx, func(b *books) error {
		r, err := readRefund(ctx, b.tx, network, id)
		if err != nil {
			return err
		}
		if _, err := b.lock(ctx, identity{r.Network, r.ConversionExternalID, r.ConversionType, r.Source}); err != nil {
			return err
		}
		done, err := b.tx.ExecContext(ctx, `DELETE FROM refund WHERE network = $1 AND id = $2 AND taken = 0`, network, id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		if _, err := readRefund(ctx, b.tx, network, id); err != nil { // another was first
			return err
		}
		return tracker.ErrTransition
	})
	if err != nil {
		return fmt.Errorf("withdrawing a refund: %w", err)
	}
	return nil
}
