package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/webhook"
)

func init() {
	caddy.RegisterModule(&Webhook{})
}

// Webhook tells a service of yours of what happens in the books: a POST for each event, signed as Standard Webhooks 1.0 has it.
type Webhook struct {
	Forwarding

	// Where the events are posted.
	URL string `json:"url"`

	// The secrets that sign, each `whsec_` and the base64 of 24 to 64 bytes; two while the receiver goes over to a new one. Write
	// placeholders: a secret that is written out shows in the admin API's config dump.
	Secrets []string `json:"secrets"`
}

// CaddyModule returns the Caddy module information.
func (*Webhook) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: destinationNamespace + ".webhook", New: func() caddy.Module { return new(Webhook) }}
}

// UnmarshalCaddyfile reads the destination. Syntax, beside what every destination has:
//
//	forward webhook [<name>] {
//	    url    <url>
//	    secret <secrets...>
//	}
func (w *Webhook) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return w.parse(d, parsers{"url": text(&w.URL), "secret": texts(&w.Secrets)})
}

// Destination implements DestinationModule.
func (w *Webhook) Destination(ctx caddy.Context) (forward.Destination, error) {
	repl := caddy.NewReplacer()
	url, err := expand(repl, "url", w.URL)
	if err != nil {
		return nil, err
	}
	o := webhook.Options{URL: url}
	for i, configured := range w.Secrets {
		secret, err := secretValue(ctx, repl, fmt.Sprintf("secret %d", i+1), "forward "+w.Name, configured)
		if err != nil {
			return nil, err
		}
		o.Secrets = append(o.Secrets, secret)
	}
	return webhook.New(o)
}

// secretValue expands a secret, and warns of one that is written out. The warning says of what it is, since the name alone may
// be that of several.
func secretValue(ctx caddy.Context, repl *caddy.Replacer, name, of, configured string) (string, error) {
	if configured != "" && !hasPlaceholder(configured) {
		warnLiteral(ctx.Slogger(), name+" of "+of)
	}
	return expand(repl, name, configured)
}

// Interface guards
var (
	_ DestinationModule     = (*Webhook)(nil)
	_ caddyfile.Unmarshaler = (*Webhook)(nil)
)
