package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Quarantined is a record that could not be inserted, or a tombstone for records that can no longer be read.
type Quarantined struct {
	Origin    string
	From, Seq uint64 // the numbers that it stands for; From differs from Seq only when Lost
	Lost      bool
	Reason    string // what was wrong, in the database's or the decoder's words
	Raw       []byte // the record as it came; empty once its person was erased, or it is older than a retention
	CreatedAt time.Time
}

// Quarantine returns, in order, at most limit of the origin's quarantined records with numbers above after.
func (l *Ledger) Quarantine(ctx context.Context, origin string, after uint64, limit int) ([]Quarantined, error) {
	return readQuarantine(ctx, l.db.Read, ` WHERE origin = $1 AND seq > $2 ORDER BY seq LIMIT $3`, origin, int64(after), limit)
}

func readQuarantine(ctx context.Context, q queryer, where string, args ...any) ([]Quarantined, error) {
	return readAll(ctx, q, "the quarantine", func(rows *sql.Rows) (q Quarantined, err error) {
		var created int64
		err = rows.Scan(&q.Origin, &q.From, &q.Seq, &q.Lost, &q.Reason, &q.Raw, &created)
		q.CreatedAt = fromMillis(created)
		return q, err
	}, `SELECT origin, from_seq, seq, lost, reason, raw, created_at FROM quarantine`+where, args...)
}

func (a *applier) quarantine(r Record, reason string) {
	a.done.Quarantined++
	a.refused = append(a.refused, Quarantined{From: r.Seq, Seq: r.Seq, Reason: reason, Raw: r.Raw})
}

// writeQuarantine writes what did not land.
func (a *applier) writeQuarantine(ctx context.Context) error {
	if err := a.emptyErased(ctx); err != nil {
		return err
	}
	for _, r := range a.refused {
		raw := r.Raw
		if raw == nil {
			raw = []byte{}
		}
		_, err := a.tx.ExecContext(ctx, `INSERT INTO quarantine (origin, seq, from_seq, lost, reason, raw, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (origin, seq) DO NOTHING`,
			a.origin, int64(r.Seq), int64(r.From), r.Lost, harmless(r.Reason, maxReason), raw, a.now)
		if err != nil {
			return fmt.Errorf("writing number %d to quarantine: %w", r.Seq, err)
		}
	}
	return nil
}

// maxReason bounds the text of a quarantine row, in bytes.
const maxReason = 1000

// harmless makes a text that no database refuses: valid UTF-8, no NUL, bounded in bytes.
func harmless(s string, max int) string {
	if len(s) > max {
		s = s[:max]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
