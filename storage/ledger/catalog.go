package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// catalog changes networks, affiliates, campaigns and links within a transaction that holds the lock of meta's row. The
// lock makes changes follow one another, so numbers can be given by counting and uniqueness can be checked by looking.
type catalog struct {
	tx      *sql.Tx
	now     time.Time
	version int64
	changed bool
}

// change runs do on the catalog in one transaction. The version moves if do has changed anything.
func (l *Ledger) change(ctx context.Context, do func(c *catalog) error) error {
	return l.write(ctx, func(tx *sql.Tx) error {
		c, err := openCatalog(ctx, tx, l.now())
		if err != nil {
			return err
		}
		if err := do(c); err != nil {
			return err
		}
		return c.finish(ctx)
	})
}

func openCatalog(ctx context.Context, tx *sql.Tx, now time.Time) (*catalog, error) {
	c := &catalog{tx: tx, now: now}
	err := tx.QueryRowContext(ctx, `UPDATE meta SET link_version = link_version RETURNING link_version`).Scan(&c.version)
	if err != nil {
		return nil, fmt.Errorf("locking the links: %w", err)
	}
	return c, nil
}

// finish moves the version. It is counted in milliseconds of the clock and by one where the clock stands behind, so that a
// ledger which comes back older does not give a number again to another state of its links.
func (c *catalog) finish(ctx context.Context) error {
	if !c.changed {
		return nil
	}
	version := max(c.version+1, millis(c.now))
	if _, err := c.tx.ExecContext(ctx, `UPDATE meta SET link_version = $1`, version); err != nil {
		return fmt.Errorf("moving the links' version: %w", err)
	}
	return nil
}

func (c *catalog) exec(ctx context.Context, what, query string, args ...any) error {
	if _, err := c.tx.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	c.changed = true
	return nil
}

// one returns the only link of the query, or ErrNotFound.
func (c *catalog) one(ctx context.Context, where string, args ...any) (storedLink, error) {
	links, err := readLinks(ctx, c.tx, selectLinks+where, args...)
	if err != nil {
		return storedLink{}, err
	}
	if len(links) == 0 {
		return storedLink{}, ErrNotFound
	}
	return links[0], nil
}

func (c *catalog) link(ctx context.Context, network, code string) (storedLink, error) {
	return c.one(ctx, ` WHERE l.network = $1 AND l.code_key = $2`, network, tracker.CodeKey(code))
}

func (c *catalog) subdomain(ctx context.Context, network, label string) (storedLink, error) {
	return c.one(ctx, ` WHERE l.network = $1 AND l.subdomain = $2 AND l.subdomain <> ''`, network, label)
}

// network makes the network if it is missing.
func (c *catalog) network(ctx context.Context, name string) error {
	_, err := c.tx.ExecContext(ctx, `INSERT INTO network (name, created_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`,
		name, millis(c.now))
	if err != nil {
		return fmt.Errorf("adding network %q: %w", name, err)
	}
	return nil
}

// named returns the number of an affiliate or a campaign, which it makes if it is missing.
func (c *catalog) named(ctx context.Context, table, network, name string) (int64, error) {
	_, err := c.tx.ExecContext(ctx, `INSERT INTO `+table+` (id, network, name, created_at)
		SELECT coalesce(max(id), 0) + 1, $1, $2, $3 FROM `+table+` WHERE true
		ON CONFLICT (network, name) DO NOTHING`, network, name, millis(c.now))
	if err != nil {
		return 0, fmt.Errorf("adding %s %q: %w", table, name, err)
	}
	var id int64
	err = c.tx.QueryRowContext(ctx, `SELECT id FROM `+table+` WHERE network = $1 AND name = $2`, network, name).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("finding %s %q: %w", table, name, err)
	}
	return id, nil
}

// put stores what n says, as a new link or in the place of old (whose ID is 0 if there is none). A link that was only a
// session's becomes active; the operator's switch of any other old link stays as it is.
func (c *catalog) put(ctx context.Context, n NewLink, old storedLink, active bool) error {
	if err := c.network(ctx, n.Network); err != nil {
		return err
	}
	affiliate, err := c.named(ctx, "affiliate", n.Network, n.Affiliate)
	if err != nil {
		return err
	}
	campaign, err := c.named(ctx, "campaign", n.Network, n.Campaign)
	if err != nil {
		return err
	}
	next := old
	next.Network, next.Code, next.Source = n.Network, n.Code, n.Source
	next.Affiliate, next.AffiliateID = n.Affiliate, affiliate
	next.Campaign, next.CampaignID = n.Campaign, campaign
	next.Subdomain, next.Destination, next.DeepLinkHosts = n.Subdomain, n.Destination, n.DeepLinkHosts
	next.Window, next.gone = n.Window.Truncate(time.Millisecond), false
	if old.ID == 0 || old.Source == SourceSession {
		next.active = active
	}
	if old.ID == 0 {
		return c.insert(ctx, next)
	}
	return c.update(ctx, old, next)
}

func (c *catalog) insert(ctx context.Context, s storedLink) error {
	return c.exec(ctx, "adding link "+s.Code, `INSERT INTO link (id, network, code, code_key, affiliate_id, campaign_id, subdomain,
		destination, deep_link_hosts, window_ms, active, gone, source, created_at)
		SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 FROM link`,
		s.Network, s.Code, tracker.CodeKey(s.Code), s.AffiliateID, s.CampaignID, s.Subdomain, s.Destination,
		array(s.DeepLinkHosts), s.Window.Milliseconds(), s.active, s.gone, s.Source, millis(c.now))
}

// update stores next in the place of old, if they differ.
func (c *catalog) update(ctx context.Context, old, next storedLink) error {
	if next.same(old) {
		return nil
	}
	return c.exec(ctx, "changing link "+old.Code, `UPDATE link SET code = $2, affiliate_id = $3, campaign_id = $4, subdomain = $5,
		destination = $6, deep_link_hosts = $7, window_ms = $8, active = $9, gone = $10, source = $11 WHERE id = $1`,
		old.ID, next.Code, next.AffiliateID, next.CampaignID, next.Subdomain, next.Destination,
		array(next.DeepLinkHosts), next.Window.Milliseconds(), next.active, next.gone, next.Source)
}

func (s storedLink) same(o storedLink) bool {
	return s.Code == o.Code && s.AffiliateID == o.AffiliateID && s.CampaignID == o.CampaignID &&
		s.Subdomain == o.Subdomain && s.Destination == o.Destination && slices.Equal(s.DeepLinkHosts, o.DeepLinkHosts) &&
		s.Window == o.Window && s.active == o.active && s.gone == o.gone && s.Source == o.Source
}

// array is the JSON text of a list.
func array(list []string) string {
	if len(list) == 0 {
		return "[]"
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // a list of strings always has a JSON form
	}
	return string(text)
}
