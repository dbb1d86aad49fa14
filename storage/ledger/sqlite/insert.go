package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

// yieldEvery is after how many rows an insert lets others go first. SQLite works in this process, and a batch is milliseconds
// of work, for which a request that is due on the same processor would have to wait.
const yieldEvery = 8

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
	unending := context.WithoutCancel(ctx) // for each call with another the driver starts a goroutine that watches it
	var inserted int64
	args := make([]any, len(r.Columns))
	for row := range r.Len {
		if row%yieldEvery == yieldEvery-1 {
			runtime.Gosched()
			if err := ctx.Err(); err != nil {
				return 0, err
			}
		}
		for i := range r.Columns {
			args[i] = r.Columns[i].Value(row)
		}
		res, err := stmt.ExecContext(unending, args...)
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

// values passes the batch as one JSON array, since SQLite takes the longer to bind a parameter the more there are. Of a single
// text for each row it is one of texts, which SQLite takes apart several times as fast as arrays.
func values(r ledger.Rows) (table string, args []any) {
	if len(r.Columns) == 1 && r.Columns[0].Text != nil {
		return fmt.Sprintf("(SELECT value AS %s FROM json_each($1)) AS %s", r.Columns[0].Name, r.Table),
			[]any{jsonText(r.Columns[0].Text)}
	}
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
	return fmt.Sprintf("(SELECT %s FROM json_each($1)) AS %s", strings.Join(columns, ", "), r.Table), []any{jsonText(rows)}
}

func jsonText(rows any) string {
	text, err := json.Marshal(rows)
	if err != nil {
		panic(err) // texts, numbers and truths always have a JSON form
	}
	return string(text)
}
