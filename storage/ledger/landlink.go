package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// linkChunk is how many codes one statement looks up. The list is always filled up to it, so that each engine prepares the
// statement once.
const linkChunk = 64

// findLinks sets the LinkID of each session, and makes links that the ledger does not know. It remembers nothing between
// transactions: a ledger that comes back older may not have the links that were there a moment ago.
func (a *applier) findLinks(ctx context.Context, records []Record) error {
	ids := map[LinkID]int64{}
	wanted := map[string][]string{} // code keys by network
	for _, r := range records {
		name := LinkID{r.Session.Network, r.Session.Code}.key()
		if _, seen := ids[name]; !seen {
			ids[name] = 0
			wanted[name.Network] = append(wanted[name.Network], name.Code)
		}
	}
	for network, keys := range wanted {
		for chunk := range slices.Chunk(keys, linkChunk) {
			if err := a.lookUp(ctx, network, chunk, ids); err != nil {
				return err
			}
		}
	}
	if err := a.makeMissing(ctx, records, ids); err != nil {
		return err
	}
	for _, r := range records {
		r.Session.LinkID = ids[LinkID{r.Session.Network, r.Session.Code}.key()]
	}
	return nil
}

var lookUpLinks = `SELECT code_key, id FROM link WHERE network = $1 AND code_key IN (` + placeholders(2, linkChunk) + `)`

func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	return b.String()
}

func (a *applier) lookUp(ctx context.Context, network string, keys []string, ids map[LinkID]int64) error {
	args := make([]any, 0, 1+linkChunk)
	args = append(args, network)
	for i := range linkChunk {
		args = append(args, keys[min(i, len(keys)-1)])
	}
	rows, err := a.tx.QueryContext(ctx, lookUpLinks, args...)
	if err != nil {
		return fmt.Errorf("looking up links: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var id int64
		if err := rows.Scan(&key, &id); err != nil {
			return fmt.Errorf("looking up links: %w", err)
		}
		ids[LinkID{network, key}] = id
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("looking up links: %w", err)
	}
	return nil
}

// makeMissing makes a disabled link for each code that has none.
func (a *applier) makeMissing(ctx context.Context, records []Record, ids map[LinkID]int64) error {
	var missing []NewLink
	for _, r := range records {
		name := LinkID{r.Session.Network, r.Session.Code}.key()
		if ids[name] == 0 {
			ids[name] = -1
			missing = append(missing, NewLink{Network: r.Session.Network, Code: r.Session.Code, Source: SourceSession})
		}
	}
	if len(missing) == 0 {
		return nil
	}
	c, err := openCatalog(ctx, a.tx, time.UnixMilli(a.now))
	if err != nil {
		return err
	}
	for _, n := range missing {
		id, err := c.placeholder(ctx, n)
		if err != nil {
			return err
		}
		ids[LinkID{n.Network, n.Code}.key()] = id
	}
	return c.finish(ctx)
}

// placeholder returns the number of the link n, which it makes, disabled, unless another hub was first.
func (c *catalog) placeholder(ctx context.Context, n NewLink) (int64, error) {
	old, err := c.link(ctx, n.Network, n.Code)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return old.ID, err
	}
	n.Affiliate, n.Campaign = n.Code, DefaultCampaign
	if err := c.put(ctx, n, storedLink{}, false); err != nil {
		return 0, err
	}
	made, err := c.link(ctx, n.Network, n.Code)
	return made.ID, err
}
