package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var campaignKind = namedKind{
	kind:  kind{"campaign", []string{"name", "archived", "commissions", "window_ms", "landing_page", "deep_link_hosts", "duplicates"}},
	names: newLookup("campaign", "name", "id"),
	bare:  func(name string) []any { return campaignValues(tracker.CampaignFields{Name: name}) },
}

// campaignValues are those of campaignKind's columns.
func campaignValues(f tracker.CampaignFields) []any {
	return []any{
		f.Name, f.Archived, array(f.Commissions), f.Window.Duration().Milliseconds(), f.LandingPage, array(f.DeepLinkHosts),
		string(cmp.Or(f.Duplicates, tracker.DuplicateReject)),
	}
}

// CreateCampaign makes a campaign with its coupons, and its network where it is missing. tracker.Invalid: f breaks a rule, or
// a coupon is for an affiliate that the network does not have; ErrExists: another campaign has the name or the coupon's code.
func (l *Ledger) CreateCampaign(ctx context.Context, network string, f tracker.CampaignFields) (tracker.Campaign, error) {
	if err := f.Check(); err != nil {
		return tracker.Campaign{}, fmt.Errorf("adding a campaign: %w", err)
	}
	var made tracker.Campaign
	err := l.change(ctx, func(c *catalog) error {
		if err := c.free(ctx, campaignKind.names, network, "name", f.Name, 0); err != nil {
			return err
		}
		if err := c.network(ctx, network); err != nil {
			return err
		}
		id, err := c.addOne(ctx, campaignKind.kind, network, campaignValues(f))
		if err != nil {
			return err
		}
		if err := c.setCoupons(ctx, network, id, nil, f.Coupons); err != nil {
			return err
		}
		made, err = readCampaign(ctx, c.tx, network, id)
		return err
	})
	if err != nil {
		return tracker.Campaign{}, fmt.Errorf("adding a campaign: %w", err)
	}
	return made, nil
}

// Campaign returns a campaign of the network, its coupons by code, or ErrNotFound.
func (l *Ledger) Campaign(ctx context.Context, network string, id int64) (c tracker.Campaign, err error) {
	err = l.view(ctx, func(tx *sql.Tx) error {
		c, err = readCampaign(ctx, tx, network, id)
		return err
	})
	return c, err
}

// Campaigns returns a page of the network's campaigns, by number, and the cursor of the next page.
func (l *Ledger) Campaigns(
	ctx context.Context, network string, f tracker.CampaignFilter, p tracker.Page,
) (campaigns []tracker.Campaign, next string, err error) {
	s := selectOf(`network`, network)
	andIf(s, `name = ?`, f.Name)
	if f.Archived != nil {
		s.and(`archived = ?`, *f.Archived)
	}
	if err := s.page(`id`, p); err != nil {
		return nil, "", err
	}
	err = l.view(ctx, func(tx *sql.Tx) error {
		if campaigns, err = readAll(ctx, tx, "campaigns", scanCampaign, selectCampaigns+s.text, s.args...); err != nil {
			return err
		}
		campaigns, next = cut(campaigns, p, func(c tracker.Campaign) int64 { return c.ID })
		return readCoupons(ctx, tx, network, campaigns)
	})
	if err != nil {
		return nil, "", err
	}
	return campaigns, next, nil
}

// UpdateCampaign changes a campaign by change, which gets its fields and whose error ends it. Errors are those of
// CreateCampaign, and ErrNotFound. DefaultCampaign keeps its name: under another one it would be made again, without
// commissions, with the next link that names none.
func (l *Ledger) UpdateCampaign(
	ctx context.Context, network string, id int64, change func(*tracker.CampaignFields) error,
) (tracker.Campaign, error) {
	var updated tracker.Campaign
	err := l.change(ctx, func(c *catalog) error {
		old, err := readCampaign(ctx, c.tx, network, id)
		if err != nil {
			return err
		}
		before, coupons, f := campaignValues(old.CampaignFields), couponsByCode(old.Coupons), old.CampaignFields
		if err := change(&f); err != nil {
			return err
		}
		if err := f.Check(); err != nil {
			return err
		}
		if old.Name == DefaultCampaign && f.Name != old.Name {
			return tracker.Invalid{{Field: "name", Message: "cannot change: links that name no campaign are in the one of this name"}}
		}
		if err := c.free(ctx, campaignKind.names, network, "name", f.Name, id); err != nil {
			return err
		}
		if err := c.setCoupons(ctx, network, id, coupons, f.Coupons); err != nil {
			return err
		}
		if err := c.update(ctx, campaignKind.kind, id, before, campaignValues(f)); err != nil {
			return err
		}
		updated, err = readCampaign(ctx, c.tx, network, id)
		return err
	})
	if err != nil {
		return tracker.Campaign{}, fmt.Errorf("changing a campaign: %w", err)
	}
	return updated, nil
}

// DeleteCampaign deletes a campaign for which nothing stands in the books. ErrInUse: it has a link, a coupon, a conversion or
// a customer, and can only be archived; ErrNotFound.
func (l *Ledger) DeleteCampaign(ctx context.Context, network string, id int64) error {
	err := l.change(ctx, func(c *catalog) error { return c.remove(ctx, "campaign", "campaign_id", network, id) })
	if err != nil {
		return fmt.Errorf("deleting a campaign: %w", err)
	}
	return nil
}

const selectCampaigns = `SELECT id, network, name, archived, commissions, window_ms, landing_page, deep_link_hosts, duplicates,
	created_at, updated_at FROM campaign`

func readCampaign(ctx context.Context, q queryer, network string, id int64) (tracker.Campaign, error) {
	found, err := readAll(ctx, q, "a campaign", scanCampaign, selectCampaigns+` WHERE network = $1 AND id = $2`, network, id)
	if err == nil {
		err = readCoupons(ctx, q, network, found)
	}
	return only(found, err)
}

func scanCampaign(rows *sql.Rows) (tracker.Campaign, error) {
	var c tracker.Campaign
	var commissions, hosts string
	var window, created, updated int64
	err := rows.Scan(&c.ID, &c.Network, &c.Name, &c.Archived, &commissions, &window, &c.LandingPage, &hosts, &c.Duplicates,
		&created, &updated)
	if err != nil {
		return c, err
	}
	if c.DeepLinkHosts, err = parseHosts(hosts); err != nil {
		return c, fmt.Errorf("campaign %d: %w", c.ID, err)
	}
	if err := json.Unmarshal([]byte(commissions), &c.Commissions); err != nil {
		return c, fmt.Errorf("campaign %d: reading the commissions: %w", c.ID, err)
	}
	c.Window = wholeSeconds(window)
	c.CreatedAt, c.UpdatedAt = fromMillis(created), fromMillis(updated)
	return c, nil
}
