package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var affiliateKind = namedKind{
	kind:  kind{"affiliate", []string{"id_from_network", "name", "status", "sites", "users", "custom_data"}},
	names: newLookup("affiliate", "name", "id"),
	bare:  func(name string) []any { return affiliateValues(tracker.AffiliateFields{Name: name}) },
}

// affiliateIDs finds affiliates by the merchant's own ids.
var affiliateIDs = newLookup("affiliate", "id_from_network", "id")

// affiliateValues are those of affiliateKind's columns.
func affiliateValues(f tracker.AffiliateFields) []any {
	status := cmp.Or(f.Status, tracker.AffiliateApproved)
	return []any{f.IDFromNetwork, f.Name, string(status), array(f.Sites), array(f.Users), object(f.CustomData)}
}

// CreateAffiliate makes an affiliate, and its network where it is missing. tracker.Invalid: f breaks a rule; ErrExists:
// another affiliate has the name or the id_from_network.
func (l *Ledger) CreateAffiliate(ctx context.Context, network string, f tracker.AffiliateFields) (tracker.Affiliate, error) {
	if err := f.Check(); err != nil {
		return tracker.Affiliate{}, fmt.Errorf("adding an affiliate: %w", err)
	}
	var made tracker.Affiliate
	err := l.change(ctx, func(c *catalog) error {
		wrong := make([]error, 1)
		id, err := c.addAffiliates(ctx, network, []tracker.AffiliateFields{f}, wrong, quiet)
		if err := errors.Join(err, wrong[0]); err != nil {
			return err
		}
		made, err = readAffiliate(ctx, c.tx, network, id)
		return err
	})
	if err != nil {
		return tracker.Affiliate{}, fmt.Errorf("adding an affiliate: %w", err)
	}
	return made, nil
}

// addAffiliates makes all the affiliates, and returns the number of the first, or none if one of them is wrong. It notes
// which cannot be made, each at its place, beside those that are noted already.
func (c *catalog) addAffiliates(
	ctx context.Context, network string, list []tracker.AffiliateFields, wrong []error, progress func(done int),
) (first int64, err error) {
	var names, ids []string
	for i, f := range list {
		if wrong[i] == nil {
			names, ids = append(names, f.Name), append(ids, f.IDFromNetwork)
		}
	}
	takenNames, err := affiliateKind.names.find(ctx, c.tx, network, names)
	if err != nil {
		return 0, err
	}
	takenIDs, err := affiliateIDs.find(ctx, c.tx, network, ids)
	if err != nil {
		return 0, err
	}
	for i, f := range list {
		if wrong[i] == nil {
			wrong[i] = takenNames.claim("name", f.Name)
		}
		if wrong[i] == nil {
			wrong[i] = takenIDs.claim("id_from_network", f.IDFromNetwork)
		}
	}
	if slices.ContainsFunc(wrong, isError) {
		return 0, nil
	}
	if err := c.network(ctx, network); err != nil {
		return 0, err
	}
	return c.add(ctx, affiliateKind.kind, network, len(list), func(i int) []any { return affiliateValues(list[i]) }, progress)
}

// Affiliate returns an affiliate of the network, or ErrNotFound.
func (l *Ledger) Affiliate(ctx context.Context, network string, id int64) (tracker.Affiliate, error) {
	a, err := readAffiliate(ctx, l.db.Read, network, id)
	return a, l.told(err)
}

// Affiliates returns a page of the network's affiliates, by number, and the cursor of the next page.
func (l *Ledger) Affiliates(
	ctx context.Context, network string, f tracker.AffiliateFilter, p tracker.Page,
) (affiliates []tracker.Affiliate, next string, err error) {
	s := selectOf(`network`, network)
	andIf(s, `status = ?`, string(f.Status))
	andIf(s, `name = ?`, f.Name)
	andIf(s, `id_from_network = ?`, f.IDFromNetwork)
	if err := s.page(`id`, p); err != nil {
		return nil, "", err
	}
	affiliates, err = read(ctx, l, "affiliates", scanAffiliate, selectAffiliates+s.text, s.args...)
	if err != nil {
		return nil, "", err
	}
	affiliates, next = cut(affiliates, p, func(a tracker.Affiliate) int64 { return a.ID })
	return affiliates, next, nil
}

// UpdateAffiliate changes an affiliate by change, which gets its fields and whose error ends it. Errors are those of
// CreateAffiliate, and ErrNotFound.
func (l *Ledger) UpdateAffiliate(
	ctx context.Context, network string, id int64, change func(*tracker.AffiliateFields) error,
) (tracker.Affiliate, error) {
	var a tracker.Affiliate
	err := l.change(ctx, func(c *catalog) (err error) {
		if a, err = readAffiliate(ctx, c.tx, network, id); err != nil {
			return err
		}
		before, former := affiliateValues(a.AffiliateFields), a.IDFromNetwork
		if err := change(&a.AffiliateFields); err != nil {
			return err
		}
		if err := a.Check(); err != nil {
			return err
		}
		if err := c.free(ctx, affiliateKind.names, network, "name", a.Name, id); err != nil {
			return err
		}
		if err := c.free(ctx, affiliateIDs, network, "id_from_network", a.IDFromNetwork, id); err != nil {
			return err
		}
		if err := c.update(ctx, affiliateKind.kind, id, before, affiliateValues(a.AffiliateFields)); err != nil {
			return err
		}
		if former == a.IDFromNetwork {
			former = ""
		}
		if c.changed {
			if err := c.tellFormer(ctx, network, id, former); err != nil {
				return err
			}
		}
		a, err = readAffiliate(ctx, c.tx, network, id)
		return err
	})
	if err != nil {
		return tracker.Affiliate{}, fmt.Errorf("changing an affiliate: %w", err)
	}
	return a, nil
}

// DeleteAffiliate deletes an affiliate for whom nothing stands in the books. ErrInUse: it has a link, a coupon, a conversion
// or a customer, and can only be archived; ErrNotFound.
func (l *Ledger) DeleteAffiliate(ctx context.Context, network string, id int64) error {
	err := l.change(ctx, func(c *catalog) error {
		a, err := readAffiliate(ctx, c.tx, network, id)
		if err != nil {
			return err
		}
		if err := c.tellFormer(ctx, network, id, a.IDFromNetwork); err != nil {
			return err
		}
		return c.remove(ctx, "affiliate", "affiliate_id", network, id)
	})
	if err != nil {
		return fmt.Errorf("deleting an affiliate: %w", err)
	}
	return nil
}

const selectAffiliates = `SELECT id, network, id_from_network, name, status, sites, users, custom_data, created_at, updated_at
	FROM affiliate`

func readAffiliate(ctx context.Context, q queryer, network string, id int64) (tracker.Affiliate, error) {
	return only(readAll(ctx, q, "an affiliate", scanAffiliate, selectAffiliates+` WHERE network = $1 AND id = $2`, network, id))
}

func scanAffiliate(rows *sql.Rows) (tracker.Affiliate, error) {
	var a tracker.Affiliate
	var sites, users, data string
	var created, updated int64
	err := rows.Scan(&a.ID, &a.Network, &a.IDFromNetwork, &a.Name, &a.Status, &sites, &users, &data, &created, &updated)
	if err != nil {
		return a, err
	}
	for _, part := range []struct {
		text string
		into any
	}{{sites, &a.Sites}, {users, &a.Users}, {data, &a.CustomData}} {
		if err := json.Unmarshal([]byte(part.text), part.into); err != nil {
			return a, fmt.Errorf("affiliate %d: %w", a.ID, err)
		}
	}
	a.CreatedAt, a.UpdatedAt = fromMillis(created), fromMillis(updated)
	return a, nil
}
