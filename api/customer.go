package api

import (
	"context"
	"net/http"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) customers() {
	register(a, operation{
		id: "list-customers", method: http.MethodGet, path: "customers", scope: "customers:read",
		summary: "List customers", about: "The newest first.", answer: List[tracker.Customer]{}, csv: true,
	}, a.listCustomers)
	register(a, operation{
		id: "create-customer", method: http.MethodPost, path: "customers", scope: "customers:write", requires: []string{"external_id"},
		summary: "Report a customer", status: http.StatusCreated, answer: tracker.Customer{}, replays: true,
		about: "The customer is bound to the session that brought them, for ever. The same report again is answered as the first one was; " +
			"the same external id and brand with other content is a conflict.",
	}, a.createCustomer)
	register(a, operation{
		id: "get-customer", method: http.MethodGet, path: "customers/{id}", scope: "customers:read",
		summary: "Read a customer", about: "With the sums of their transactions, and why they are bound as they are.", answer: tracker.Customer{},
	}, a.getCustomer)
	register(a, operation{
		id: "update-customer", method: http.MethodPatch, path: "customers/{id}", scope: "customers:write",
		summary: "Change a customer", about: patchAbout, answer: tracker.Customer{},
	}, a.updateCustomer)
}

type customerList struct {
	Paging
	ExternalID  string      `query:"external_id"`
	Brand       string      `query:"brand"`
	AffiliateID int64       `query:"affiliate_id" minimum:"1"`
	SessionID   string      `query:"session_id"`
	Organic     given[bool] `query:"organic"`
	MinCreated  time.Time   `query:"min_created_at" doc:"inclusive"`
	MaxCreated  time.Time   `query:"max_created_at" doc:"inclusive"`
}

func (a *API) listCustomers(ctx context.Context, c *call, in *customerList) (answer, error) {
	var ids wantedIDs
	filter := tracker.CustomerFilter{
		ExternalID: in.ExternalID, Brand: in.Brand, AffiliateID: in.AffiliateID, SessionID: ids.uuid("session_id", in.SessionID),
		Organic: in.Organic.pointer(), MinCreated: in.MinCreated, MaxCreated: in.MaxCreated,
	}
	if err := ids.wrong.Err(); err != nil {
		return nil, err
	}
	rows, next, err := c.books.Customers(ctx, c.network, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listing(rows, next, customerColumns), nil
}

var customerColumns = []column[tracker.Customer]{
	{"id", func(c *tracker.Customer) any { return c.ID }},
	{"external_id", func(c *tracker.Customer) any { return c.ExternalID }},
	{"brand", func(c *tracker.Customer) any { return c.Brand }},
	{"username", func(c *tracker.Customer) any { return c.Username }},
	{"registered_at", func(c *tracker.Customer) any { return c.RegisteredAt }},
	{"country", func(c *tracker.Customer) any { return c.Country }},
	{"country_code", func(c *tracker.Customer) any { return c.CountryCode }},
	{"organic", func(c *tracker.Customer) any { return c.Organic }},
	{"session_id", func(c *tracker.Customer) any { return c.SessionID }},
	{"visitor_id", func(c *tracker.Customer) any { return c.VisitorID }},
	{"link_id", func(c *tracker.Customer) any { return number(c.LinkID) }},
	{"affiliate_id", func(c *tracker.Customer) any { return number(c.AffiliateID) }},
	{"affiliate", func(c *tracker.Customer) any { return c.Affiliate }},
	{"campaign_id", func(c *tracker.Customer) any { return number(c.CampaignID) }},
	{"campaign", func(c *tracker.Customer) any { return c.Campaign }},
	{"rev_share_excluded", func(c *tracker.Customer) any { return c.RevShareExcluded }},
	{"cpa_excluded", func(c *tracker.Customer) any { return c.CPAExcluded }},
	{"category", func(c *tracker.Customer) any { return c.Category }},
	{"label", func(c *tracker.Customer) any { return c.Label }},
	{"note", func(c *tracker.Customer) any { return c.Note }},
	{"created_at", func(c *tracker.Customer) any { return c.CreatedAt }},
	{"updated_at", func(c *tracker.Customer) any { return c.UpdatedAt }},
}

// newCustomer is the body that reports a customer.
type newCustomer struct {
	ExternalID string `json:"external_id" doc:"the merchant's id, unique with brand for ever"`
	Brand      string `json:"brand,omitempty"`
	tracker.CustomerFields
	Token     string `json:"token,omitempty" doc:"the visitor's token"`
	SessionID string `json:"session_id,omitempty"`
	Coupon    string `json:"coupon,omitempty"`
}

func (a *API) createCustomer(ctx context.Context, c *call, in *struct{ body[newCustomer] }) (answer, error) {
	evidence, err := a.readEvidence(c, in.value.Token, in.value.SessionID)
	if err != nil {
		return nil, err
	}
	evidence.Coupon = in.value.Coupon
	text, replayed, err := c.books.CreateCustomer(ctx, tracker.NewCustomer{
		Network: c.network, ExternalID: in.value.ExternalID, Brand: in.value.Brand, CustomerFields: in.value.CustomerFields,
		Evidence: evidence,
	})
	if err != nil {
		return nil, err
	}
	return stored(text, replayed), nil
}

func (a *API) getCustomer(ctx context.Context, c *call, in *byID) (answer, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	customer, err := c.books.Customer(ctx, c.network, id)
	return found(customer, err)
}

func (a *API) updateCustomer(ctx context.Context, c *call, in *struct {
	patch[tracker.CustomerFields]
	ID string `path:"id" doc:"a UUID"`
}) (answer, error) {
	id, err := byID{in.ID}.canonical()
	if err != nil {
		return nil, err
	}
	customer, err := c.books.UpdateCustomer(ctx, c.network, id, in.apply)
	return found(customer, err)
}
