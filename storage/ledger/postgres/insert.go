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
	names := make([]string, len(r.Columns))
	arrays := make([]string, len(r.Columns))
	args := make([]any, len(r.Columns))
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
		names[i], arrays[i] = c.Name, fmt.Sprintf("$%d::%s[]", i+1, kind)
	}
	res, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO %s (%s) SELECT * FROM unnest(%s) ON CONFLICT (%s) DO NOTHING`,
		r.Table, strings.Join(names, ", "), strings.Join(arrays, ", "), r.Key), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
