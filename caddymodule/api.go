package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func init() {
	caddy.RegisterModule(&API{})
	httpcaddyfile.RegisterHandlerDirective("affiliate_api", parseAPIDirective)
	httpcaddyfile.RegisterDirectiveOrder("affiliate_api", httpcaddyfile.Before, "respond")
}

// API serves the books' REST API under `/affiliate/v1/`: affiliates, campaigns, links, sessions, customers, transactions,
// conversions, keys, reports, erasure and export, described at `/affiliate/v1/openapi.json`. Every other request is the next
// handler's.
//
// Each request but the one for the description needs a key, which `caddy affiliate key create` makes. A key belongs to one
// network and sees nothing of another's, so the handler has no setting of its own. A node without a ledger answers 503: ask a
// hub.
type API struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (*API) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.affiliate_api",
		New: func() caddy.Module { return new(API) },
	}
}

func parseAPIDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(API)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return handler, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	affiliate_api [<matcher>]
func (h *API) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	_, err := parseBlock(d, parsers{})
	return err
}

// Provision sets up h.
func (h *API) Provision(ctx caddy.Context) error {
	app, err := ctx.App("affiliate") // an app with every default where none is configured
	if err != nil {
		return fmt.Errorf("getting affiliate app: %w", err)
	}
	h.app = app.(*App)
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *API) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !strings.HasPrefix(r.URL.Path, api.Prefix) {
		return next.ServeHTTP(w, r)
	}
	h.app.api().ServeHTTP(w, r)
	return nil
}

// newAPI makes the API of the app's books. All directives of a configuration and its admin endpoint share one, since it
// keeps count of each key's requests.
func (a *App) newAPI() *api.API {
	return api.New(api.Options{Books: a.books, LinksChanged: a.linksChanged, OpenToken: a.openToken, Logger: a.log})
}

// books returns the ledger, or why there is none.
func (a *App) books() (api.Books, error) {
	books, err := a.engine.Ledger()
	if err != nil {
		return nil, err // not a nil ledger in the interface
	}
	return books, nil
}

// linksChanged takes a change of the books into this node's table at once. Where that fails the table follows within seconds.
func (a *App) linksChanged(ctx context.Context) {
	if err := a.engine.RefreshLinks(context.WithoutCancel(ctx)); err != nil {
		a.log.Error("a change of the links is in the ledger, but not live on this node yet", "error", err)
	}
}

// openToken opens a token of that network.
func (a *App) openToken(network, text string) (tracker.Token, bool) {
	sealer := a.sealer()
	if sealer == nil { // the app is starting
		return tracker.Token{}, false
	}
	token, err := sealer.Open(network, text)
	return token, err == nil
}

// Interface guards
var (
	_ caddy.Module                = (*API)(nil)
	_ caddy.Provisioner           = (*API)(nil)
	_ caddyfile.Unmarshaler       = (*API)(nil)
	_ caddyhttp.MiddlewareHandler = (*API)(nil)
)
