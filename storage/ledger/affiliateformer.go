package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// tellFormer is tellAffiliate for an affiliate that loses the id by which others know it.
func (c *catalog) tellFormer(ctx context.Context, network string, id int64, former string) error {
	c.tellAffiliate(network, id)
	if former == "" {
		return nil
	}
	return c.exec(ctx, "noting an affiliate's former id", `INSERT INTO affiliate_former (network, affiliate, n, id_from_network)
		VALUES ($1, $2, $3, $4) ON CONFLICT (network, affiliate, n) DO NOTHING`, network, id, c.next(), former)
}

// affiliateEvent adds the affiliate as it is now, and the id that the event took from it. That is left out where an affiliate has
// it again, of whom there is an event of its own.
func (l *Ledger) affiliateEvent(ctx context.Context, e *tracker.Event) error {
	id, err := strconv.ParseInt(e.Subject, 10, 64)
	if err != nil {
		return ErrNotFound
	}
	return l.view(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT f.id_from_network FROM affiliate_former f
			WHERE f.network = $1 AND f.affiliate = $2 AND f.n = $3 AND NOT EXISTS (SELECT 1 FROM affiliate a
				WHERE a.network = f.network AND a.id_from_network = f.id_from_network)`, e.Network, id, e.N).Scan(&e.FormerID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("reading an affiliate's former id: %w", err)
		}
		a, err := readAffiliate(ctx, tx, e.Network, id)
		switch {
		case errors.Is(err, ErrNotFound):
			e.Gone = true
		case err != nil:
			return err
		default:
			e.Affiliate = &a
		}
		return nil
	})
}
