package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// aliasSize is the length of an alias. Its 40 random bits make two alike rare, which the table refuses, and guessing idle.
const aliasSize = 8

// ConversionAliases returns a short id for each of the network's conversions among ids: made when it is first asked for, and
// the same ever after. An id of which the network has no conversion has none.
func (l *Ledger) ConversionAliases(ctx context.Context, network string, ids []string) (map[string]string, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids))) // in one order, so that two who ask at once do not lock each other out
	known, err := readAliases(ctx, l.db.Read, network, ids)
	if err != nil || len(known) == len(ids) {
		return known, l.told(err)
	}
	err = l.book(ctx, func(b *books) error {
		for _, id := range ids {
			if _, ok := known[id]; ok {
				continue
			}
			if err := addAlias(ctx, b.tx, network, id); err != nil {
				return err
			}
		}
		known, err = readAliases(ctx, b.tx, network, ids)
		return err
	})
	return known, err
}

// addAlias gives the conversion an alias, unless another was first, or it is none.
func addAlias(ctx context.Context, tx *sql.Tx, network, id string) error {
	const query = `INSERT INTO conversion_alias (network, alias, conversion_id)
		SELECT c.network, $3, c.id FROM conversion c WHERE c.id = $1 AND c.network = $2
		AND NOT EXISTS (SELECT 1 FROM conversion_alias a WHERE a.conversion_id = c.id) ON CONFLICT DO NOTHING`
	for range bookAttempts {
		done, err := tx.ExecContext(ctx, query, id, network, strings.ToLower(rand.Text()[:aliasSize]))
		if err != nil {
			return fmt.Errorf("adding a conversion's alias: %w", err)
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var settled bool // there is one, or no conversion; else the alias was another's
		err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM conversion_alias WHERE conversion_id = $1)
			OR NOT EXISTS (SELECT 1 FROM conversion WHERE id = $1 AND network = $2)`, id, network).Scan(&settled)
		if err != nil {
			return fmt.Errorf("reading a conversion's alias: %w", err)
		}
		if settled {
			return nil
		}
	}
	return fmt.Errorf("adding a conversion's alias: %w", errClash)
}

var selectAliases = `SELECT conversion_id, alias FROM conversion_alias WHERE network = $1 AND conversion_id IN (` +
	placeholders(2, lookUpChunk) + `)`

func readAliases(ctx context.Context, q queryer, network string, ids []string) (map[string]string, error) {
	aliases := make(map[string]string, len(ids))
	for chunk := range slices.Chunk(ids, lookUpChunk) {
		args := []any{network}
		for i := range lookUpChunk {
			args = append(args, chunk[min(i, len(chunk)-1)])
		}
		found, err := readAll(ctx, q, "aliases of conversions", func(rows *sql.Rows) (pair [2]string, err error) {
			err = rows.Scan(&pair[0], &pair[1])
			return pair, err
		}, selectAliases, args...)
		if err != nil {
			return nil, err
		}
		for _, pair := range found {
			aliases[pair[0]] = pair[1]
		}
	}
	return aliases, nil
}

// AliasedConversion returns the id of the network's conversion with that alias, or tracker.ErrNotFound.
func (l *Ledger) AliasedConversion(ctx context.Context, network, alias string) (id string, err error) {
	id, err = only(read(ctx, l, "an alias", scanText,
		`SELECT conversion_id FROM conversion_alias WHERE network = $1 AND alias = $2`, network, alias))
	if err != nil && l.db.Refused(err) { // no alias has bytes that the database cannot keep
		err = tracker.ErrNotFound
	}
	return id, err
}
