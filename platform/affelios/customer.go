package affelios

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const mediaJSON = "application/json"

func (s *server) createCustomer(ctx context.Context, c *call) error {
	data, err := s.readBody(c.w, c.r, access.MaxBody)
	if err != nil {
		return err
	}
	n, key, err := s.readCustomer(data)
	if err != nil {
		return err
	}
	n.Network = c.key.Network
	if n.Evidence, err = c.evidence(ctx, key); err != nil {
		return err
	}
	customer, err := c.addCustomer(ctx, n)
	if err != nil {
		return err
	}
	return c.show(ctx, customer)
}

// show answers with the whole customer.
func (c *call) show(ctx context.Context, customer *tracker.Customer) error {
	shown, err := c.answer(ctx, customer)
	if err != nil {
		return err
	}
	c.server.write(c.w, http.StatusOK, mediaJSON, shown)
	return nil
}

// readCustomer reads a new customer, and the click key that came with them.
func (s *server) readCustomer(data []byte) (n tracker.NewCustomer, key string, err error) {
	var wrong tracker.Invalid
	o, ok := s.readObject("", data, customerMembers, &wrong)
	if !ok {
		return n, "", wrong
	}
	n.ExternalID, n.Brand = o.text("externalId"), o.brand()
	o.fields(&n.CustomerFields)
	o.required("externalId", n.ExternalID)
	o.required("externalBrandId", n.Brand)
	if at, ok := o.moment("registrationDate"); ok && at.IsZero() {
		o.fail("registrationDate", "is required")
	} else {
		n.RegisteredAt = at
	}
	return n, o.clickKey(), wrong.Err()
}

// fields reads what may be said of a customer again, but the date. What is not given stays as it is.
func (o *object) fields(f *tracker.CustomerFields) {
	for name, to := range map[string]*string{
		"username": &f.Username, "country": &f.Country, "country_code": &f.CountryCode, "category": &f.Category, "label": &f.Label,
	} {
		if o.given(name) {
			*to = o.text(name)
		}
	}
	for name, to := range map[string]*bool{"revShareExcluded": &f.RevShareExcluded, "cpaExcluded": &f.CPAExcluded} {
		if o.given(name) {
			*to = o.flag(name)
		}
	}
}

// evidence turns a customer's click key into evidence. Without one there is none, and the organic rule decides.
func (c *call) evidence(ctx context.Context, key string) (tracker.Evidence, error) {
	if key == "" {
		return tracker.Evidence{}, nil
	}
	found, known, err := c.readKey(ctx, key)
	if err != nil {
		return tracker.Evidence{}, err
	}
	if !known && c.server.UnknownKey == UnknownReject {
		return tracker.Evidence{}, wrongValue("clickId", "is no click key of the network")
	}
	if !known {
		return tracker.Evidence{}, nil
	}
	return found.evidence, nil
}

// addCustomer adds a customer, or finds them by the rule for duplicates.
func (c *call) addCustomer(ctx context.Context, n tracker.NewCustomer) (*tracker.Customer, error) {
	text, replayed, err := c.books.CreateCustomer(ctx, n)
	if err != nil {
		return nil, err
	}
	var customer tracker.Customer
	if err := json.Unmarshal(text, &customer); err != nil {
		return nil, fmt.Errorf("reading the books' answer: %w", err)
	}
	if !replayed {
		return &customer, nil
	}
	if c.server.Duplicates == DuplicateReject {
		return nil, errExists
	}
	customer, err = c.books.Customer(ctx, n.Network, customer.ID) // as they are now
	return &customer, err
}

func (s *server) getCustomer(ctx context.Context, c *call) error {
	customer, err := c.customer(ctx)
	if err != nil {
		return err
	}
	return c.show(ctx, customer)
}

// customer is the one whom the path names.
func (c *call) customer(ctx context.Context) (*tracker.Customer, error) {
	id, err := tracker.ParseSessionID(c.id)
	if err != nil {
		return nil, errNoCustomer
	}
	customer, err := c.books.Customer(ctx, c.key.Network, id.String())
	return &customer, err
}

func (s *server) updateCustomer(ctx context.Context, c *call) error {
	data, err := s.readBody(c.w, c.r, maxBulk) // it may repeat the transactions that were shown
	if err != nil {
		return err
	}
	customer, err := c.customer(ctx)
	if err != nil {
		return err
	}
	change, err := c.readChange(ctx, data, customer)
	if err != nil {
		return err
	}
	changed, err := c.books.UpdateCustomer(ctx, customer.Network, customer.ID, change)
	if err != nil {
		return err
	}
	return c.show(ctx, &changed)
}

// readChange reads what is said anew of a customer. Who they are and who brought them may be repeated, but not changed.
func (c *call) readChange(ctx context.Context, data []byte, customer *tracker.Customer) (func(*tracker.CustomerFields) error, error) {
	var wrong tracker.Invalid
	o, ok := c.server.readObject("", data, changeMembers, &wrong)
	if !ok {
		return nil, wrong
	}
	registered, _ := o.moment("registrationDate")
	o.fields(&tracker.CustomerFields{}) // for what is wrong
	externalID, brand := o.text("externalId"), o.brand()
	if err := wrong.Err(); err != nil {
		return nil, err
	}
	if externalID != "" && externalID != customer.ExternalID {
		return nil, wrongValue("externalId", "cannot be changed")
	}
	if brand != "" && brand != customer.Brand {
		return nil, wrongValue("externalBrandId", "cannot be changed")
	}
	if err := c.checkBound(ctx, o.clickKey(), customer); err != nil {
		return nil, err
	}
	return func(f *tracker.CustomerFields) error {
		o.fields(f)
		f.RegisteredAt = registered // zero: as it was
		return nil
	}, nil
}

// checkBound refuses a click key of another click than the one that brought the customer.
func (c *call) checkBound(ctx context.Context, key string, customer *tracker.Customer) error {
	if key == "" {
		return nil
	}
	found, known, err := c.readKey(ctx, key)
	if err != nil {
		return err
	}
	bound, none := tracker.ParseSessionID(customer.SessionID)
	if !known || none != nil || !slices.Contains(found.sessions, bound) {
		return wrongValue("clickId", "is not the click that brought the customer, which cannot be changed")
	}
	return nil
}
