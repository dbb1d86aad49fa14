package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// CreateLink makes a link for an affiliate and in a campaign of the network. It takes over a link that only a session made.
// tracker.Invalid: f breaks a rule, or names what the network does not have; ErrExists: the code, or the subdomain, is
// another link's.
func (l *Ledger) CreateLink(ctx context.Context, network string, f tracker.LinkFields) (tracker.CatalogLink, error) {
	if err := f.Check(); err != nil {
		return tracker.CatalogLink{}, fmt.Errorf("adding a link: %w", err)
	}
	var made tracker.CatalogLink
	err := l.change(ctx, func(c *catalog) error {
		if err := c.refer(ctx, network, &f); err != nil {
			return err
		}
		added, err := c.addLink(ctx, network, SourceAPI, f)
		made = added.at(c.now)
		return err
	})
	if err != nil {
		return tracker.CatalogLink{}, fmt.Errorf("adding a link: %w", err)
	}
	return made, nil
}

// CatalogLink returns a link of the network, or ErrNotFound.
func (l *Ledger) CatalogLink(ctx context.Context, network string, id int64) (tracker.CatalogLink, error) {
	stored, err := only(readLinks(ctx, l.db.Read, selectLinks+linkByID, network, id))
	if err != nil {
		return tracker.CatalogLink{}, l.told(err)
	}
	return stored.at(l.now()), nil
}

const linkByID = ` WHERE l.network = $1 AND l.id = $2`

// CatalogLinks returns a page of the network's links, by number, and the cursor of the next page.
func (l *Ledger) CatalogLinks(
	ctx context.Context, network string, f tracker.LinkFilter, p tracker.Page,
) (links []tracker.CatalogLink, next string, err error) {
	s := selectOf(`l.network`, network)
	andIf(s, `l.code_key = ?`, tracker.CodeKey(f.Code))
	andIf(s, `l.subdomain = ?`, f.Subdomain)
	andIf(s, `l.affiliate_id = ?`, f.AffiliateID)
	andIf(s, `l.campaign_id = ?`, f.CampaignID)
	andIf(s, `l.contact_email = ?`, f.ContactEmail)
	andIf(s, `l.source = ?`, f.Source)
	if f.Enabled != nil {
		s.and(`(l.active AND NOT l.gone) = ?`, *f.Enabled)
	}
	if err := s.page(`l.id`, p); err != nil {
		return nil, "", err
	}
	now := l.now()
	scan := func(rows *sql.Rows) (tracker.CatalogLink, error) {
		stored, err := scanLink(rows)
		return stored.at(now), err
	}
	if links, err = read(ctx, l, "links", scan, selectLinks+s.text, s.args...); err != nil {
		return nil, "", err
	}
	links, next = cut(links, p, func(link tracker.CatalogLink) int64 { return link.ID })
	return links, next, nil
}

// UpdateLink changes a link by change, which gets its fields and whose error ends it. Enabling a link that has left the
// Caddyfile makes it the operator's own. tracker.Invalid: the fields break a rule then, the code would change, or something
// that the configuration says; otherwise as CreateLink, and ErrNotFound.
func (l *Ledger) UpdateLink(
	ctx context.Context, network string, id int64, change func(*tracker.LinkFields) error,
) (tracker.CatalogLink, error) {
	var updated storedLink
	err := l.change(ctx, func(c *catalog) error {
		old, err := c.linkByID(ctx, network, id)
		if err != nil {
			return err
		}
		_ = old.LinkFields.Check() // an older version may have spelled it otherwise: that alone is no change
		before, next := old.values(), old
		if err := change(&next.LinkFields); err != nil {
			return err
		}
		if err := c.checkLink(ctx, &next, before); err != nil {
			return err
		}
		if err := c.update(ctx, linkKind, id, before, next.values()); err != nil {
			return err
		}
		updated, err = c.linkByID(ctx, network, id)
		return err
	})
	if err != nil {
		return tracker.CatalogLink{}, fmt.Errorf("changing a link: %w", err)
	}
	return updated.at(l.now()), nil
}

// checkLink says what is wrong with the changed link s, whose values were before.
func (c *catalog) checkLink(ctx context.Context, s *storedLink, before []any) error {
	if err := s.LinkFields.Check(); err != nil {
		return err
	}
	if err := c.refer(ctx, s.Network, &s.LinkFields); err != nil {
		return err
	}
	if s.Enabled != (s.active && !s.gone) {
		s.enable(s.Enabled)
	}
	if err := s.keeps(before); err != nil {
		return err
	}
	return c.free(ctx, linkSubdomains, s.Network, "subdomain", s.Subdomain, s.ID)
}

// configured are the columns of what a configuration says of a link, with the fields' names.
var configured = map[string]string{
	"affiliate_id": "affiliate_id", "campaign_id": "campaign_id", "subdomain": "subdomain", "destination": "destination",
	"deep_link_hosts": "deep_link_hosts", "window_ms": "window_seconds", "expires_at": "expires_at",
}

// keeps returns tracker.Invalid if what never changes, or what the configuration says, was another before.
func (s *storedLink) keeps(before []any) error {
	var wrong tracker.Invalid
	now := s.values()
	for i, column := range linkKind.columns {
		if before[i] == now[i] {
			continue
		}
		if column == "code" {
			wrong.Add("code", "is given once and never changes")
		}
		if field := configured[column]; field != "" && s.Source == SourceConfig {
			wrong.Add(field, "comes from the configuration and is changed there")
		}
	}
	return wrong.Err()
}

// refer checks that the link's affiliate and campaign are the network's. Campaign 0 becomes the default one.
func (c *catalog) refer(ctx context.Context, network string, f *tracker.LinkFields) error {
	var wrong tracker.Invalid
	there, err := c.has(ctx, "affiliate", network, f.AffiliateID)
	if err != nil {
		return err
	}
	if !there {
		wrong.Add("affiliate_id", "is no affiliate of the network")
	}
	if f.CampaignID == 0 {
		campaigns, err := c.named(ctx, campaignKind, network, DefaultCampaign)
		f.CampaignID = campaigns[DefaultCampaign]
		return errors.Join(err, wrong.Err())
	}
	if there, err = c.has(ctx, "campaign", network, f.CampaignID); err != nil {
		return err
	}
	if !there {
		wrong.Add("campaign_id", "is no campaign of the network")
	}
	return wrong.Err()
}

func (c *catalog) link(ctx context.Context, network, code string) (storedLink, error) {
	return only(readLinks(ctx, c.tx, selectLinks+` WHERE l.network = $1 AND l.code_key = $2`, network, tracker.CodeKey(code)))
}

func (c *catalog) linkByID(ctx context.Context, network string, id int64) (storedLink, error) {
	return only(readLinks(ctx, c.tx, selectLinks+linkByID, network, id))
}

func (c *catalog) updateLink(ctx context.Context, old, next storedLink) error {
	return c.update(ctx, linkKind, old.ID, old.values(), next.values())
}

// addLink makes a link, or takes over one that only a session made, and returns it.
func (c *catalog) addLink(ctx context.Context, network, source string, f tracker.LinkFields) (storedLink, error) {
	wrong := make([]error, 1)
	err := c.addLinks(ctx, network, source, []tracker.LinkFields{f}, wrong, quiet)
	if err := errors.Join(err, wrong[0]); err != nil {
		return storedLink{}, err
	}
	return c.link(ctx, network, f.Code)
}

// addLinks makes all the links, of affiliates and campaigns that are there, or takes over those that only a session made; or
// none if one of them is wrong. It notes which cannot be made, each at its place, beside those that are noted already.
func (c *catalog) addLinks(
	ctx context.Context, network, source string, list []tracker.LinkFields, wrong []error, progress func(done int),
) error {
	codes, sessions, subdomains, err := c.takenBy(ctx, network, list, wrong)
	if err != nil {
		return err
	}
	fresh, taken := make([]int, 0, len(list)), map[int]int64{} // places in the list; of the latter with the links' numbers
	for i, f := range list {
		if wrong[i] != nil {
			continue
		}
		key := tracker.CodeKey(f.Code)
		if id := sessions[key]; id != 0 {
			taken[i] = id
			delete(sessions, key)
			delete(codes, key) // it is free for this one
		} else {
			fresh = append(fresh, i)
		}
		if wrong[i] = codes.claim("code", key); wrong[i] == nil {
			wrong[i] = subdomains.claim("subdomain", f.Subdomain)
		}
	}
	if slices.ContainsFunc(wrong, isError) {
		return nil
	}
	for i, id := range taken {
		old, err := c.linkByID(ctx, network, id)
		if err != nil {
			return err
		}
		if err := c.updateLink(ctx, old, made(network, source, list[i])); err != nil {
			return err
		}
	}
	if len(taken) > 0 {
		progress(len(taken))
	}
	values := func(i int) []any {
		link := made(network, source, list[fresh[i]])
		return link.values()
	}
	_, err = c.add(ctx, linkKind, network, len(fresh), values, func(done int) { progress(len(taken) + done) })
	return err
}

// isError is for lists of errors with a place for each thing.
func isError(err error) bool { return err != nil }

// takenBy returns those codes of the list that the network has, those of them that only a session made, and those subdomains
// that it has.
func (c *catalog) takenBy(
	ctx context.Context, network string, list []tracker.LinkFields, wrong []error,
) (codes, sessions, subdomains claimed, err error) {
	var keys, labels []string
	for i, f := range list {
		if wrong[i] == nil {
			keys, labels = append(keys, tracker.CodeKey(f.Code)), append(labels, f.Subdomain)
		}
	}
	for _, part := range []struct {
		of    lookup
		texts []string
		into  *claimed
	}{{linkCodes, keys, &codes}, {sessionLinks, keys, &sessions}, {linkSubdomains, labels, &subdomains}} {
		if *part.into, err = part.of.find(ctx, c.tx, network, part.texts); err != nil {
			return nil, nil, nil, err
		}
	}
	return codes, sessions, subdomains, nil
}
