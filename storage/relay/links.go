package relay

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

const linksKey = "affiliate:links"

// PublishLinks publishes the link table for edges that have no ledger, with the ledger's identity and the version of the
// table. The last to publish wins; a hub that finds another version than its ledger's publishes again.
func (r *Relay) PublishLinks(ctx context.Context, ledgerID string, version int64, table []byte) error {
	_, err := r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Del(ctx, linksKey) // whatever type it has
		p.HSet(ctx, linksKey, "ledger_id", ledgerID, "version", version, "table", table)
		return nil
	})
	if err = done("links", err); err != nil {
		return fmt.Errorf("publishing the link table: %w", err)
	}
	return nil
}

// LinksVersion returns which ledger's table is published, and its version. ledgerID is empty if none is.
func (r *Relay) LinksVersion(ctx context.Context) (ledgerID string, version int64, err error) {
	values, err := r.links(ctx, "ledger_id", "version")
	if err != nil {
		return "", 0, err
	}
	if version, err = strconv.ParseInt(values[1], 10, 64); err != nil {
		return "", 0, nil // a stranger's
	}
	return values[0], version, nil
}

// Links returns the published table and its version. table is nil if there is none.
func (r *Relay) Links(ctx context.Context) (version int64, table []byte, err error) {
	values, err := r.links(ctx, "version", "table")
	if err != nil {
		return 0, nil, err
	}
	if version, err = strconv.ParseInt(values[0], 10, 64); err != nil || values[1] == "" {
		return 0, nil, nil // none, or a stranger's
	}
	return version, []byte(values[1]), nil
}

// links reads two fields of the hash, empty where absent.
func (r *Relay) links(ctx context.Context, a, b string) (values [2]string, err error) {
	reply, err := r.client.HMGet(ctx, linksKey, a, b).Result()
	if err = done("links", absentIfForeign(err)); err != nil {
		return values, fmt.Errorf("reading the published links: %w", err)
	}
	if len(reply) == 2 {
		values = [2]string{text(reply[0]), text(reply[1])}
	}
	return values, nil
}
