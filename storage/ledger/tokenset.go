package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// AddTokenSet stores a token set under a guid of its own. tracker.Invalid: f breaks a rule.
func (l *Ledger) AddTokenSet(ctx context.Context, network string, f tracker.TokenSetFields) (set tracker.TokenSet, err error) {
	if err := f.Check(); err != nil {
		return set, fmt.Errorf("adding a token set: %w", err)
	}
	err = l.change(ctx, func(c *catalog) error {
		if err := c.network(ctx, network); err != nil {
			return err
		}
		id, err := c.numbers(ctx, "token_set", 1)
		if err != nil {
			return err
		}
		set = tracker.TokenSet{GUID: newGUID(), ID: id, Network: network, TokenSetFields: f, CreatedAt: c.at(), UpdatedAt: c.at()}
		_, err = c.tx.ExecContext(ctx, `INSERT INTO token_set (id, network, guid, username, programs, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $6)`, id, network, set.GUID, f.Username, array(f.Programs), millis(c.now))
		return err // no link is made of it, so their version stays
	})
	if err != nil {
		return tracker.TokenSet{}, fmt.Errorf("adding a token set: %w", err)
	}
	return set, nil
}

// TokenSet returns a token set of the network, or ErrNotFound.
func (l *Ledger) TokenSet(ctx context.Context, network, guid string) (tracker.TokenSet, error) {
	return only(read(ctx, l, "a token set", scanTokenSet, `SELECT id, network, guid, username, programs, created_at, updated_at
		FROM token_set WHERE network = $1 AND guid = $2`, network, guid))
}

func scanTokenSet(rows *sql.Rows) (tracker.TokenSet, error) {
	var s tracker.TokenSet
	var programs string
	var created, updated int64
	err := rows.Scan(&s.ID, &s.Network, &s.GUID, &s.Username, &programs, &created, &updated)
	if err != nil {
		return s, err
	}
	s.CreatedAt, s.UpdatedAt = fromMillis(created), fromMillis(updated)
	return s, json.Unmarshal([]byte(programs), &s.Programs)
}
