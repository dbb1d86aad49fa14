package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The sources of a link: who made it.
const (
	SourceAPI     = "api"     // an operator, by the admin API or the command line; the default of NewLink
	SourceConfig  = "config"  // the Caddyfile
	SourceSession = "session" // a session named it and the ledger did not know it; always disabled
)

// DefaultCampaign is the campaign of links that name none.
const DefaultCampaign = "default"

// Link is a link as the ledger keeps it.
type Link struct {
	tracker.Link
	AffiliateID int64     `json:"affiliate_id"`
	CampaignID  int64     `json:"campaign_id"`
	Campaign    string    `json:"campaign"`
	Source      string    `json:"source"` // api, config or session
	CreatedAt   time.Time `json:"created_at"`
}

// NewLink is what is known of a link before the ledger has given it a number. Destination and subdomain must have been
// checked.
type NewLink struct {
	Network       string        // default: tracker.DefaultNetwork
	Code          string        // [A-Za-z0-9_-]{1,64}, unique in its network without case
	Affiliate     string        // the affiliate's name; default: the code
	Campaign      string        // default: DefaultCampaign
	Subdomain     string        // one host label, lower case, unique in its network; may be empty
	Destination   string        // empty: "/"
	DeepLinkHosts []string      // hosts that a deep-link parameter may name
	Window        time.Duration // how long a click earns; 0: tracker.DefaultWindow
	Source        string        // default: SourceAPI
}

// filled returns n with its defaults.
func (n NewLink) filled() NewLink {
	n.Network = cmp.Or(n.Network, tracker.DefaultNetwork)
	n.Affiliate = cmp.Or(n.Affiliate, n.Code)
	n.Campaign = cmp.Or(n.Campaign, DefaultCampaign)
	n.Source = cmp.Or(n.Source, SourceAPI)
	return n
}

// AddLink makes a link, and its network, affiliate and campaign where they are missing. It takes over a disabled link that
// only a session made. ErrExists: the code, or the subdomain, is another link's; tracker.ErrCode: no link may have that code.
func (l *Ledger) AddLink(ctx context.Context, n NewLink) (Link, error) {
	n = n.filled()
	if err := tracker.CheckCode(n.Code); err != nil {
		return Link{}, fmt.Errorf("adding link %q: %w", n.Code, err)
	}
	var added Link
	err := l.change(ctx, func(c *catalog) error {
		old, err := c.link(ctx, n.Network, n.Code)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && old.Source != SourceSession {
			return ErrExists
		}
		if n.Subdomain != "" {
			holder, err := c.subdomain(ctx, n.Network, n.Subdomain)
			if err == nil {
				return fmt.Errorf("subdomain %s of link %s %w", n.Subdomain, holder.Code, ErrExists)
			}
			if !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		if err := c.put(ctx, n, old, true); err != nil {
			return err
		}
		stored, err := c.link(ctx, n.Network, n.Code)
		added = stored.Link
		return err
	})
	if err != nil {
		return Link{}, fmt.Errorf("adding link %s: %w", n.Code, err)
	}
	return added, nil
}

// SetLinkActive enables or disables a link and returns it. Enabling a link that has left the Caddyfile makes it the
// operator's own (source "api"). ErrNotFound: there is no such link.
func (l *Ledger) SetLinkActive(ctx context.Context, network, code string, active bool) (Link, error) {
	network = cmp.Or(network, tracker.DefaultNetwork)
	var set Link
	err := l.change(ctx, func(c *catalog) error {
		old, err := c.link(ctx, network, code)
		if err != nil {
			return err
		}
		next := old
		next.active = active
		if active && (old.gone || old.Source == SourceSession) {
			next.gone, next.Source = false, SourceAPI
		}
		next.Active = next.active && !next.gone
		set = next.Link
		return c.update(ctx, old, next)
	})
	if err != nil {
		return Link{}, fmt.Errorf("setting link %s: %w", code, err)
	}
	return set, nil
}

// Links returns the links of the network, or of all networks when it is empty, by network and code.
func (l *Ledger) Links(ctx context.Context, network string) ([]Link, error) {
	query, args := selectLinks, []any(nil)
	if network != "" {
		query, args = query+` WHERE l.network = $1`, []any{network}
	}
	stored, err := readLinks(ctx, l.db.Read, query+` ORDER BY l.network, l.code_key`, args...)
	if err != nil {
		return nil, err
	}
	links := make([]Link, len(stored))
	for i := range stored {
		links[i] = stored[i].Link
	}
	return links, nil
}

// LinkVersion returns the number of the links' state. It grows with every change of a link, an affiliate or a campaign, in
// the change's own transaction, and is not given again when the ledger comes back older.
func (l *Ledger) LinkVersion(ctx context.Context) (int64, error) {
	var version int64
	if err := l.db.Read.QueryRowContext(ctx, `SELECT link_version FROM meta`).Scan(&version); err != nil {
		return 0, fmt.Errorf("reading the links' version: %w", err)
	}
	return version, nil
}

// LinkTable returns what an edge needs of all links, with the version that they had. Links that only a session made are left
// out: nobody has said anything of them, and an edge whose own configuration names one knows better.
func (l *Ledger) LinkTable(ctx context.Context) (*tracker.LinkTable, error) {
	tx, err := l.db.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: l.db.Snapshot})
	if err != nil {
		return nil, fmt.Errorf("reading the link table: %w", err)
	}
	defer tx.Rollback()
	var version int64
	if err := tx.QueryRowContext(ctx, `SELECT link_version FROM meta`).Scan(&version); err != nil {
		return nil, fmt.Errorf("reading the links' version: %w", err)
	}
	stored, err := readLinks(ctx, tx, selectLinks+` WHERE l.source <> $1`, SourceSession)
	if err != nil {
		return nil, err
	}
	links := make([]tracker.Link, len(stored))
	for i := range stored {
		links[i] = stored[i].Link.Link
	}
	return tracker.NewLinkTable(version, links), nil
}

// storedLink is a link with the two switches behind Active.
type storedLink struct {
	Link
	active bool // the operator's
	gone   bool // the Caddyfile no longer has it
}

const selectLinks = `SELECT l.id, l.network, l.code, a.name, l.affiliate_id, c.name, l.campaign_id, l.subdomain, l.destination,
	l.deep_link_hosts, l.window_ms, l.active, l.gone, l.source, l.created_at
	FROM link l JOIN affiliate a ON a.id = l.affiliate_id JOIN campaign c ON c.id = l.campaign_id`

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func readLinks(ctx context.Context, q queryer, query string, args ...any) ([]storedLink, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading links: %w", err)
	}
	defer rows.Close()
	var links []storedLink
	for rows.Next() {
		s, err := scanLink(rows)
		if err != nil {
			return nil, fmt.Errorf("reading links: %w", err)
		}
		links = append(links, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading links: %w", err)
	}
	return links, nil
}

func scanLink(rows *sql.Rows) (storedLink, error) {
	var s storedLink
	var hosts string
	var window, created int64
	err := rows.Scan(&s.ID, &s.Network, &s.Code, &s.Affiliate, &s.AffiliateID, &s.Campaign, &s.CampaignID, &s.Subdomain,
		&s.Destination, &hosts, &window, &s.active, &s.gone, &s.Source, &created)
	if err != nil {
		return s, err
	}
	if hosts != "[]" {
		if err := json.Unmarshal([]byte(hosts), &s.DeepLinkHosts); err != nil {
			return s, fmt.Errorf("deep-link hosts of link %s: %w", s.Code, err)
		}
	}
	s.Window = time.Duration(window) * time.Millisecond
	s.Active = s.active && !s.gone
	s.CreatedAt = fromMillis(created)
	return s, nil
}
