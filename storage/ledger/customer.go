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

// CreateCustomer adds a customer, bound to whom the evidence says brought them, and returns it as JSON (tracker.Customer), as
// it is then. Whoever reports the same one again gets the same bytes and replayed is true; whoever reports one who was erased
// gets what is left of them.
//
// tracker.Invalid: something is wrong with it. tracker.ErrConflict: the network and brand have a customer of that external
// id, who was reported with other content. tracker.ErrOrganic: nobody brought them, and the terms take none of those.
func (l *Ledger) CreateCustomer(ctx context.Context, n tracker.NewCustomer) (answer []byte, replayed bool, err error) {
	if err = n.Check(); err == nil {
		err = l.book(ctx, func(b *books) (err error) {
			answer, replayed, err = b.addCustomer(ctx, n)
			return err
		})
	}
	if err != nil {
		return nil, false, fmt.Errorf("adding a customer: %w", err)
	}
	return answer, replayed, nil
}

func (b *books) addCustomer(ctx context.Context, n tracker.NewCustomer) (answer []byte, replayed bool, err error) {
	hash := n.ContentHash()
	if answer, err = b.knownCustomer(ctx, &n, hash); answer != nil || err != nil {
		return answer, true, err
	}
	c, err := b.bindCustomer(ctx, n)
	if err != nil {
		return nil, false, err
	}
	about := n.Evidence
	about.CustomerExternalID, about.CustomerBrand = n.ExternalID, n.Brand // who may have been erased before anybody reported them
	erased, err := b.tellsOfErased(ctx, n.Network, about)
	if err != nil {
		return nil, false, err
	}
	if erased {
		hash = erasedHash
		blankCustomer(c, b.ledger.pseudonym(c.Network, c.ExternalID, c.Brand))
		if err := b.remember(ctx, c.Network, hashOfPseudonym(c.ExternalID)); err != nil {
			return nil, false, err
		}
	}
	if answer, err = json.Marshal(c); err != nil {
		return nil, false, fmt.Errorf("writing the answer: %w", err)
	}
	b.events.tellCustomer(tracker.EventCustomer, c)
	return answer, false, b.insertCustomer(ctx, c, hash, answer)
}

// knownCustomer returns the answer to an earlier report of the customer, or nil if there was none.
func (b *books) knownCustomer(ctx context.Context, n *tracker.NewCustomer, hash string) (answer []byte, err error) {
	pseudonym := b.ledger.pseudonym(n.Network, n.ExternalID, n.Brand)
	var externalID, known string
	err = b.tx.QueryRowContext(ctx, `SELECT external_id, hash, answer FROM customer
		WHERE network = $1 AND external_id IN ($2, $3) AND brand = $4`, n.Network, n.ExternalID, pseudonym, n.Brand).
		Scan(&externalID, &known, &answer)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking for an earlier report: %w", err)
	case externalID != pseudonym && known != hash:
		return nil, tracker.ErrConflict
	}
	return answer, nil
}

// bindCustomer makes the customer, bound to whom the evidence says brought them.
func (b *books) bindCustomer(ctx context.Context, n tracker.NewCustomer) (*tracker.Customer, error) {
	if n.RegisteredAt.IsZero() {
		n.RegisteredAt = b.now
	}
	n.RegisteredAt = fromMillis(millis(n.RegisteredAt))
	n.Evidence.CustomerID, n.Evidence.CustomerExternalID, n.Evidence.CustomerBrand = "", "", "" // none is there to ask
	a, err := b.ledger.attribute(ctx, b.tx, n.Network, n.RegisteredAt, n.Evidence)
	if err != nil {
		return nil, err
	}
	c := &tracker.Customer{
		ID: tracker.NewSessionID(b.now).String(), Network: n.Network, CustomerFields: n.CustomerFields,
		ExternalID: n.ExternalID, Brand: n.Brand, Sums: []tracker.CustomerSum{},
		CreatedAt: b.now, UpdatedAt: b.now, Decision: a.Decision,
	}
	c.VisitorID = cmp.Or(a.Visitor, visitorOf(n.Network, n.Evidence)) // also where nobody brought them, so that an erasure finds them
	if w := a.Winner; w != nil {
		c.SessionID, c.LinkID = w.SessionID, w.LinkID
		c.AffiliateID, c.Affiliate, c.CampaignID, c.Campaign = w.AffiliateID, w.Affiliate, w.CampaignID, w.Campaign
		return c, nil
	}
	if b.ledger.terms.Load().Organic == tracker.OrganicReject {
		return nil, tracker.ErrOrganic
	}
	c.Organic, c.Campaign = true, tracker.OrganicCampaign
	c.CampaignID, err = b.organicCampaign(ctx, n.Network)
	return c, err
}

// organicCampaign returns the number of the campaign of organic customers, which it makes where it is missing.
func (b *books) organicCampaign(ctx context.Context, network string) (int64, error) {
	found, err := campaignKind.names.find(ctx, b.tx, network, []string{tracker.OrganicCampaign})
	if err != nil || len(found) > 0 {
		return found[tracker.OrganicCampaign], err
	}
	c, err := b.ledger.openCatalog(ctx, b.tx)
	if err != nil {
		return 0, err
	}
	if found, err = c.named(ctx, campaignKind, network, tracker.OrganicCampaign); err != nil {
		return 0, err
	}
	return found[tracker.OrganicCampaign], c.finish(ctx)
}

// Customer returns a customer. ErrNotFound: the network has none of that id.
func (l *Ledger) Customer(ctx context.Context, network, id string) (tracker.Customer, error) {
	if _, err := tracker.ParseSessionID(id); err != nil {
		return tracker.Customer{}, fmt.Errorf("reading a customer: %w", ErrNotFound)
	}
	return l.customer(ctx, ` WHERE c.network = $1 AND c.id = $2`, network, id)
}

// CustomerByExternalID returns the customer whom the merchant knows by that id, also one who was erased. ErrNotFound: the
// network and brand have none.
func (l *Ledger) CustomerByExternalID(ctx context.Context, network, externalID, brand string) (tracker.Customer, error) {
	return l.customer(ctx, ` WHERE c.network = $1 AND c.external_id IN ($2, $3) AND c.brand = $4`,
		network, externalID, l.pseudonym(network, externalID, brand), brand)
}

func (l *Ledger) customer(ctx context.Context, where string, args ...any) (found tracker.Customer, err error) {
	err = l.view(ctx, func(tx *sql.Tx) error {
		c, err := only(readCustomers(ctx, tx, where, args...))
		found = c.Customer
		return err
	})
	if err != nil {
		return tracker.Customer{}, fmt.Errorf("reading a customer: %w", err)
	}
	return found, nil
}

// Customers returns a page of the network's customers, newest first, and the cursor of the next page. tracker.ErrCursor:
// p.After is none of ours.
func (l *Ledger) Customers(
	ctx context.Context, network string, f tracker.CustomerFilter, p tracker.Page,
) (page []tracker.Customer, next string, err error) {
	s := selectOf("c.network", network)
	if f.ExternalID != "" {
		s.text += ` AND c.external_id IN (` + s.bind(f.ExternalID) + `, ` + s.bind(l.pseudonym(network, f.ExternalID, f.Brand)) + `)`
	}
	andIf(s, `c.brand = ?`, f.Brand)
	andIf(s, `c.affiliate_id = ?`, f.AffiliateID)
	andIf(s, `c.session_id = ? AND c.session_id <> ''`, f.SessionID)
	andGiven(s, `c.organic = ?`, f.Organic)
	if f.Organic != nil && *f.Organic {
		s.text += ` AND c.affiliate_id = 0` // as all of them have it: for the sake of the index
	}
	andTime(s, `c.created_at >= ?`, f.MinCreated)
	andTime(s, `c.created_at <= ?`, f.MaxCreated)
	if err := s.newest("c.created_at", "c.id", p); err != nil {
		return nil, "", err
	}
	err = l.view(ctx, func(tx *sql.Tx) error {
		rows, err := readCustomers(ctx, tx, s.text, s.args...)
		if err != nil {
			return err
		}
		rows, next = cutNewest(rows, p, func(c storedCustomer) (time.Time, string) { return c.CreatedAt, c.ID })
		page = make([]tracker.Customer, len(rows))
		for i, c := range rows {
			page[i] = c.Customer
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// UpdateCustomer lets change change what is said of a customer, checks and keeps it, and returns the customer. ErrNotFound: the
// network has none of that id. tracker.Invalid: what change made of it breaks a rule. Change may be called more than once.
func (l *Ledger) UpdateCustomer(
	ctx context.Context, network, id string, change func(*tracker.CustomerFields) error,
) (tracker.Customer, error) {
	var changed tracker.Customer
	err := ErrNotFound
	if _, none := tracker.ParseSessionID(id); none == nil {
		err = l.book(ctx, func(b *books) (err error) {
			changed, err = b.updateCustomer(ctx, network, id, change)
			return err
		})
	}
	if err != nil {
		return tracker.Customer{}, fmt.Errorf("changing a customer: %w", err)
	}
	return changed, nil
}

func (b *books) updateCustomer(
	ctx context.Context, network, id string, change func(*tracker.CustomerFields) error,
) (tracker.Customer, error) {
	_, err := b.tx.ExecContext(ctx, `UPDATE customer SET updated_at = updated_at WHERE network = $1 AND id = $2`, network, id)
	if err != nil {
		return tracker.Customer{}, fmt.Errorf("locking the customer: %w", err)
	}
	c, err := only(readCustomers(ctx, b.tx, ` WHERE c.network = $1 AND c.id = $2`, network, id))
	if err != nil {
		return tracker.Customer{}, err
	}
	f := c.CustomerFields
	if err := change(&f); err != nil {
		return tracker.Customer{}, err
	}
	if err := f.Check(); err != nil {
		return tracker.Customer{}, err
	}
	if f.RegisteredAt.IsZero() {
		f.RegisteredAt = c.RegisteredAt
	}
	f.RegisteredAt = fromMillis(millis(f.RegisteredAt))
	c.CustomerFields, c.UpdatedAt = f, b.now
	b.events.tellCustomer(tracker.EventCustomerChanged, &c.Customer)
	return c.Customer, b.storeCustomerFields(ctx, &c.Customer)
}
