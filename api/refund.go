package api

import (
	"context"
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) refunds() {
	register(a, operation{
		id: "create-refund", method: http.MethodPost, path: "refunds", scope: "conversions:write",
		summary: "Report a refund", status: http.StatusCreated, answer: tracker.Refund{}, replays: true,
		about: "Takes part of a conversion's amount back, also after the payout. One that comes before its conversion waits for it. " +
			"The same report again counts once: a refund is known by its external id, within the source of its conversion.",
	}, a.createRefund)
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
