package ledger

import (
	"context"
	"fmt"
	"time"
)

// Origin is what the ledger knows of an origin. Cursor = Applied + Quarantined + Lost; the database enforces it.
type Origin struct {
	Name        string
	Cursor      uint64 // everything up to here is applied
	Settled     uint64 // the cursor nine marks back; 0: none yet
	Applied     uint64 // records that are sessions
	Repeated    uint64 // of the applied: sessions whose id was there already; must stay 0
	Quarantined uint64 // records kept with their bytes, since they could not be inserted
	Lost        uint64 // numbers that tombstones stand for
	FirstSeen   time.Time
	LastSeen    time.Time
}

const selectOrigin = `SELECT name, cursor, settled, applied, repeated, quarantined, lost, first_seen, last_seen FROM origin`

// Origin returns the origin's row, or the zero value when there is none.
func (l *Ledger) Origin(ctx context.Context, name string) (Origin, error) {
	found, err := l.origins(ctx, selectOrigin+` WHERE name = $1`, name)
	if err != nil || len(found) == 0 {
		return Origin{}, err
	}
	return found[0], nil
}

// Origins returns every origin that the ledger has ever seen, the oldest first.
func (l *Ledger) Origins(ctx context.Context) ([]Origin, error) {
	return l.origins(ctx, selectOrigin+` ORDER BY first_seen, name`)
}

func (l *Ledger) origins(ctx context.Context, query string, args ...any) ([]Origin, error) {
	rows, err := l.db.Read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, l.told(fmt.Errorf("reading origins: %w", err))
	}
	defer rows.Close()
	var found []Origin
	for rows.Next() {
		var o Origin
		var first, last int64
		err := rows.Scan(&o.Name, &o.Cursor, &o.Settled, &o.Applied, &o.Repeated, &o.Quarantined, &o.Lost, &first, &last)
		if err != nil {
			return nil, fmt.Errorf("reading origins: %w", err)
		}
		o.FirstSeen, o.LastSeen = fromMillis(first), fromMillis(last)
		found = append(found, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading origins: %w", err)
	}
	return found, nil
}
