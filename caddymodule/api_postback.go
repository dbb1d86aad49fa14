package caddymodule

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/inbound"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// InboundPostback takes the postbacks of a tracker or a network: requests that report conversions, with their parameters under any
// of the names that trackers use. They need no key; the last part of the path is a secret, or they are signed.
type InboundPostback struct {
	// Where they are taken. Unless they are signed its last part is a secret of at least 16 characters; write a placeholder.
	Path string `json:"path"`

	// The key of the parameter `sig`, the HMAC-SHA256 of the sorted other parameters, at least 16 characters. Default: none, and the
	// path is the secret.
	Secret string `json:"secret,omitempty"`

	// The networks and addresses that they come from, such as `203.0.113.0/24`. Default: any.
	From []string `json:"from,omitempty"`

	// The network of the conversions. Default: the app's.
	Network string `json:"network,omitempty"`

	// The currency of amounts where a postback names none. Default: `EUR`.
	Currency string `json:"currency,omitempty"`

	// Our statuses by the sender's words, beside the usual ones: `pending`, `approved`, `rejected`, or `reversed`.
	Statuses map[string]string `json:"statuses,omitempty"`

	// Whether a postback may approve a conversion. Default: all are pending until somebody approves them.
	Trusted bool `json:"trusted,omitempty"`
}

// UnmarshalCaddyfile reads the settings. Syntax:
//
//	postback <path> {
//	    secret   <secret>
//	    from     <networks...>
//	    network  <name>
//	    currency <code>
//	    status   <theirs> pending|approved|rejected|reversed
//	    trusted
//	}
func (p *InboundPostback) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := text(&p.Path)(d); err != nil {
		return err
	}
	_, err := parseBlock(d, parsers{
		"secret":   text(&p.Secret),
		"from":     texts(&p.From),
		"network":  network(&p.Network),
		"currency": text(&p.Currency),
		"status":   p.parseStatus,
		"trusted":  flag(&p.Trusted),
	}, "status")
	return err
}

func (p *InboundPostback) parseStatus(d *caddyfile.Dispenser) error {
	var theirs, ours string
	if !d.AllArgs(&theirs, &ours) || inboundStatuses[ours] == "" {
		return d.Err("write status <theirs> pending, approved, rejected or reversed")
	}
	if p.Statuses == nil {
		p.Statuses = map[string]string{}
	}
	p.Statuses[strings.ToLower(theirs)] = ours
	return nil
}

var inboundStatuses = map[string]tracker.ConversionStatus{
	"pending": tracker.StatusPending, "approved": tracker.StatusApproved, "rejected": tracker.StatusRejected,
	"reversed": inbound.Reversed,
}

// server makes the server, and returns the path where it listens.
func (p *InboundPostback) server(ctx caddy.Context, a *App) (*platform.Server, string, error) {
	repl := caddy.NewReplacer()
	path, err := expand(repl, "path", p.Path)
	if err != nil {
		return nil, "", err
	}
	o := inbound.Options{
		Options: a.platformOptions(false),
		Books: func() (inbound.Books, error) {
			books, err := a.engine.Ledger()
			if err != nil {
				return nil, err // not a nil ledger in the interface
			}
			return books, nil
		},
		Path: path, Network: cmp.Or(p.Network, a.Network), Currency: strings.ToUpper(cmp.Or(p.Currency, "EUR")), Trusted: p.Trusted,
		Address: func(r *http.Request) netip.Addr {
			text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
			address, _ := netip.ParseAddr(text) // one that is none is in no network
			return address
		},
		Statuses: map[string]tracker.ConversionStatus{},
	}
	if p.Secret != "" {
		if o.Secret, err = secretValue(ctx, repl, "secret", "a postback", p.Secret); err != nil {
			return nil, "", err
		}
	} else if !hasPlaceholder(p.Path) {
		warnLiteral(ctx.Slogger(), "the path of a postback")
	}
	for theirs, ours := range p.Statuses {
		if o.Statuses[strings.ToLower(theirs)] = inboundStatuses[ours]; inboundStatuses[ours] == "" {
			return nil, "", fmt.Errorf("statuses: %q is not pending, approved, rejected or reversed", ours)
		}
	}
	if o.From, err = addressRanges(p.From); err != nil {
		return nil, "", fmt.Errorf("from: %w", err)
	}
	if err := o.Check(); err != nil {
		return nil, "", err
	}
	return inbound.New(o), path, nil
}
