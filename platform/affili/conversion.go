package affili

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (s *server) listConversions(ctx context.Context, c *call) (any, error) {
	filter, part, err := s.parseFilters(c.query)
	if err != nil {
		return nil, err
	}
	conversions, next, err := c.books.Conversions(ctx, c.key.Network, filter, part)
	if err != nil {
		return nil, err
	}
	answer := page{}
	if next != "" {
		answer.meta = &Meta{Next: next}
	}
	answer.rows, err = s.show(ctx, c, conversions)
	return answer, err
}

func (s *server) findConversion(ctx context.Context, c *call) (any, error) {
	conversion, err := c.conversion(ctx)
	if err != nil {
		return nil, err
	}
	return s.showOne(ctx, c, conversion)
}

// conversion is the one that the path names.
func (c *call) conversion(ctx context.Context) (tracker.Conversion, error) {
	id, err := c.books.AliasedConversion(ctx, c.key.Network, c.id)
	if err != nil {
		return tracker.Conversion{}, err
	}
	return c.books.Conversion(ctx, c.key.Network, id)
}

// createConversion books a conversion. The same one again is answered as the first time; one of the same external id with
// other content is booked as duplicated.
func (s *server) createConversion(ctx context.Context, c *call) (any, error) {
	b := c.body
	b.only("external_id", "amount", "token", "aff_id", "referrer", "commissions", "type", "name", "coupon", "meta_data")
	b.requireWho()
	n := s.newConversion(b, version1)
	n.Network, n.Source, n.Actor, n.Aliased = c.key.Network, tracker.SourceAffili, c.key.ID, true
	answer, err := s.book(ctx, c.books, n, b, tracker.Session{})
	if err != nil {
		return nil, err
	}
	var conversion tracker.Conversion
	if err := json.Unmarshal(answer, &conversion); err != nil {
		return nil, fmt.Errorf("reading the books' answer: %w", err)
	}
	return s.showOne(ctx, c, conversion)
}

// requireWho notes what is missing of token, aff_id and referrer. A token says more than the others, and a script that has none
// sends false.
func (b *body) requireWho() {
	b.text("aff_id")
	b.text("referrer")
	if _, there := b.members["token"]; !there || b.strict {
		b.require("token")
	}
	if !b.filled("token") || b.strict {
		b.require("aff_id", "referrer")
	}
}

// updateConversion changes the status or the amount of a conversion. External id and type are what it is known by for ever.
func (s *server) updateConversion(ctx context.Context, c *call) (any, error) {
	conversion, err := c.conversion(ctx)
	if err != nil {
		return nil, err
	}
	b := c.body
	b.only("external_id", "amount", "commissions", "type", "status")
	if b.has("external_id") && b.text("external_id") != conversion.ExternalID {
		b.wrong.Add("external_id", "cannot be changed")
	}
	if b.has("type") {
		if kind := s.kind(b, version1); kind != "" && kind != conversion.Type {
			b.wrong.Add("type", "cannot be changed")
		}
	}
	update := tracker.ConversionUpdate{
		Status: b.status(conversion.Status), Commissions: b.parts(conversion.Currency), Actor: c.key.ID,
	}
	if b.has("amount") {
		b.require("commissions")
		amount := b.amount("amount", conversion.Currency)
		update.Amount = &amount
	}
	if err := b.wrong.Err(); err != nil {
		return nil, err
	}
	if conversion, err = c.books.UpdateConversion(ctx, c.key.Network, conversion.ID, update); err != nil {
		return nil, err
	}
	return s.showOne(ctx, c, conversion)
}

// status is the member of that name, or nil where it changes nothing. That a conversion is a duplicate is the books' to say.
func (b *body) status(now tracker.ConversionStatus) *tracker.ConversionStatus {
	raw, there := b.members["status"]
	if !there || string(raw) == "null" {
		return nil
	}
	text, quoted, _ := scalar(raw)
	status, ok := statusOf(text)
	switch {
	case !ok || b.strict && quoted:
		b.wrong.Add("status", wrongStatus)
	case status == now:
		return nil
	case status == tracker.StatusDuplicated:
		b.wrong.Add("status", "3 is given by the server, to a conversion whose external_id was reported before")
	}
	return &status
}
