package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// cutAttempts are the attempts before the claimed ones that nobody has booked. Their time is that of the claim, at which they are
// missed: when they were made is not known any more.
var cutAttempts = `INSERT INTO delivery_attempt (delivery_id, n, time, duration_us, status, error, answer)
	SELECT id, attempts - 1, updated_at, 0, 0, $2, '' FROM delivery
	WHERE network || '' = $1 AND attempts > 1 AND id IN (` + placeholders(3, lookUpChunk) + `)
	ON CONFLICT (delivery_id, n) DO NOTHING`

// logCutShort adds to the logs of claimed deliveries the attempts before whose process has not lived to book them.
func logCutShort(ctx context.Context, tx *sql.Tx, network string, claimed []tracker.Delivery) error {
	var again []string
	for _, d := range claimed {
		if d.Attempts > 1 {
			again = append(again, d.ID)
		}
	}
	for chunk := range slices.Chunk(again, lookUpChunk) {
		args := []any{network, tracker.CutShort}
		for i := range lookUpChunk {
			args = append(args, chunk[min(i, len(chunk)-1)])
		}
		if _, err := tx.ExecContext(ctx, cutAttempts, args...); err != nil {
			return fmt.Errorf("logging attempts that were cut short: %w", err)
		}
	}
	return nil
}
