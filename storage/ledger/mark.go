package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// marksBack is how many marks back a cursor counts as settled. Marks are retain/8 apart, and a jump of the clock can be
// worth one mark, so nine make sure of retain (protocol L1).
const marksBack = 9

// ticker is the process's own watch over its marks. Times from time.Now carry a monotonic reading, so whatever the wall
// clock does, a process never writes two marks within the interval.
type ticker struct {
	mu   sync.Mutex
	last time.Time // of the last mark this process wrote
}

func (t *ticker) due(now time.Time, every time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	since := now.Sub(t.last)
	return t.last.IsZero() || since >= every || since < 0
}

func (t *ticker) wrote(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = now
}

// WriteMark writes the next mark, every origin's cursor as it is now, unless the last mark is younger than every; every is an
// eighth of the retention. It reports whether it wrote: false too when another hub was first. Cursors nine marks back become
// settled in the same transaction, and marks that nobody needs any more go.
//
// A last mark that lies in the future by more than every was written under a wrong clock; it is dated anew, so that a clock
// set back does not stop retention until it has caught up.
func (l *Ledger) WriteMark(ctx context.Context, now time.Time, every time.Duration) (bool, error) {
	if !l.tick.due(now, every) {
		return false, nil
	}
	var wrote bool
	err := l.write(ctx, func(tx *sql.Tx) error {
		var n, at int64
		err := tx.QueryRowContext(ctx, `SELECT n, at FROM mark ORDER BY n DESC LIMIT 1`).Scan(&n, &at)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("reading the last mark: %w", err)
		}
		if age := millis(now) - at; n > 0 && age < every.Milliseconds() {
			return redate(ctx, tx, n, now, age < -every.Milliseconds())
		}
		wrote, err = mark(ctx, tx, n+1, now)
		return err
	})
	if err != nil || !wrote {
		return false, err
	}
	l.tick.wrote(now)
	return true, nil
}

func redate(ctx context.Context, tx *sql.Tx, n int64, now time.Time, wrong bool) error {
	if !wrong {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE mark SET at = $1 WHERE n = $2`, millis(now), n); err != nil {
		return fmt.Errorf("dating mark %d anew: %w", n, err)
	}
	return nil
}

// mark writes mark n. An origin that has settled wholly needs no further marks, so their number is that of the origins in
// motion and not that of all there ever were.
func mark(ctx context.Context, tx *sql.Tx, n int64, now time.Time) (bool, error) {
	res, err := tx.ExecContext(ctx, `INSERT INTO mark (n, at) VALUES ($1, $2) ON CONFLICT (n) DO NOTHING`, n, millis(now))
	if err != nil {
		return false, fmt.Errorf("writing mark %d: %w", n, err)
	}
	if rows, err := res.RowsAffected(); err != nil || rows == 0 {
		return false, err
	}
	settled := n - marksBack
	for _, step := range []struct {
		query string
		n     int64
	}{
		{`INSERT INTO cursor_mark (n, origin, cursor) SELECT $1, name, cursor FROM origin WHERE settled < cursor`, n},
		{`UPDATE origin SET settled = m.cursor FROM cursor_mark m
			WHERE m.n = $1 AND m.origin = origin.name AND m.cursor > origin.settled`, settled},
		{`DELETE FROM cursor_mark WHERE n <= $1`, settled},
		{`DELETE FROM mark WHERE n <= $1`, settled},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.n); err != nil {
			return false, fmt.Errorf("writing mark %d: %w", n, err)
		}
	}
	return true, nil
}

// Settled returns, for each origin that has one, the cursor nine marks back: up to there a journal may forget.
func (l *Ledger) Settled(ctx context.Context) (map[string]uint64, error) {
	rows, err := l.db.Read.QueryContext(ctx, `SELECT name, settled FROM origin WHERE settled > 0`)
	if err != nil {
		return nil, l.told(fmt.Errorf("reading settled cursors: %w", err))
	}
	defer rows.Close()
	settled := map[string]uint64{}
	for rows.Next() {
		var name string
		var cursor int64
		if err := rows.Scan(&name, &cursor); err != nil {
			return nil, fmt.Errorf("reading settled cursors: %w", err)
		}
		settled[name] = uint64(cursor)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading settled cursors: %w", err)
	}
	if err := l.gone(); err != nil { // on its word a journal forgets
		return nil, fmt.Errorf("reading settled cursors: %w", err)
	}
	return settled, nil
}
