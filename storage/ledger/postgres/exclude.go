package postgres

import (
	"context"
	"database/sql"
)

// enter locks the table in the strongest mode that does not keep those who do the same, or write to it, from each other. Such
// locks cost next to nothing: PostgreSQL keeps them apart from all others while nobody excludes.
func enter(ctx context.Context, tx *sql.Tx, table string) error {
	_, err := tx.ExecContext(ctx, `LOCK TABLE `+table+` IN ROW SHARE MODE`)
	return err
}

// exclude locks the table in the weakest mode that waits for those who have entered, and keeps others from it. Readers go on.
func exclude(ctx context.Context, tx *sql.Tx, table string) error {
	_, err := tx.ExecContext(ctx, `LOCK TABLE `+table+` IN EXCLUSIVE MODE`)
	return err
}
