package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
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
	stmt, err := tx.PrepareContext(ctx, fmt.Sprintf(`INSERT INTO %s (%s) VALUES (%s) %s`,
		r.Table, strings.Join(names, ", "), strings.Join(marks, ", "), r.OnConflict()))
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

// values passes the batch as one JSON array, since SQLite takes the longer to bind a parameter the more there are.
func values(r ledger.Rows) (table string, args []any) {
	columns := make([]string, len(r.Columns))
	for i, c := range r.Columns {
		columns[i] = fmt.Sprintf("value ->> %d AS %s", i, c.Name)
	}
	rows := make([][]any, r.Len)
	for row := range rows {
		rows[row] = make([]any, len(r.Columns))
		for i := range r.Columns {
			rows[row][i] = r.Columns[i].Value(row)
		}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		panic(err) // texts, numbers and truths always have a JSON form
	}
	return fmt.Sprintf("(SELECT %s FROM json_each($1)) AS %s", strings.Join(columns, ", "), r.Table), []any{string(text)}
}
