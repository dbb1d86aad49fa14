package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/platform/affelios"
)

func init() {
	caddy.RegisterModule(&AffeliosDestination{})
}

// AffeliosDestination tells Affelios of customers and of their transactions. What is of one customer is always sent one after the
// other.
type AffeliosDestination struct {
	Forwarding

	// The platform's host.
	Endpoint string `json:"endpoint"`

	// The key of its API. Write a placeholder: a secret that is written out shows in the admin API's config dump.
	APIKey string `json:"api_key"`

	// The brand of customers who have none of their own.
	Brand string `json:"brand,omitempty"`

	// The currency of its amounts, which name none. Default: EUR.
	Currency string `json:"currency,omitempty"`

	// The parameters of a landing page in which it puts its click key, in any case, the likelier first. Default: `clickkey`, `clickid`.
	ClickKeys []string `json:"click_keys,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*AffeliosDestination) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: destinationNamespace + ".affelios", New: func() caddy.Module { return new(AffeliosDestination) }}
}

// UnmarshalCaddyfile reads the destination. Syntax, beside what every destination has:
//
//	forward affelios [<name>] {
//	    endpoint  <url>
//	    api_key   <key>
//	    brand     <id>
//	    currency  <code>
//	    click_key <parameters...>
//	}
func (a *AffeliosDestination) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return a.parse(d, parsers{
		"endpoint": text(&a.Endpoint), "api_key": text(&a.APIKey), "brand": text(&a.Brand), "currency": text(&a.Currency),
		"click_key": texts(&a.ClickKeys),
	})
}

// Destination implements DestinationModule.
func (a *AffeliosDestination) Destination(ctx caddy.Context) (forward.Destination, error) {
	a.Ordered = true // a transaction is of a customer who is there
	o := affelios.DestinationOptions{Brand: a.Brand, Currency: a.Currency, ClickKeys: a.ClickKeys}
	err := expandAll(ctx, a.Name, []setting{{"endpoint", a.Endpoint, &o.Endpoint, false}, {"api_key", a.APIKey, &o.APIKey, true}})
	if err != nil {
		return nil, err
	}
	return affelios.NewDestination(o)
}

// Interface guards
var (
	_ DestinationModule     = (*AffeliosDestination)(nil)
	_ caddyfile.Unmarshaler = (*AffeliosDestination)(nil)
)
