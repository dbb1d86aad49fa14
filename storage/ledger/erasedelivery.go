package ledger

import (
	"context"
	"fmt"
)

// stopDeliveries lets nobody be told any more, not even again, of what has these ids.
func (e *eraser) stopDeliveries(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	about, args := e.ledger.about(e.network, ids)
	if _, err := e.tx.ExecContext(ctx, `UPDATE delivery SET state = 'gone' WHERE id IN (`+about+`)`, args...); err != nil {
		return fmt.Errorf("stopping deliveries: %w", err)
	}
	return e.blankAttempts(ctx, ids...)
}

// blankAttempts blanks what endpoints have answered about what has these ids: it may be what they were told.
func (e *eraser) blankAttempts(ctx context.Context, ids ...string) error {
	about, args := e.ledger.about(e.network, ids)
	_, err := e.tx.ExecContext(ctx, `UPDATE delivery_attempt SET answer = '' WHERE answer <> '' AND delivery_id IN (`+about+`)`, args...)
	if err != nil {
		return fmt.Errorf("blanking what endpoints have answered: %w", err)
	}
	return nil
}
