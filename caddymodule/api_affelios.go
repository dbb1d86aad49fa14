package caddymodule

import (
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/affelios"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Affelios is the settings of Affelios's dialect.
type Affelios struct {
	// What all amounts of the dialect are in, which names no currency: its ISO 4217 code. Default: `EUR`.
	Currency string `json:"currency,omitempty"`

	// What becomes of a customer with a click key that is none of the network's: `reject` (the default, 422), or `organic`,
	// as if there were none.
	UnknownClickKey affelios.UnknownRule `json:"unknown_click_key,omitempty"`

	// What becomes of a customer who is reported again as they were: `reject` (the default, 409), or `return_existing`, which
	// answers with the customer as they are now.
	Duplicates affelios.DuplicateRule `json:"duplicates,omitempty"`

	// Whether `brandId` stands for `externalBrandId` where that is not given.
	BrandID bool `json:"brand_id,omitempty"`

	// Whether dates that are not there are answered as null. Default: as `0001-01-01T00:00:00`.
	NullDates bool `json:"null_dates,omitempty"`

	// Whether the dialect's tolerances are off.
	Strict bool `json:"strict,omitempty"`
}

// UnmarshalCaddyfile reads the settings. Syntax:
//
//	affelios {
//	    currency          <code>
//	    unknown_click_key reject|organic
//	    duplicates        reject|return_existing
//	    brand_id
//	    null_dates
//	    strict
//	}
func (s *Affelios) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return parseSubBlock(d, parsers{
		"currency": parsed(func(code string) error {
			s.Currency = strings.ToUpper(code)
			return tracker.CheckCurrency(s.Currency)
		}),
		"unknown_click_key": word(&s.UnknownClickKey, affelios.UnknownReject, affelios.UnknownOrganic),
		"duplicates":        word(&s.Duplicates, affelios.DuplicateReject, affelios.DuplicateReturn),
		"brand_id":          flag(&s.BrandID),
		"null_dates":        flag(&s.NullDates),
		"strict":            flag(&s.Strict),
	})
}

func (s *Affelios) server(a *App) (*platform.Server, error) {
	o := affelios.Options{
		Options: a.platformOptions(s.Strict),
		Books: func() (affelios.Books, error) {
			books, err := a.engine.Ledger()
			if err != nil {
				return nil, err // not a nil ledger in the interface
			}
			return books, nil
		},
		OpenHandoff: a.openHandoff,
		Currency:    s.Currency, UnknownKey: s.UnknownClickKey, Duplicates: s.Duplicates, BrandID: s.BrandID, NullDates: s.NullDates,
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	return affelios.New(o), nil
}

// openHandoff opens what one site of that network has handed another in a URL, as the token that the other makes of it.
func (a *App) openHandoff(network, text string) (tracker.Token, bool) {
	sealer := a.sealer()
	if sealer == nil { // the app is starting
		return tracker.Token{}, false
	}
	visitor, touch, err := sealer.OpenHandoff(network, text, time.Now())
	return tracker.Token{Network: network, Visitor: visitor, First: touch, Last: touch}, err == nil
}
