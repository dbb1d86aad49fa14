package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/postback"
)

func init() {
	caddy.RegisterModule(&Postback{})
}

// Postback tells a tracker or a network of what happens in the books by its postback URL, whose macros are replaced by what the
// event has.
type Postback struct {
	Forwarding

	// The URL with its macros: `{name}` is replaced by the value, encoded, `{_name}` by the value as it is, and
	// `{status:pending=hold approved=sale}` names a status as the receiver does.
	URL string `json:"url"`

	// GET, or POST for the query as a form. Default: GET.
	Method string `json:"method,omitempty"`

	// The key of `{sig}`, the HMAC-SHA256 of the query's sorted parameters. Write a placeholder.
	Secret string `json:"secret,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Postback) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: destinationNamespace + ".postback", New: func() caddy.Module { return new(Postback) }}
}

// UnmarshalCaddyfile reads the destination. Syntax, beside what every destination has:
//
//	forward postback [<name>] {
//	    url    <url>
//	    method GET|POST
//	    secret <secret>
//	}
func (p *Postback) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return p.parse(d, parsers{"url": text(&p.URL), "method": word(&p.Method, "GET", "POST"), "secret": text(&p.Secret)})
}

// Destination implements DestinationModule. The braces of the URL are macros, so no placeholder is expanded in it.
func (p *Postback) Destination(ctx caddy.Context) (forward.Destination, error) {
	o := postback.Options{URL: p.URL, Method: p.Method}
	if p.Secret != "" {
		var err error
		if o.Secret, err = secretValue(ctx, caddy.NewReplacer(), "secret", p.Secret); err != nil {
			return nil, err
		}
	}
	return postback.New(o)
}

// Interface guards
var (
	_ DestinationModule     = (*Postback)(nil)
	_ caddyfile.Unmarshaler = (*Postback)(nil)
)
