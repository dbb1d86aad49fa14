package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// farHold is from when on a hold does not count: a hub whose clock is ahead has noted it. The hour is for clocks that differ a
// little.
const farHold = tracker.MaxHold + time.Hour

// holdCounts reports whether a hold until then, in milliseconds, counts now.
func holdCounts(until, now int64) bool { return until > now && until <= now+farHold.Milliseconds() }

// HoldDestination lets no hub with the same settings send to a destination before that time. A longer hold of these settings stays;
// letting the destination go on ends it.
func (l *Ledger) HoldDestination(ctx context.Context, network, name string, h tracker.Hold) error {
	err := l.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO destination
			(network, name, paused, disabled_at, failing_since, last_success_at, hold_until, hold_why, hold_by)
			VALUES ($1, $2, false, 0, 0, 0, $3, $4, $5) ON CONFLICT (network, name) DO UPDATE
			SET hold_until = excluded.hold_until, hold_why = excluded.hold_why, hold_by = excluded.hold_by
			WHERE destination.hold_until < excluded.hold_until OR destination.hold_until > $6 OR destination.hold_by <> excluded.hold_by`,
			network, name, millis(h.Until), harmless(h.Why, maxError), h.By, millis(l.now().Add(farHold)))
		return err
	})
	if err != nil {
		return fmt.Errorf("holding a destination: %w", err)
	}
	return nil
}
