package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Refunds returns a page of the network's refunds, newest first, and the cursor of the next page. tracker.ErrCursor: p.After is
// none of ours.
func (l *Ledger) Refunds(
	ctx context.Context, network string, f tracker.RefundFilter, p tracker.Page,
) ([]tracker.Refund, string, error) {
	s := selectOf("network", network)
	switch {
	case f.Waiting == nil:
	case *f.Waiting:
		s.text += ` AND waiting > 0`
	default:
		s.text += ` AND waiting = 0`
	}
	andIf(s, `external_id = ?`, f.ExternalID)
	andIf(s, `conversion_external_id = ?`, f.ConversionExternalID)
	andIf(s, `conversion_type = ?`, string(f.ConversionType))
	andIf(s, `source = ?`, f.Source)
	if err := s.newest("created_at", "id", p); err != nil {
		return nil, "", err
	}
	rows, err := read(ctx, l, "refunds", scanRefund, selectRefunds+s.text, s.args...)
	if err != nil {
		return nil, "", l.nothing(err)
	}
	page, next := cutNewest(rows, p, func(r tracker.Refund) (time.Time, string) { return r.CreatedAt, r.ID })
	return page, next, nil
}

// Refund returns a refund as it is now. ErrNotFound: the network has none of that id.
func (l *Ledger) Refund(ctx context.Context, network, id string) (r tracker.Refund, err error) {
	err = l.view(ctx, func(tx *sql.Tx) error {
		r, err = readRefund(ctx, tx, network, id)
		return err
	})
	return r, err
}

// WaitingRefunds returns how many refunds wait, of all networks together.
func (l *Ledger) WaitingRefunds(ctx context.Context) (n int64, err error) {
	if err := l.db.Read.QueryRowContext(ctx, `SELECT count(*) FROM refund WHERE waiting > 0`).Scan(&n); err != nil {
		return 0, l.told(fmt.Errorf("counting refunds that wait: %w", err))
	}
	return n, nil
}

const selectRefunds = `SELECT id, network, source, external_id, conversion_type, conversion_external_id, conversion_id, amount, taken,
	waiting, currency, note, created_at FROM refund`

func readRefund(ctx context.Context, q queryer, network, id string) (tracker.Refund, error) {
	if _, err := tracker.ParseSessionID(id); err != nil {
		return tracker.Refund{}, ErrNotFound
	}
	return only(readAll(ctx, q, "a refund", scanRefund, selectRefunds+` WHERE network = $1 AND id = $2`, network, id))
}

func scanRefund(rows *sql.Rows) (r tracker.Refund, err error) {
	var created int64
	err = rows.Scan(&r.ID, &r.Network, &r.Source, &r.ExternalID, &r.ConversionType, &r.ConversionExternalID, &r.ConversionID, &r.Amount,
		&r.Taken, &r.Waiting, &r.Currency, &r.Note, &created)
	r.CreatedAt = fromMillis(created)
	return r, err
}
