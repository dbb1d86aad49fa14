package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/platform/invoca"
)

func init() {
	caddy.RegisterModule(&InvocaDestination{})
}

// InvocaDestination keeps the affiliates at Invoca as they are in the books: made, changed, archived. One affiliate's events are
// always sent one after the other.
type InvocaDestination struct {
	Forwarding

	// The base of the API's URLs, of the network's own host at Invoca if it has one. Default: `https://invoca.net`.
	Endpoint string `json:"endpoint,omitempty"`

	// The network's number at Invoca.
	NetworkID string `json:"network_id"`

	// The API token. Write a placeholder: a token that is written out shows in the admin API's config dump.
	Token string `json:"token"`

	// Whether Invoca is told also of affiliates without an `id_from_network`, under their number here.
	AutoID bool `json:"auto_id,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*InvocaDestination) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: destinationNamespace + ".invoca", New: func() caddy.Module { return new(InvocaDestination) }}
}

// UnmarshalCaddyfile reads the destination. Syntax, beside what every destination has:
//
//	forward invoca [<name>] {
//	    endpoint   <url>
//	    network_id <number>
//	    token      <token>
//	    auto_id
//	}
func (i *InvocaDestination) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return i.parse(d, parsers{
		"endpoint": text(&i.Endpoint), "network_id": text(&i.NetworkID), "token": text(&i.Token), "auto_id": flag(&i.AutoID),
	})
}

// Destination implements DestinationModule. It is always ordered, so that what an affiliate was never comes after what it is.
func (i *InvocaDestination) Destination(ctx caddy.Context) (forward.Destination, error) {
	i.Ordered = true
	o := invoca.DestinationOptions{AutoID: i.AutoID}
	err := expandAll(ctx, i.Name, []setting{
		{"endpoint", i.Endpoint, &o.Endpoint, false}, {"network_id", i.NetworkID, &o.NetworkID, false}, {"token", i.Token, &o.Token, true},
	})
	if err != nil {
		return nil, err
	}
	return invoca.NewDestination(o)
}

// Interface guards
var (
	_ DestinationModule     = (*InvocaDestination)(nil)
	_ caddyfile.Unmarshaler = (*InvocaDestination)(nil)
)
