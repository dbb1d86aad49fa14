package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// successWithin is how exactly the time of a destination's last success is kept.
const successWithin = time.Second

// noteHealth notes what the outcomes say of the destination: since when there are nothing but failures, and when the last
// success was. An event that it refuses for good is no failure of its own. Where all is known already it writes nothing. A hold
// that does not count, see farHold, is forgotten before it would.
func (l *Ledger) noteHealth(
	ctx context.Context, tx *sql.Tx, network, destination string, outcomes []tracker.DeliveryOutcome,
) error {
	now, success, failure := l.now(), false, false
	for _, o := range outcomes {
		success = success || o.State == tracker.DeliverySent && !o.Skipped
		failure = failure || o.State == tracker.DeliveryDue && !o.Cut
	}
	if !success && !failure {
		return nil
	}
	query := `INSERT INTO destination (network, name, paused, disabled_at, failing_since, last_success_at)
		VALUES ($1, $2, false, 0, $3, 0) ON CONFLICT (network, name) DO UPDATE SET failing_since = excluded.failing_since
		WHERE destination.failing_since = 0`
	args := []any{network, destination, millis(now)}
	if success {
		query = `INSERT INTO destination (network, name, paused, disabled_at, failing_since, last_success_at)
			VALUES ($1, $2, false, 0, 0, $3) ON CONFLICT (network, name) DO UPDATE
			SET failing_since = 0, last_success_at = excluded.last_success_at,
				hold_until = CASE WHEN destination.hold_until > $5 THEN 0 ELSE destination.hold_until END
			WHERE destination.failing_since <> 0 OR destination.last_success_at < $4`
		args = append(args, millis(now.Add(-successWithin)), millis(now.Add(farHold)))
	}
	if _, err := tx.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("noting the destination's health: %w", err)
	}
	return nil
}

// PauseDestination stops the deliveries of a destination on all hubs, or lets them go on. What is due waits. To go on also ends
// that the destination was disabled, and what its endpoint has asked for.
func (l *Ledger) PauseDestination(ctx context.Context, network, name string, paused bool) error {
	err := l.write(ctx, func(tx *sql.Tx) error {
		query := `INSERT INTO destination (network, name, paused, disabled_at, failing_since, last_success_at)
			VALUES ($1, $2, true, 0, 0, 0) ON CONFLICT (network, name) DO UPDATE SET paused = true`
		if !paused {
			query = `UPDATE destination SET paused = false, disabled_at = 0, failing_since = 0, hold_until = 0, hold_why = '', hold_by = ''
				WHERE network = $1 AND name = $2`
		}
		_, err := tx.ExecContext(ctx, query, network, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("pausing a destination, or letting it go on: %w", err)
	}
	return nil
}

// DisableDestination stops the deliveries of a destination that does not want them, or has failed for too long, until somebody
// lets it go on. It reports whether it did so: of several hubs, one.
func (l *Ledger) DisableDestination(ctx context.Context, network, name string) (disabled bool, err error) {
	err = l.write(ctx, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `INSERT INTO destination (network, name, paused, disabled_at, failing_since, last_success_at)
			VALUES ($1, $2, false, $3, 0, 0) ON CONFLICT (network, name) DO UPDATE SET disabled_at = excluded.disabled_at
			WHERE destination.disabled_at = 0`, network, name, millis(l.now()))
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		disabled = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("disabling a destination: %w", err)
	}
	return disabled, nil
}

// DestinationState returns what the books know of a destination, also of one that they have not heard of. It counts what is due
// and what is dead.
func (l *Ledger) DestinationState(ctx context.Context, network, name string) (tracker.DestinationState, error) {
	s, now := tracker.DestinationState{Name: name}, millis(l.now())
	err := l.view(ctx, func(tx *sql.Tx) error {
		var disabled, failing, success, held, oldest int64
		var by string
		err := tx.QueryRowContext(ctx, `SELECT paused, disabled_at, failing_since, last_success_at, hold_until, hold_why, hold_by FROM destination
			WHERE network = $1 AND name = $2`, network, name).Scan(&s.Paused, &disabled, &failing, &success, &held, &s.HeldBecause, &by)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		s.DisabledAt, s.FailingSince, s.LastSuccessAt = timeOrNil(disabled), timeOrNil(failing), timeOrNil(success)
		route, there := l.route(network, name)
		if s.HeldUntil = timeOrNil(held); !holdCounts(held, now) || there && route.Fingerprint != by {
			s.HeldUntil, s.HeldBecause = nil, ""
		}
		err = tx.QueryRowContext(ctx, `SELECT count(*), coalesce(min(CASE again_at WHEN 0 THEN created_at ELSE again_at END), 0) FROM delivery
			WHERE network = $1 AND destination = $2 AND state = 'due'`, network, name).Scan(&s.Due, &oldest)
		if err != nil {
			return err
		}
		s.OldestDueAt = timeOrNil(oldest)
		return tx.QueryRowContext(ctx, `SELECT count(*) FROM delivery
			WHERE network = $1 AND destination = $2 AND state = 'dead'`, network, name).Scan(&s.Dead)
	})
	if err != nil {
		return tracker.DestinationState{}, fmt.Errorf("reading a destination's state: %w", err)
	}
	return s, nil
}

// MayDeliver reports whether a destination is neither paused nor disabled nor, with the settings of that fingerprint, held, and since
// when it has known nothing but failures.
func (l *Ledger) MayDeliver(ctx context.Context, network, name, fingerprint string) (may bool, failingSince time.Time, err error) {
	var paused bool
	var by string
	var disabled, failing, held int64
	err = l.db.Read.QueryRowContext(ctx, `SELECT paused, disabled_at, failing_since, hold_until, hold_by FROM destination
		WHERE network = $1 AND name = $2`, network, name).Scan(&paused, &disabled, &failing, &held, &by)
	if errors.Is(err, sql.ErrNoRows) {
		return true, time.Time{}, nil
	}
	if err != nil {
		return false, time.Time{}, l.told(fmt.Errorf("reading a destination's state: %w", err))
	}
	if failing > 0 {
		failingSince = fromMillis(failing)
	}
	isHeld := by == fingerprint && holdCounts(held, millis(l.now()))
	return !paused && disabled == 0 && !isHeld, failingSince, nil
}

// dropStep is how many deliveries one transaction forgets.
const dropStep = 1000

// ForgetDeliveries forgets deliveries that were sent, or had nothing to send any more, before that time, with their attempts, and
// returns how many. Dead ones stay: somebody may want to send them.
func (l *Ledger) ForgetDeliveries(ctx context.Context, before time.Time) (forgotten int64, err error) {
	for {
		var step int64
		err := l.write(ctx, func(tx *sql.Tx) error {
			const old = `(SELECT id FROM delivery WHERE state IN ('sent', 'gone') AND updated_at < $1 ORDER BY updated_at LIMIT $2)`
			done, err := tx.ExecContext(ctx, `DELETE FROM delivery WHERE id IN `+old, millis(before), dropStep) // and their attempts
			if err == nil {
				step, err = done.RowsAffected()
			}
			return err
		})
		if err != nil {
			return forgotten, fmt.Errorf("forgetting deliveries: %w", err)
		}
		if forgotten += step; step < dropStep {
			return forgotten, nil
		}
	}
}
