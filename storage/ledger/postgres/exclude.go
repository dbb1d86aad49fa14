package postgres

import (
	"context"
	"database/sql"
)

// exclude locks the table against writers. Readers go on.
func exclude(ctx context.Context, tx *sql.Tx, table string) error {
	_, err := tx.ExecContext(ctx, `LOCK TABLE `+table+` IN SHARE ROW EXCLUSIVE MODE`)
	return err
}
