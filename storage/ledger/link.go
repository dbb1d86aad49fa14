package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The sources of a link: who made it.
const (
	SourceAPI     = "api"     // an operator, by the API or the command line; the default of NewLink
	SourceConfig  = "config"  // the Caddyfile
	SourceSession = "session" // a session named it and the ledger did not know it; always disabled
)

// DefaultCampaign is the campaign of links that name none.
const DefaultCampaign = "default"

// Link is a link as the edges have it, with where it came from.
type Link struct {
	tracker.Link
	Enabled     bool      `json:"enabled"` // the operator's switch; Active also wants an approved affiliate and a campaign that is not archived
	AffiliateID int64     `json:"affiliate_id"`
	CampaignID  int64     `json:"campaign_id"`
	Campaign    string    `json:"campaign"`
	Source      string    `json:"source"` // api, config or session
	CreatedAt   time.Time `json:"created_at"`
}

// NewLink is what is known of a link before the ledger has given it a number. AddLink and SyncConfigLinks take destination,
// subdomain and hosts as they are: they must have been checked.
type NewLink struct {
	Network       string        // default: tracker.DefaultNetwork
	Code          string        // [A-Za-z0-9_-]{1,64}, unique in its network without case
	Affiliate     string        // the affiliate's name; default: the code
	Campaign      string        // the campaign's name; default: DefaultCampaign
	Subdomain     string        // one host label, lower case, unique in its network; may be empty
	Destination   string        // empty: the campaign's landing page, or "/"
	DeepLinkHosts []string      // hosts that a deep-link parameter may name; none: the campaign's
	Window        time.Duration // how long a click earns, rounded up to seconds; 0: the campaign's, or tracker.DefaultWindow
	Source        string        // default: SourceAPI

	// What no configuration says of a link.
	ExpiresAt      time.Time // zero: never
	ContactName    string
	ContactEmail   string
	Organisation   string
	TrainingStatus tracker.TrainingStatus // default: tracker.TrainingNotApplicable
	IsBusiness     bool
	Program        string // guid of the affiliate programme whose parameters the destination gets; empty: none
	GroupID        int64  // the group that has them
}

// filled returns n with its defaults.
func (n NewLink) filled() NewLink {
	n.Network = cmp.Or(n.Network, tracker.DefaultNetwork)
	n.Affiliate = cmp.Or(n.Affiliate, n.Code)
	n.Campaign = cmp.Or(n.Campaign, DefaultCampaign)
	n.Source = cmp.Or(n.Source, SourceAPI)
	return n
}

// fields returns n as the books spell it, enabled, with affiliate and campaign by number.
func (n NewLink) fields(affiliate, campaign int64) tracker.LinkFields {
	f := tracker.LinkFields{
		Code: n.Code, AffiliateID: affiliate, CampaignID: campaign, Subdomain: n.Subdomain, Destination: n.Destination,
		DeepLinkHosts: n.DeepLinkHosts, Window: tracker.Seconds((n.Window + time.Second - 1) / time.Second), Enabled: true,
		ContactName: n.ContactName, ContactEmail: n.ContactEmail, Organisation: n.Organisation,
		TrainingStatus: cmp.Or(n.TrainingStatus, tracker.TrainingNotApplicable), IsBusiness: n.IsBusiness,
		Program: n.Program, GroupID: n.GroupID,
	}
	if !n.ExpiresAt.IsZero() {
		f.ExpiresAt = &n.ExpiresAt
	}
	return f
}

// fields returns what n says, with the numbers of its affiliate and campaign, which are made where they are missing.
func (c *catalog) fields(ctx context.Context, n NewLink) (tracker.LinkFields, error) {
	affiliates, err := c.named(ctx, affiliateKind, n.Network, n.Affiliate)
	if err != nil {
		return tracker.LinkFields{}, err
	}
	campaigns, err := c.named(ctx, campaignKind, n.Network, n.Campaign)
	if err != nil {
		return tracker.LinkFields{}, err
	}
	return n.fields(affiliates[n.Affiliate], campaigns[n.Campaign]), nil
}

// AddLink makes a link, and its network, affiliate and campaign where they are missing. It takes over a disabled link that
// only a session made. ErrExists: the code, or the subdomain, is another link's; tracker.ErrCode: no link may have that code.
func (l *Ledger) AddLink(ctx context.Context, n NewLink) (Link, error) {
	n = n.filled()
	if err := tracker.CheckCode(n.Code); err != nil {
		return Link{}, fmt.Errorf("adding a link: %w", err)
	}
	var added storedLink
	err := l.change(ctx, func(c *catalog) error {
		f, err := c.fields(ctx, n)
		if err != nil {
			return err
		}
		added, err = c.addLink(ctx, n.Network, n.Source, f)
		return err
	})
	if err != nil {
		return Link{}, fmt.Errorf("adding a link: %w", err)
	}
	return added.link(), nil
}

// SetLinkActive enables or disables a link and returns it. Enabling a link that has left the Caddyfile makes it the
// operator's own (source "api"). ErrNotFound: there is no such link.
func (l *Ledger) SetLinkActive(ctx context.Context, network, code string, active bool) (Link, error) {
	network = cmp.Or(network, tracker.DefaultNetwork)
	var set storedLink
	err := l.change(ctx, func(c *catalog) error {
		old, err := c.link(ctx, network, code)
		if err != nil {
			return err
		}
		set = old
		set.enable(active)
		return c.updateLink(ctx, old, set)
	})
	if err != nil {
		return Link{}, fmt.Errorf("setting a link: %w", err)
	}
	return set.link(), nil
}

// Links returns the links of the network, or of all networks when it is empty, by network and code.
func (l *Ledger) Links(ctx context.Context, network string) ([]Link, error) {
	query, args := selectLinks, []any(nil)
	if network != "" {
		query, args = query+` WHERE l.network = $1`, []any{network}
	}
	scan := func(rows *sql.Rows) (Link, error) {
		stored, err := scanLink(rows)
		return stored.link(), err
	}
	return read(ctx, l, "links", scan, query+` ORDER BY l.network, l.code_key`, args...)
}

// LinkVersion returns the number of the links' state. It grows with every change of a link, an affiliate or a campaign, in
// the change's own transaction, and is not given again when the ledger comes back older.
func (l *Ledger) LinkVersion(ctx context.Context) (int64, error) { return linkVersion(ctx, l.db.Read) }

func linkVersion(ctx context.Context, q queryer) (int64, error) {
	scan := func(rows *sql.Rows) (version int64, err error) { return version, rows.Scan(&version) }
	return only(readAll(ctx, q, "the links' version", scan, `SELECT link_version FROM meta`))
}

// LinkTable returns what an edge needs of all links, with the version that they had. Links that only a session made are left
// out: nobody has said anything of them, and an edge whose own configuration names one knows better.
func (l *Ledger) LinkTable(ctx context.Context) (*tracker.LinkTable, error) {
	var table *tracker.LinkTable
	err := l.view(ctx, func(tx *sql.Tx) error {
		version, err := linkVersion(ctx, tx)
		if err != nil {
			return err
		}
		scan := func(rows *sql.Rows) (tracker.Link, error) {
			stored, err := scanLink(rows)
			return stored.edge(), err
		}
		links, err := readAll(ctx, tx, "links", scan, selectLinks+` WHERE l.source <> $1`, SourceSession)
		table = tracker.NewLinkTable(version, links)
		return err
	})
	if err != nil {
		return nil, err
	}
	return table, nil
}
