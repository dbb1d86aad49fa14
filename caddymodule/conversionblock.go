package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// ConversionBlock makes a conversion of each GET or POST request that it matches and that the site answers with a status of 2xx or
// 3xx (but 304), so that a thanks page that is missing is no sale. It is always pending, since whoever writes a URL
// writes these values. Placeholders in them are replaced before the next handlers see the request.
type ConversionBlock struct {
	// The requests that mean a conversion. Default: all.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// `buy`, `sale`, `lead` or `click`. Default: `buy`.
	Type string `json:"type,omitempty"`

	// The merchant's id of the conversion, such as `{http.request.uri.query.order}`. It counts once, for ever; a request without
	// one is no conversion. Required.
	ExternalID string `json:"external_id,omitempty"`

	// The amount in major units, such as `{http.request.uri.query.total}` or `5.00`. Default: 0.
	Amount string `json:"amount,omitempty"`

	// The ISO 4217 code of its currency. Required.
	Currency string `json:"currency,omitempty"`

	// The coupon code that was used. Default: none.
	Coupon string `json:"coupon,omitempty"`

	// The merchant's id of the customer. Default: none.
	Customer string `json:"customer,omitempty"`

	// The name of a lead. Default: none.
	Name string `json:"name,omitempty"`

	matchers caddyhttp.MatcherSets
}

// conversionTypes are the types of conversion, in words.
var conversionTypes = []string{
	string(tracker.TypeBuy), string(tracker.TypeSale), string(tracker.TypeLead), string(tracker.TypeClick),
}

// check returns what is wrong with the block, as far as it is known before any request.
func (b *ConversionBlock) check() error {
	switch {
	case b.ExternalID == "":
		return errors.New("external_id is missing; without it a page that is loaded again would count again")
	case isFixed(b.ExternalID):
		return errors.New("external_id has no placeholder, so all conversions would be one; write it like {query.order}")
	case b.Type != "" && !slices.Contains(conversionTypes, b.Type):
		return fmt.Errorf("type is not one of: %s", strings.Join(conversionTypes, ", "))
	case b.Currency == "":
		return errors.New("currency is missing")
	}
	if !isFixed(b.Currency) {
		return nil
	}
	if err := tracker.CheckCurrency(b.Currency); err != nil {
		return err
	}
	if b.Amount == "" || !isFixed(b.Amount) {
		return nil
	}
	_, err := tracker.ParseAmount(b.Amount, b.Currency)
	return err
}

// isFixed reports whether a value is the same for every request.
func isFixed(value string) bool { return !strings.Contains(value, "{") }

// fill replaces the placeholders.
func (b *ConversionBlock) fill(repl *caddy.Replacer) reported {
	fill := func(value string) string { return repl.ReplaceAll(value, "") }
	return reported{
		kind:       b.Type,
		externalID: fill(b.ExternalID),
		amount:     fill(b.Amount),
		currency:   fill(b.Currency),
		coupon:     fill(b.Coupon),
		customer:   fill(b.Customer),
		name:       fill(b.Name),
	}
}

// blocksOf fills the blocks that match a request. This happens ahead of the next handlers, which may rewrite the request.
func (h *Handler) blocksOf(r *http.Request) (blocks []reported) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost || r.Header["Upgrade"] != nil {
		return nil
	}
	for i := range h.Conversion.Blocks {
		if b := &h.Conversion.Blocks[i]; h.matches(b.matchers, r) {
			blocks = append(blocks, b.fill(r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)))
		}
	}
	return blocks
}
