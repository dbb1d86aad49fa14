package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/platform/affili"
)

func init() {
	caddy.RegisterModule(&AffiliDestination{})
}

// AffiliDestination tells Affili of visitors who came by its partners' links, of what they buy, and of what becomes of that. The
// events of one session, and of its conversions, are always sent one after the other.
type AffiliDestination struct {
	Forwarding

	// The host of the API. Default: https://core.affili.ir.
	Endpoint string `json:"endpoint,omitempty"`

	// The merchant's access id. Write a placeholder: a secret that is written out shows in the admin API's config dump.
	AccessID string `json:"access_id"`

	// The currency of the platform's amounts. Default: IRR.
	Currency string `json:"currency,omitempty"`

	// What the platform calls our links, by our codes. Other links are the platform's where a click's URL has aff_id and referrer.
	Links map[string]affili.Partner `json:"links,omitempty"`

	// Whether our ids of conversions are sent as external ids, in the place of the merchant's.
	OwnIDs bool `json:"own_ids,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*AffiliDestination) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: destinationNamespace + ".affili", New: func() caddy.Module { return new(AffiliDestination) }}
}

// UnmarshalCaddyfile reads the destination. Syntax, beside what every destination has:
//
//	forward affili [<name>] {
//	    endpoint  <url>
//	    access_id <id>
//	    currency  <code>
//	    link      <code> <aff_id> <referrer>
//	    own_ids
//	}
//
// link can be repeated.
func (a *AffiliDestination) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return a.parse(d, parsers{
		"endpoint": text(&a.Endpoint), "access_id": text(&a.AccessID), "currency": text(&a.Currency), "link": a.parseLink,
		"own_ids": flag(&a.OwnIDs),
	}, "link")
}

func (a *AffiliDestination) parseLink(d *caddyfile.Dispenser) error {
	var code string
	var p affili.Partner
	if !d.AllArgs(&code, &p.AffID, &p.Referrer) || p.AffID == "" || p.Referrer == "" {
		return d.Err("link takes a link's code here, and the platform's aff_id and referrer of it")
	}
	if a.Links == nil {
		a.Links = map[string]affili.Partner{}
	}
	return putLink(d, a.Links, code, p)
}

// Destination implements DestinationModule.
func (a *AffiliDestination) Destination(ctx caddy.Context) (forward.Destination, error) {
	// What becomes of a conversion is said of one that is there, and a conversion that came before its session would make Affili
	// count the visit twice.
	a.Ordered, a.bySession = true, true
	o := affili.DestinationOptions{Currency: a.Currency, Links: byLowerCode(a.Links), OwnIDs: a.OwnIDs}
	err := expandAll(ctx, a.Name, []setting{{"endpoint", a.Endpoint, &o.Endpoint, false}, {"access_id", a.AccessID, &o.AccessID, true}})
	if err != nil {
		return nil, err
	}
	return affili.NewDestination(o)
}

// Interface guards
var (
	_ DestinationModule     = (*AffiliDestination)(nil)
	_ caddyfile.Unmarshaler = (*AffiliDestination)(nil)
)
