package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// CreateKey stores a key, and makes its network where it is missing. ErrExists: another key has its id.
func (l *Ledger) CreateKey(ctx context.Context, k tracker.Key) error {
	err := l.write(ctx, func(tx *sql.Tx) error {
		if err := makeNetwork(ctx, tx, k.Network, l.now()); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO api_key (id, network, name, scopes, rate, hash, created_at, last_used_at, revoked_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0) ON CONFLICT (id) DO NOTHING`,
			k.ID, k.Network, k.Name, array(k.Scopes), k.Rate, k.Hash, millis(k.CreatedAt))
		if err != nil {
			return err
		}
		if added, err := done.RowsAffected(); err != nil || added == 0 {
			return fmt.Errorf("id %w", ErrExists)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("adding a key: %w", err)
	}
	return nil
}

const selectKeys = `SELECT id, network, name, scopes, rate, hash, created_at, last_used_at, revoked_at FROM api_key`

// Keys returns the network's keys, revoked ones as well, oldest first.
func (l *Ledger) Keys(ctx context.Context, network string) ([]tracker.Key, error) {
	return read(ctx, l, "keys", scanKey, selectKeys+` WHERE network = $1 ORDER BY created_at, id`, network)
}

// KeyByID returns a key of any network, also a revoked one, or ErrNotFound.
func (l *Ledger) KeyByID(ctx context.Context, id string) (tracker.Key, error) {
	return only(read(ctx, l, "a key", scanKey, selectKeys+` WHERE id = $1`, id))
}

// RevokeKey ends a key of the network and returns it. One that was revoked before keeps its time. ErrNotFound: the network
// has no such key.
func (l *Ledger) RevokeKey(ctx context.Context, network, id string) (tracker.Key, error) {
	var revoked tracker.Key
	err := l.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE api_key SET revoked_at = $3 WHERE network = $1 AND id = $2 AND revoked_at = 0`,
			network, id, millis(l.now()))
		if err != nil {
			return err
		}
		revoked, err = only(readAll(ctx, tx, "a key", scanKey, selectKeys+` WHERE network = $1 AND id = $2`, network, id))
		return err
	})
	if err != nil {
		return tracker.Key{}, fmt.Errorf("revoking a key: %w", err)
	}
	return revoked, nil
}

// usedWithin is how exactly the last use of a key is kept.
const usedWithin = time.Minute

// KeyUsed notes that a key was used, unless the note that is there is less than a minute older. A key that does not exist is
// none of its business.
func (l *Ledger) KeyUsed(ctx context.Context, id string, at time.Time) error {
	const due = ` FROM api_key WHERE id = $1 AND last_used_at < $2`
	before := millis(at.Add(-usedWithin))
	var stale bool
	// Asking first keeps the many calls that have nothing to note from waiting for writers.
	if err := l.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1`+due+`)`, id, before).Scan(&stale); err != nil {
		return l.told(fmt.Errorf("reading a key's last use: %w", err))
	}
	if !stale {
		return nil
	}
	return l.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE api_key SET last_used_at = $3 WHERE id = $1 AND last_used_at < $2`, id, before, millis(at))
		if err != nil {
			return fmt.Errorf("noting a key's use: %w", err)
		}
		return nil
	})
}

func scanKey(rows *sql.Rows) (tracker.Key, error) {
	var k tracker.Key
	var scopes string
	var created, used, revoked int64
	err := rows.Scan(&k.ID, &k.Network, &k.Name, &scopes, &k.Rate, &k.Hash, &created, &used, &revoked)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal([]byte(scopes), &k.Scopes); err != nil {
		return k, fmt.Errorf("key %s: reading the scopes: %w", k.ID, err)
	}
	k.CreatedAt, k.LastUsedAt, k.RevokedAt = fromMillis(created), timeOrNil(used), timeOrNil(revoked)
	return k, nil
}

// timeOrNil returns the time, or nil for 0, which is none.
func timeOrNil(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	at := fromMillis(ms)
	return &at
}
