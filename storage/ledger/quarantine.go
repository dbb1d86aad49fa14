package ledger

import (
	"context"
	"fmt"
	"time"
)

// Quarantined is a record that could not be inserted, or a tombstone for records that can no longer be read.
type Quarantined struct {
	Origin    string
	From, Seq uint64 // the numbers that it stands for; From differs from Seq only when Lost
	Lost      bool
	Reason    string // what was wrong, in the database's or the decoder's words
	Raw       []byte // the record as it came
	CreatedAt time.Time
}

// Quarantine returns, in order, at most limit of the origin's quarantined records with numbers above after.
func (l *Ledger) Quarantine(ctx context.Context, origin string, after uint64, limit int) ([]Quarantined, error) {
	rows, err := l.db.Read.QueryContext(ctx, `SELECT origin, from_seq, seq, lost, reason, raw, created_at FROM quarantine
		WHERE origin = $1 AND seq > $2 ORDER BY seq LIMIT $3`, origin, int64(after), limit)
	if err != nil {
		return nil, fmt.Errorf("reading the quarantine: %w", err)
	}
	defer rows.Close()
	var found []Quarantined
	for rows.Next() {
		var q Quarantined
		var created int64
		if err := rows.Scan(&q.Origin, &q.From, &q.Seq, &q.Lost, &q.Reason, &q.Raw, &created); err != nil {
			return nil, fmt.Errorf("reading the quarantine: %w", err)
		}
		q.CreatedAt = fromMillis(created)
		found = append(found, q)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the quarantine: %w", err)
	}
	return found, nil
}
