package api

import (
	"context"
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) refunds() {
	register(a, operation{
		id: "list-refunds", method: http.MethodGet, path: "refunds", scope: "conversions:read",
		summary: "List refunds", about: "The newest first, as they are now.", answer: List[tracker.Refund]{}, csv: true,
	}, a.listRefunds)
	register(a, operation{
		id: "create-refund", method: http.MethodPost, path: "refunds", scope: "conversions:write",
		summary: "Report a refund", status: http.StatusCreated, answer: tracker.Refund{}, replays: true,
		about: "Takes an amount back from the conversions of an external id, the oldest first, also after the payout. What they do not have " +
			"waits for more of them. The same report again counts once: a refund is known by its external id, within the source of its conversion.",
	}, a.createRefund)
	register(a, operation{
		id: "get-refund", method: http.MethodGet, path: "refunds/{id}", scope: "conversions:read",
		summary: "Read a refund", answer: tracker.Refund{},
	}, a.getRefund)
	register(a, operation{
		id: "withdraw-refund", method: http.MethodDelete, path: "refunds/{id}", scope: "conversions:write", status: http.StatusNoContent,
		summary: "Withdraw a refund", about: "Only while it has taken nothing. Its external id may be used again afterwards.",
	}, a.withdrawRefund)
}

type refundList struct {
	Paging
	Waiting              given[bool]            `query:"waiting" doc:"whether any part of it waits"`
	ExternalID           string                 `query:"external_id"`
	ConversionExternalID string                 `query:"conversion_external_id"`
	ConversionType       tracker.ConversionType `query:"conversion_type"`
	Source               string                 `query:"source"`
}

func (a *API) listRefunds(ctx context.Context, c *call, in *refundList) (answer, error) {
	rows, next, err := c.books.Refunds(ctx, c.network, tracker.RefundFilter{
		Waiting: in.Waiting.pointer(), ExternalID: in.ExternalID, ConversionExternalID: in.ConversionExternalID,
		ConversionType: in.ConversionType, Source: in.Source,
	}, in.page())
	if err != nil {
		return nil, err
	}
	return listing(rows, next, refundColumns), nil
}

var refundColumns = []column[tracker.Refund]{
	{"id", func(r *tracker.Refund) any { return r.ID }},
	{"source", func(r *tracker.Refund) any { return r.Source }},
	{"external_id", func(r *tracker.Refund) any { return r.ExternalID }},
	{"conversion_type", func(r *tracker.Refund) any { return string(r.ConversionType) }},
	{"conversion_external_id", func(r *tracker.Refund) any { return r.ConversionExternalID }},
	{"conversion_id", func(r *tracker.Refund) any { return r.ConversionID }},
	{"amount", func(r *tracker.Refund) any { return r.Amount }},
	{"taken", func(r *tracker.Refund) any { return r.Taken }},
	{"waiting", func(r *tracker.Refund) any { return r.Waiting }},
	{"currency", func(r *tracker.Refund) any { return r.Currency }},
	{"note", func(r *tracker.Refund) any { return r.Note }},
	{"created_at", func(r *tracker.Refund) any { return r.CreatedAt }},
}

func (a *API) getRefund(ctx context.Context, c *call, in *byID) (answer, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	refund, err := c.books.Refund(ctx, c.network, id)
	return found(refund, err)
}

func (a *API) withdrawRefund(ctx context.Context, c *call, in *byID) (answer, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	if err := c.books.WithdrawRefund(ctx, c.network, id); err != nil {
		return nil, err
	}
	return nothing(), nil
}

// newRefund is the body that reports a refund.
type newRefund struct {
	ConversionExternalID string                 `json:"conversion_external_id" required:"true"`
	ConversionType       tracker.ConversionType `json:"conversion_type" required:"true"`
	Source               string                 `json:"source" enum:"api,header,block,pixel,postback,affili,affili_browser" doc:"by which way the conversion came; default: api"`
	ExternalID           string                 `json:"external_id" required:"true" doc:"the refund's own, for ever"`
	Amount               int64                  `json:"amount" required:"true" minimum:"1" maximum:"10000000000000" doc:"minor units"`
	Currency             string                 `json:"currency" required:"true"`
	Note                 string                 `json:"note"`
}

func (a *API) createRefund(ctx context.Context, c *call, in *struct{ body[newRefund] }) (answer, error) {
	text, replayed, err := c.books.RefundConversion(ctx, tracker.NewRefund{
		Network: c.network, Source: in.value.Source, ExternalID: in.value.ExternalID, ConversionType: in.value.ConversionType,
		ConversionExternalID: in.value.ConversionExternalID, Amount: in.value.Amount, Currency: in.value.Currency, Note: in.value.Note,
		Actor: c.actor,
	})
	if err != nil {
		return nil, err
	}
	return stored(text, replayed), nil
}
