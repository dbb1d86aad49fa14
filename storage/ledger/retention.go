package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// fieldClass is what of a session has a retention of its own.
type fieldClass struct {
	name    string
	limit   func(r tracker.Retention) time.Duration
	blank   string // the columns as they are without it
	filled  string // true of a session that has something of it
	without func(s Session) *Session
}

var fieldClasses = []fieldClass{
	{
		name:  "ip",
		limit: func(r tracker.Retention) time.Duration { return r.IP },
		blank: `ip = ''`, filled: `ip <> ''`,
		without: func(s Session) *Session { s.IP = ""; return &s },
	},
	{
		name:  "user_agent",
		limit: func(r tracker.Retention) time.Duration { return r.UserAgent },
		blank: `user_agent = ''`, filled: `user_agent <> ''`,
		without: func(s Session) *Session { s.UserAgent = ""; return &s },
	},
	{
		name:   "query",
		limit:  func(r tracker.Retention) time.Duration { return r.Query },
		blank:  `query = '', referrer = '', click_ids = '{}', query_params = ''`,
		filled: `(query <> '' OR referrer <> '' OR click_ids <> '{}' OR query_params <> '')`,
		without: func(s Session) *Session {
			s.Query, s.Referrer, s.ClickIDs, s.QueryParams = "", "", nil, ""
			return &s
		},
	},
}

// forgetStep is how many sessions one transaction of Forget passes, so that it keeps nobody waiting for long.
const forgetStep = 1000

// Forget blanks what is older than its retention, in all networks and in steps of at most 1,000 sessions, and returns how
// many rows it has changed. It begins where the last call ended; several may run at once. What is older than that when it
// comes lands blank. Records in quarantine lose their bytes when the shortest retention is over, since any field may be in
// them.
func (l *Ledger) Forget(ctx context.Context, r tracker.Retention) (rows int64, err error) {
	var shortest time.Duration
	for _, class := range fieldClasses {
		limit := class.limit(r)
		if limit <= 0 {
			continue
		}
		if shortest == 0 || limit < shortest {
			shortest = limit
		}
		n, err := l.forgetClass(ctx, class, millis(l.now().Add(-limit)))
		rows += n
		if err != nil {
			return rows, fmt.Errorf("forgetting %s: %w", class.name, err)
		}
	}
	if shortest == 0 {
		return rows, nil
	}
	n, err := l.forgetRaw(ctx, millis(l.now().Add(-shortest)))
	return rows + n, err
}

// forgetClass blanks the columns of all sessions of before that time.
func (l *Ledger) forgetClass(ctx context.Context, class fieldClass, before int64) (rows int64, err error) {
	for more := true; more; {
		var n int64
		err := l.write(ctx, func(tx *sql.Tx) (err error) {
			if err := l.whileNobodyErases(ctx, tx); err != nil { // which changes the same rows, in another order
				return err
			}
			n, more, err = forgetSome(ctx, tx, class, before)
			return err
		})
		if err != nil {
			return rows, err
		}
		rows += n
	}
	return rows, nil
}

// sessionPlace is a place in the order of all sessions by time.
type sessionPlace struct {
	time int64
	id   string
}

// forgetSome is one step. It goes on from the mark, whose row it locks. Where the retention has become longer, the mark goes
// back.
func forgetSome(ctx context.Context, tx *sql.Tx, class fieldClass, before int64) (rows int64, more bool, err error) {
	var from, to sessionPlace
	err = tx.QueryRowContext(ctx, `INSERT INTO retention_mark (field, time, session_id) VALUES ($1, 0, '')
		ON CONFLICT (field) DO UPDATE SET time = retention_mark.time RETURNING time, session_id`, class.name).
		Scan(&from.time, &from.id)
	if err != nil {
		return 0, false, fmt.Errorf("locking the mark: %w", err)
	}
	err = tx.QueryRowContext(ctx, `SELECT time, id FROM session WHERE (time, id) >= ($1, $2) AND time < $3
		ORDER BY time, id LIMIT 1 OFFSET $4`, from.time, from.id, before, forgetStep).Scan(&to.time, &to.id)
	if more = err == nil; errors.Is(err, sql.ErrNoRows) {
		to, err = sessionPlace{time: before}, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("finding the end of a step: %w", err)
	}
	done, err := tx.ExecContext(ctx, `UPDATE session SET `+class.blank+` WHERE (time, id) >= ($1, $2) AND (time, id) < ($3, $4)
		AND `+class.filled, from.time, from.id, to.time, to.id)
	if err != nil {
		return 0, false, fmt.Errorf("blanking: %w", err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE retention_mark SET time = $2, session_id = $3 WHERE field = $1`,
		class.name, to.time, to.id)
	if err != nil {
		return 0, false, fmt.Errorf("moving the mark: %w", err)
	}
	rows, err = done.RowsAffected()
	return rows, more, err
}

// forgetRaw takes the bytes of what has been in quarantine since before that time.
func (l *Ledger) forgetRaw(ctx context.Context, before int64) (rows int64, err error) {
	err = l.write(ctx, func(tx *sql.Tx) error {
		if err := l.whileNobodyErases(ctx, tx); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `UPDATE quarantine SET raw = $1 WHERE created_at < $2 AND length(raw) > 0`,
			[]byte{}, before)
		if err != nil {
			return err
		}
		rows, err = done.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forgetting records in quarantine: %w", err)
	}
	return rows, nil
}

// forgotten is what must not land any more.
type forgotten struct {
	people bool             // somebody has been erased
	before map[string]int64 // by class of field: what is older has been blanked
}

// readForgotten asks for both in one query: it is asked with each batch.
func readForgotten(ctx context.Context, tx *sql.Tx) (forgotten, error) {
	rows, err := tx.QueryContext(ctx, `SELECT field, time FROM retention_mark
		UNION ALL SELECT '', erased_at FROM (SELECT erased_at FROM erased_visitor LIMIT 1) AS v`)
	if err != nil {
		return forgotten{}, fmt.Errorf("reading what was forgotten: %w", err)
	}
	defer rows.Close()
	f := forgotten{before: map[string]int64{}}
	for rows.Next() {
		var field string
		var time int64
		if err := rows.Scan(&field, &time); err != nil {
			return forgotten{}, fmt.Errorf("reading what was forgotten: %w", err)
		}
		if field == "" {
			f.people = true
		} else {
			f.before[field] = time
		}
	}
	if err := rows.Err(); err != nil {
		return forgotten{}, fmt.Errorf("reading what was forgotten: %w", err)
	}
	return f, nil
}

// blank takes out of sessions that are about to land what was forgotten meanwhile.
func (a *applier) blank(ctx context.Context, records []Record) error {
	for _, class := range fieldClasses {
		before := a.forgotten.before[class.name]
		for i, r := range records {
			if millis(r.Session.Time) < before {
				records[i].Session = class.without(*r.Session)
			}
		}
	}
	if !a.forgotten.people {
		return nil
	}
	return a.blankErased(ctx, records)
}
