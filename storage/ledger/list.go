package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// readAll returns what scan makes of each row.
func readAll[T any](
	ctx context.Context, q queryer, what string, scan func(*sql.Rows) (T, error), query string, args ...any,
) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", what, err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return all, nil
}

// read is readAll outside of a transaction.
func read[T any](
	ctx context.Context, l *Ledger, what string, scan func(*sql.Rows) (T, error), query string, args ...any,
) ([]T, error) {
	all, err := readAll(ctx, l.db.Read, what, scan, query, args...)
	return all, l.told(err)
}

// only returns the single row, or ErrNotFound.
func only[T any](rows []T, err error) (T, error) {
	var none T
	if err != nil {
		return none, err
	}
	if len(rows) == 0 {
		return none, ErrNotFound
	}
	return rows[0], nil
}

// view runs do in a transaction that sees one state and writes nothing.
func (l *Ledger) view(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := l.db.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: l.db.Snapshot})
	if err != nil {
		return l.told(fmt.Errorf("beginning to read: %w", err))
	}
	defer tx.Rollback()
	return l.told(do(tx))
}

// selection is what follows FROM in the query of a list, with the values that it binds.
type selection struct {
	text string
	args []any
}

// selectOf selects the rows whose column is the network.
func selectOf(column, network string) *selection {
	return &selection{text: ` WHERE ` + column + ` = $1`, args: []any{network}}
}

// and adds a condition. Its question mark stands for the value.
func (s *selection) and(condition string, value any) {
	s.text += ` AND ` + strings.Replace(condition, "?", s.bind(value), 1)
}

func (s *selection) bind(value any) string {
	s.args = append(s.args, value)
	return "$" + strconv.Itoa(len(s.args))
}

// andIf adds the condition unless the value is zero.
func andIf[T comparable](s *selection, condition string, value T) {
	var zero T
	if value != zero {
		s.and(condition, value)
	}
}

// page orders the rows by their number and takes those that follow p.After: one more than the page has, if there is one.
func (s *selection) page(number string, p tracker.Page) error {
	if p.After != "" {
		_, text, err := tracker.DecodeCursor(p.After)
		if err != nil {
			return err
		}
		after, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return tracker.ErrCursor
		}
		s.and(number+` > ?`, after)
	}
	s.text += ` ORDER BY ` + number + ` LIMIT ` + s.bind(p.Size()+1)
	return nil
}

// cut returns the page and where the next one begins, if there is one.
func cut[T any](rows []T, p tracker.Page, number func(T) int64) ([]T, string) {
	size := p.Size()
	if len(rows) <= size {
		return rows, ""
	}
	return rows[:size], tracker.EncodeCursor(0, strconv.FormatInt(number(rows[size-1]), 10))
}
