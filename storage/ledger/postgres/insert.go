package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

// insert sends the whole batch in one statement, each column as one array.
func insert(ctx context.Context, tx *sql.Tx, r ledger.Rows) (int64, error) {
	names, arrays, args := columns(r)
	res, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO %s (%s) SELECT * FROM unnest(%s) %s`,
		r.Table, names, arrays, r.OnConflict()), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// values is a table of arrays, one for each column.
func values(r ledger.Rows) (table string, args []any) {
	names, arrays, args := columns(r)
	return fmt.Sprintf("unnest(%s) AS %s (%s)", arrays, r.Table, names), args
}

// columns returns the columns' names, the arrays to which they are bound, and those.
func columns(r ledger.Rows) (names, arrays string, args []any) {
	name := make([]string, len(r.Columns))
	array := make([]string, len(r.Columns))
	args = make([]any, len(r.Columns))
	for i, c := range r.Columns {
		var kind string
		switch {
		case c.Text != nil:
			kind, args[i] = "text", c.Text
		case c.Int != nil:
			kind, args[i] = "bigint", c.Int
		default:
			kind, args[i] = "boolean", c.Truth
		}
		name[i], array[i] = c.Name, fmt.Sprintf("$%d::%s[]", i+1, kind)
	}
	return strings.Join(name, ", "), strings.Join(array, ", "), args
}
