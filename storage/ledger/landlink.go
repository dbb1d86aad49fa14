package ledger

import (
	"context"
	"errors"
)

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
		found, err := linkCodes.find(ctx, a.tx, network, keys)
		if err != nil {
			return err
		}
		for key, id := range found {
			ids[LinkID{network, key}] = id
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

// makeMissing makes a disabled link for each code that has none.
func (a *applier) makeMissing(ctx context.Context, records []Record, ids map[LinkID]int64) error {
	var missing []LinkID
	for _, r := range records {
		name := LinkID{r.Session.Network, r.Session.Code}.key()
		if ids[name] == 0 {
			ids[name] = -1
			missing = append(missing, LinkID{r.Session.Network, r.Session.Code})
		}
	}
	if len(missing) == 0 {
		return nil
	}
	c, err := a.ledger.openCatalog(ctx, a.tx)
	if err != nil {
		return err
	}
	for _, n := range missing {
		id, err := c.placeholder(ctx, n)
		if err != nil {
			return err
		}
		ids[n.key()] = id
	}
	return c.finish(ctx)
}

// placeholder returns the number of the link, which it makes, disabled, unless another hub was first.
func (c *catalog) placeholder(ctx context.Context, id LinkID) (int64, error) {
	old, err := c.link(ctx, id.Network, id.Code)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return old.ID, err
	}
	f, err := c.fields(ctx, NewLink{Network: id.Network, Code: id.Code, Affiliate: id.Code, Campaign: DefaultCampaign})
	if err != nil {
		return 0, err
	}
	f.Enabled = false
	next := made(id.Network, SourceSession, f)
	return c.addOne(ctx, linkKind, id.Network, next.values())
}
