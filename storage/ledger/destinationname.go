package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// undone are the destinations with deliveries in a state, one look into the index for each, however many deliveries there are.
func undone(state tracker.DeliveryState) string {
	return `WITH RECURSIVE found(name) AS (
		SELECT min(destination) FROM delivery WHERE network = $1 AND state = '` + string(state) + `'
		UNION ALL SELECT (SELECT min(destination) FROM delivery WHERE network = $1 AND state = '` + string(state) + `'
			AND destination > found.name) FROM found WHERE found.name IS NOT NULL)
		SELECT name FROM found WHERE name IS NOT NULL`
}

// DestinationNames returns, sorted, what destinations the network's books know: those with deliveries that are due or dead, and
// those of which they have ever noted how they are, whether a configuration has them or not.
func (l *Ledger) DestinationNames(ctx context.Context, network string) (names []string, err error) {
	for _, query := range []string{
		`SELECT name FROM destination WHERE network = $1`, undone(tracker.DeliveryDue), undone(tracker.DeliveryDead),
	} {
		some, err := read(ctx, l, "the names of destinations", scanText, query, network)
		if err != nil {
			return nil, err
		}
		names = append(names, some...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Destinations is DestinationNames for all networks.
func (l *Ledger) Destinations(ctx context.Context) (all []tracker.DestinationName, err error) {
	networks, err := read(ctx, l, "the networks", scanText, `SELECT name FROM network ORDER BY name`)
	if err != nil {
		return nil, err
	}
	for _, network := range networks {
		names, err := l.DestinationNames(ctx, network)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			all = append(all, tracker.DestinationName{Network: network, Name: name})
		}
	}
	return all, nil
}

// DropDeliveries gives up what a destination has not been sent, due and dead, and returns how many. They are gone, as what was
// erased is, and nobody can send them any more. An attempt that is under way is not called back.
func (l *Ledger) DropDeliveries(ctx context.Context, network, destination string) (dropped int64, err error) {
	for {
		var step int64
		err := l.write(ctx, func(tx *sql.Tx) error {
			done, err := tx.ExecContext(ctx, `UPDATE delivery SET state = 'gone', holder = '', updated_at = $3 WHERE id IN (
				SELECT id FROM delivery WHERE network = $1 AND destination = $2 AND state IN ('due', 'dead') LIMIT $4)`,
				network, destination, millis(l.now()), dropStep)
			if err == nil {
				step, err = done.RowsAffected()
			}
			return err
		})
		if err != nil {
			return dropped, fmt.Errorf("dropping deliveries: %w", err)
		}
		if dropped += step; step < dropStep {
			return dropped, nil
		}
	}
}
