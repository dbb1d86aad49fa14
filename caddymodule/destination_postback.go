package caddymodule

import (
	"cmp"
	"regexp"
	"strings"

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

	// The URL with its macros, and with placeholders such as `{env.NAME}` for what is secret in it. Of the macros, `{name}` is replaced by the value, encoded, `{_name}` by the value as it is, and
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
	return p.parse(d, parsers{
		"url": both(text(&p.URL), p.checkURL), "method": word(&p.Method, "GET", "POST"), "secret": text(&p.Secret),
	})
}

// checkURL refuses macros that there are not.
func (p *Postback) checkURL(d *caddyfile.Dispenser) error {
	if err := postback.CheckMacros(placeholderIn.ReplaceAllLiteralString(p.URL, "")); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// placeholderIn finds the placeholders that stand among macros.
var placeholderIn = regexp.MustCompile(`\{(env|file)\.[^{}]*\}`)

// expandURL replaces the placeholders of the URL, and returns their values beside it. They are taken literally: a brace in one
// begins no macro.
func (p *Postback) expandURL(repl *caddy.Replacer) (expanded string, values []string, err error) {
	expanded = placeholderIn.ReplaceAllStringFunc(p.URL, func(placeholder string) string {
		value, e := expand(repl, "url", placeholder)
		literal := bracesEncoded.Replace(value)
		err, values = cmp.Or(err, e), append(values, value, literal)
		return literal
	})
	return expanded, values, err
}

var bracesEncoded = strings.NewReplacer("{", "%7B", "}", "%7D")

// Destination implements DestinationModule.
func (p *Postback) Destination(ctx caddy.Context) (forward.Destination, error) {
	url, hidden, err := p.expandURL(caddy.NewReplacer())
	if err != nil {
		return nil, err
	}
	o := postback.Options{URL: url, Method: p.Method, Hidden: hidden}
	if p.Secret != "" {
		if o.Secret, err = secretValue(ctx, caddy.NewReplacer(), "secret", "forward "+p.Name, p.Secret); err != nil {
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
