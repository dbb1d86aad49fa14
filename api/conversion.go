package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) conversions() {
	register(a, operation{
		id: "list-conversions", method: http.MethodGet, path: "conversions", scope: "conversions:read",
		summary: "List conversions", about: "The newest first, without their history.", answer: List[tracker.Conversion]{}, csv: true,
	}, a.listConversions)
	register(a, operation{
		id: "create-conversion", method: http.MethodPost, path: "conversions", scope: "conversions:write",
		summary: "Report a conversion", status: http.StatusCreated, answer: tracker.Conversion{}, replays: true,
		about: "A conversion is known by its external id and its type, for ever: the same report again counts once and is answered with the " +
			"first one's bytes. The same id with other content follows the duplicate policy. An Idempotency-Key is honoured as well, for 30 days.",
	}, a.createConversion)
	register(a, operation{
		id: "get-conversion", method: http.MethodGet, path: "conversions/{id}", scope: "conversions:read",
		summary: "Read a conversion", about: "With its history, and the record of why this affiliate earns.", answer: tracker.Conversion{},
	}, a.getConversion)
	register(a, operation{
		id: "update-conversion", method: http.MethodPatch, path: "conversions/{id}", scope: "conversions:write",
		summary: "Approve, reject, correct or pay a conversion", answer: tracker.Conversion{},
		about: "What is paid is closed: only refunds and a reversal change it any more. What was reversed changes no more.",
	}, a.updateConversion)
	register(a, operation{
		id: "reverse-conversion", method: http.MethodPost, path: "conversions/{id}/reversal", scope: "conversions:write",
		summary: "Reverse a conversion", about: "Takes back all that is left of it, also after the payout.", answer: tracker.Conversion{},
	}, a.reverseConversion)
}

type conversionList struct {
	Paging
	Status              tracker.ConversionStatus `query:"status"`
	ExternalID          string                   `query:"external_id"`
	IsClosed            given[bool]              `query:"is_closed"`
	IsReversed          given[bool]              `query:"is_reversed"`
	CheckedOut          given[bool]              `query:"checked_out"`
	MinCommissionAmount given[int64]             `query:"min_commission_amount" doc:"of the sum of the sub-amounts; bounds are inclusive"`
	MaxCommissionAmount given[int64]             `query:"max_commission_amount"`
	MinCreated          time.Time                `query:"min_created_at"`
	MaxCreated          time.Time                `query:"max_created_at"`
	MinUpdated          time.Time                `query:"min_updated_at"`
	MaxUpdated          time.Time                `query:"max_updated_at"`
	MinAmount           given[int64]             `query:"min_amount"`
	MaxAmount           given[int64]             `query:"max_amount"`
	MinWage             given[int64]             `query:"min_wage"`
	MaxWage             given[int64]             `query:"max_wage"`

	Type        tracker.ConversionType `query:"type"`
	Source      string                 `query:"source" doc:"api, header, block, pixel, postback, affili or affili_browser"`
	AffiliateID int64                  `query:"affiliate_id" minimum:"1"`
	CampaignID  int64                  `query:"campaign_id" minimum:"1"`
	LinkID      int64                  `query:"link_id" minimum:"1"`
	SessionID   string                 `query:"session_id"`
	VisitorID   string                 `query:"visitor_id"`
	CustomerID  string                 `query:"customer_id"`
	MinOccurred time.Time              `query:"min_occurred_at"`
	MaxOccurred time.Time              `query:"max_occurred_at"`
}

func (in *conversionList) filter() (tracker.ConversionFilter, error) {
	var ids wantedIDs
	f := tracker.ConversionFilter{
		Status: in.Status, ExternalID: in.ExternalID, IsClosed: in.IsClosed.pointer(), IsReversed: in.IsReversed.pointer(), CheckedOut: in.CheckedOut.pointer(),
		MinCommissionAmount: in.MinCommissionAmount.pointer(), MaxCommissionAmount: in.MaxCommissionAmount.pointer(),
		MinCreated: in.MinCreated, MaxCreated: in.MaxCreated, MinUpdated: in.MinUpdated, MaxUpdated: in.MaxUpdated,
		MinAmount: in.MinAmount.pointer(), MaxAmount: in.MaxAmount.pointer(), MinWage: in.MinWage.pointer(), MaxWage: in.MaxWage.pointer(),
		Type: in.Type, Source: in.Source, AffiliateID: in.AffiliateID, CampaignID: in.CampaignID, LinkID: in.LinkID,
		SessionID: ids.uuid("session_id", in.SessionID), CustomerID: ids.uuid("customer_id", in.CustomerID),
		MinOccurred: in.MinOccurred, MaxOccurred: in.MaxOccurred,
	}
	if in.VisitorID != "" {
		f.VisitorID = ids.visitor("visitor_id", in.VisitorID).String()
	}
	return f, ids.wrong.Err()
}

func (a *API) listConversions(ctx context.Context, c *call, in *conversionList) (answer, error) {
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	rows, next, err := c.books.Conversions(ctx, c.network, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listing(rows, next, conversionColumns), nil
}

var conversionColumns = []column[tracker.Conversion]{
	{"id", func(c *tracker.Conversion) any { return c.ID }},
	{"source", func(c *tracker.Conversion) any { return c.Source }},
	{"external_id", func(c *tracker.Conversion) any { return c.ExternalID }},
	{"repeat", func(c *tracker.Conversion) any { return int64(c.Repeat) }},
	{"type", func(c *tracker.Conversion) any { return string(c.Type) }},
	{"status", func(c *tracker.Conversion) any { return string(c.Status) }},
	{"amount", func(c *tracker.Conversion) any { return c.Amount }},
	{"currency", func(c *tracker.Conversion) any { return c.Currency }},
	{"wage", func(c *tracker.Conversion) any { return c.Wage }},
	{"is_closed", func(c *tracker.Conversion) any { return c.IsClosed }},
	{"is_reversed", func(c *tracker.Conversion) any { return c.IsReversed }},
	{"checked_out", func(c *tracker.Conversion) any { return c.CheckedOut }},
	{"paid_at", func(c *tracker.Conversion) any { return c.PaidAt }},
	{"affiliate_id", func(c *tracker.Conversion) any { return number(c.AffiliateID) }},
	{"affiliate", func(c *tracker.Conversion) any { return c.Affiliate }},
	{"campaign_id", func(c *tracker.Conversion) any { return number(c.CampaignID) }},
	{"campaign", func(c *tracker.Conversion) any { return c.Campaign }},
	{"link_id", func(c *tracker.Conversion) any { return number(c.LinkID) }},
	{"code", func(c *tracker.Conversion) any { return c.Code }},
	{"session_id", func(c *tracker.Conversion) any { return c.SessionID }},
	{"visitor_id", func(c *tracker.Conversion) any { return c.VisitorID }},
	{"customer_id", func(c *tracker.Conversion) any { return c.CustomerID }},
	{"sub1", func(c *tracker.Conversion) any { return c.Sub1 }},
	{"coupon", func(c *tracker.Conversion) any { return c.Coupon }},
	{"name", func(c *tracker.Conversion) any { return c.Name }},
	{"meta_data", func(c *tracker.Conversion) any { return string(c.MetaData) }},
	{"reason", func(c *tracker.Conversion) any { return c.Decision.Reason }},
	{"occurred_at", func(c *tracker.Conversion) any { return c.OccurredAt }},
	{"created_at", func(c *tracker.Conversion) any { return c.CreatedAt }},
	{"updated_at", func(c *tracker.Conversion) any { return c.UpdatedAt }},
}

// newConversion is the body that reports a conversion.
type newConversion struct {
	ExternalID         string                   `json:"external_id" required:"true" doc:"the merchant's id, at most 255 characters"`
	Type               tracker.ConversionType   `json:"type" required:"true"`
	Amount             int64                    `json:"amount" required:"true" minimum:"0" maximum:"10000000000000" doc:"minor units"`
	Currency           string                   `json:"currency" required:"true" doc:"ISO 4217"`
	Commissions        []newPart                `json:"commissions" doc:"add up to the amount; default: one part default of all of it"`
	Status             tracker.ConversionStatus `json:"status" enum:"pending,approved" doc:"default: pending"`
	Coupon             string                   `json:"coupon" doc:"tells who earns, if nothing stronger does"`
	Name               string                   `json:"name" doc:"of a lead"`
	MetaData           json.RawMessage          `json:"meta_data" doc:"an object of your own"`
	OccurredAt         time.Time                `json:"occurred_at" doc:"default: now"`
	Token              string                   `json:"token" doc:"the visitor's token: the strongest evidence"`
	SessionID          string                   `json:"session_id" doc:"the next strongest"`
	CustomerID         string                   `json:"customer_id" doc:"ours, a UUID; or else customer_external_id"`
	CustomerExternalID string                   `json:"customer_external_id"`
	CustomerBrand      string                   `json:"customer_brand"`
	Duplicates         tracker.DuplicatePolicy  `json:"duplicates" doc:"default: the campaign's"`
}

// newPart is a named part of an amount, as a client may say it: what is paid for it is the campaign's to say.
type newPart struct {
	Name      string `json:"name" required:"true"`
	SubAmount int64  `json:"sub_amount" required:"true" doc:"minor units"`
}

func partsOf(given []newPart) []tracker.Part {
	var parts []tracker.Part
	for _, p := range given {
		parts = append(parts, tracker.Part{Name: p.Name, SubAmount: p.SubAmount})
	}
	return parts
}

func (a *API) createConversion(ctx context.Context, c *call, in *struct {
	body[newConversion]
	IdempotencyKey string `header:"Idempotency-Key" doc:"1 to 255 printable characters of ASCII"`
}) (answer, error) {
	said := in.value
	evidence, err := a.readEvidence(c, said.Token, said.SessionID)
	if err != nil {
		return nil, err
	}
	evidence.CustomerID, evidence.CustomerExternalID, evidence.CustomerBrand = said.CustomerID, said.CustomerExternalID, said.CustomerBrand
	evidence.Coupon = said.Coupon
	text, replayed, err := c.books.CreateConversion(ctx, tracker.NewConversion{
		Network: c.network, ExternalID: said.ExternalID, Type: said.Type, Amount: said.Amount, Currency: said.Currency,
		Commissions: partsOf(said.Commissions), Status: said.Status, Coupon: said.Coupon, Name: said.Name, MetaData: said.MetaData,
		OccurredAt: said.OccurredAt, Evidence: evidence, Duplicates: said.Duplicates, IdempotencyKey: in.IdempotencyKey, Actor: c.actor,
	})
	if err != nil {
		return nil, err
	}
	return stored(text, replayed), nil
}

func (a *API) getConversion(ctx context.Context, c *call, in *byID) (answer, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	conversion, err := c.books.Conversion(ctx, c.network, id)
	return found(conversion, err)
}

// conversionChange is the body that changes a conversion.
type conversionChange struct {
	Status      *tracker.ConversionStatus `json:"status" enum:"pending,approved,rejected" nullable:"false"`
	Amount      *int64                    `json:"amount" minimum:"0" maximum:"10000000000000" nullable:"false" doc:"the new amount, minor units"`
	Commissions []newPart                 `json:"commissions" doc:"needed with amount where the conversion has several parts"`
	Paid        *bool                     `json:"paid" nullable:"false" doc:"true: checked out and closed, from approved only"`
	Note        string                    `json:"note"`
}

// check refuses a note that nothing goes with: the history has changes, and a note is part of one.
func (c *conversionChange) check() error {
	if c.Note != "" && c.Status == nil && c.Amount == nil && len(c.Commissions) == 0 && c.Paid == nil {
		return wrongValue("note", "must go with a change, and there is nothing to change")
	}
	return nil
}

func (a *API) updateConversion(ctx context.Context, c *call, in *struct {
	body[conversionChange]
	ID string `path:"id" doc:"a UUID"`
}) (answer, error) {
	id, err := byID{in.ID}.canonical()
	if err != nil {
		return nil, err
	}
	if err := in.value.check(); err != nil {
		return nil, err
	}
	conversion, err := c.books.UpdateConversion(ctx, c.network, id, tracker.ConversionUpdate{
		Status: in.value.Status, Amount: in.value.Amount, Commissions: partsOf(in.value.Commissions), Paid: in.value.Paid,
		Note: in.value.Note, Actor: c.actor,
	})
	return found(conversion, err)
}

// reversal is the body that reverses a conversion.
type reversal struct {
	Note string `json:"note"`
}

func (a *API) reverseConversion(ctx context.Context, c *call, in *struct {
	body[reversal]
	ID string `path:"id" doc:"a UUID"`
}) (answer, error) {
	id, err := byID{in.ID}.canonical()
	if err != nil {
		return nil, err
	}
	conversion, err := c.books.ReverseConversion(ctx, c.network, id, in.value.Note, c.actor)
	return found(conversion, err)
}
