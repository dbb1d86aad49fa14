package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

// insert adds row by row by one prepared statement: nothing leaves the process, so a larger statement would save little.
func insert(ctx context.Context, tx *sql.Tx, r ledger.Rows) (int64, error) {
	names := make([]string, len(r.Columns))
	marks := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		names[i], marks[i] = c.Name, "?"
	}
	stmt, err := tx.PrepareContext(ctx, fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (%s) DO NOTHING`,
		r.Table, strings.Join(names, ", "), strings.Join(marks, ", "), r.Key))
	if err != nil {
		return 0, err
	}
	defer stmt.Close()
	var inserted int64
	args := make([]any, len(r.Columns))
	for row := range r.Len {
		for i := range r.Columns {
			args[i] = r.Columns[i].Value(row)
		}
		res, err := stmt.ExecContext(ctx, args...)
		if err != nil {
			return 0, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return 0, err
		}
		inserted += n
	}
	return inserted, nil
}
