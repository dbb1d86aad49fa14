package ledger

import (
	"context"
	"fmt"
	"slices"
)

var (
	subjects       = ` WHERE network || '' = $1 AND subject IN (` + placeholders(2, lookUpChunk) + `)`
	stopDeliveries = `UPDATE delivery SET state = 'gone'` + subjects
	blankAttempts  = `UPDATE delivery_attempt SET answer = '' WHERE answer <> '' AND delivery_id IN (SELECT id FROM delivery` + subjects + `)`
)

// stopDeliveries lets nobody be told any more, not even again, of what has these ids.
func (e *eraser) stopDeliveries(ctx context.Context, ids ...string) error {
	if err := e.aboutSubjects(ctx, stopDeliveries, ids); err != nil {
		return fmt.Errorf("stopping deliveries: %w", err)
	}
	return e.blankAttempts(ctx, ids...)
}

// blankAttempts blanks what endpoints have answered about what has these ids: it may be what they were told.
func (e *eraser) blankAttempts(ctx context.Context, ids ...string) error {
	if err := e.aboutSubjects(ctx, blankAttempts, ids); err != nil {
		return fmt.Errorf("blanking what endpoints have answered: %w", err)
	}
	return nil
}

func (e *eraser) aboutSubjects(ctx context.Context, query string, ids []string) error {
	for chunk := range slices.Chunk(ids, lookUpChunk) {
		args := []any{e.network}
		for i := range lookUpChunk {
			args = append(args, chunk[min(i, len(chunk)-1)])
		}
		if _, err := e.tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}
