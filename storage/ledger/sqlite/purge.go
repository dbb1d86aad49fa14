package sqlite

import (
	"context"
	"database/sql"
)

// purge empties the log, which holds pages as they were before. What was deleted from the file itself has been overwritten
// there (secure_delete). While a reader needs the log it stays, and is overwritten later, as any log is.
func purge(ctx context.Context, db *sql.DB) error {
	var busy, pages, moved int
	return db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
}
