package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// IdempotencyTime is how long an idempotency key is remembered.
const IdempotencyTime = 30 * 24 * time.Hour

// useKey binds the report's idempotency key to what the report says, or returns tracker.ErrIdempotency if it is bound to
// something else. The answer needs no help of the key: who says the same again gets it by the conversion's identity.
func (b *books) useKey(ctx context.Context, n *tracker.NewConversion, id identity, hash string) error {
	if n.IdempotencyKey == "" {
		return nil
	}
	var bound string
	asked := requestHash(id, hash)
	err := b.tx.QueryRowContext(ctx, `INSERT INTO idempotency (network, name, hash, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (network, name) DO UPDATE SET
		hash = CASE WHEN idempotency.created_at < $5 THEN excluded.hash ELSE idempotency.hash END,
		created_at = CASE WHEN idempotency.created_at < $5 THEN excluded.created_at ELSE idempotency.created_at END
		RETURNING hash`,
		n.Network, n.Actor+":"+n.IdempotencyKey, asked, millis(b.now), millis(b.now.Add(-IdempotencyTime))).Scan(&bound)
	if err != nil {
		return fmt.Errorf("looking up the idempotency key: %w", err)
	}
	if bound != asked {
		return tracker.ErrIdempotency
	}
	return nil
}

// requestHash is the hash of a report's identity and content.
func requestHash(id identity, hash string) string {
	text := fmt.Sprintf("%q %q %q %s", id.externalID, string(id.kind), id.source, hash)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// forgetKeys is how many keys one transaction forgets, so that it keeps no report waiting for long.
const forgetKeys = 1000

// ForgetIdempotency forgets the idempotency keys that were first used before that time, and returns how many.
func (l *Ledger) ForgetIdempotency(ctx context.Context, before time.Time) (int64, error) {
	forgotten := int64(0)
	for {
		var step int64
		err := l.write(ctx, func(tx *sql.Tx) error {
			done, err := tx.ExecContext(ctx, `DELETE FROM idempotency WHERE (network, name) IN
				(SELECT network, name FROM idempotency WHERE created_at < $1 LIMIT $2)`, millis(before), forgetKeys)
			if err == nil {
				step, err = done.RowsAffected()
			}
			return err
		})
		if err != nil {
			return forgotten, fmt.Errorf("forgetting idempotency keys: %w", err)
		}
		forgotten += step
		if step < forgetKeys {
			return forgotten, nil
		}
	}
}
