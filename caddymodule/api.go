package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func init() {
	caddy.RegisterModule(&API{})
	httpcaddyfile.RegisterHandlerDirective("affiliate_api", parseAPIDirective)
	httpcaddyfile.RegisterDirectiveOrder("affiliate_api", httpcaddyfile.Before, "respond")
}

// API serves the books to programs: the native REST API under `/affiliate/v1/`, described at `/affiliate/v1/openapi.json`, and
// the dialects of other systems at their own paths, so that a client of theirs changes only its host. Every other request is the
// next handler's.
//
// Each request needs a key, which `caddy affiliate key create` makes, but the one for the description and Affili's browser
// routes. A key belongs to one network and sees nothing of another's. A node without a ledger answers 503: ask a hub.
type API struct {
	// What is served: `native`, `kraken`, `affili`, `geniuslink`, `affelios`, `invoca`. Default: all. A dialect that has a host
	// of its own is named there, and the others here.
	Serve []string `json:"serve,omitempty"`

	// Settings of the dialects.
	Kraken     *Kraken     `json:"kraken,omitempty"`
	Affili     *Affili     `json:"affili,omitempty"`
	Geniuslink *Geniuslink `json:"geniuslink,omitempty"`
	Affelios   *Affelios   `json:"affelios,omitempty"`
	Invoca     *Invoca     `json:"invoca,omitempty"`

	// Where postbacks of trackers and networks are taken. Default: nowhere.
	Postbacks []*InboundPostback `json:"postbacks,omitempty"`

	app      *App
	native   bool
	dialects []*platform.Server
	hidden   map[*platform.Server]string // the paths that are secrets
	log      accessLog
}

// dialect is the settings of a dialect, which make its server.
type dialect interface {
	caddyfile.Unmarshaler
	server(a *App) (*platform.Server, error)
}

// native is the name of our own API, which has no settings.
const native = "native"

// settings are those of the dialects, by name in the order in which they are asked.
func (h *API) settings() []namedDialect {
	return []namedDialect{
		{"kraken", settingsOf(&h.Kraken)},
		{"affili", settingsOf(&h.Affili)},
		{"geniuslink", settingsOf(&h.Geniuslink)},
		{"affelios", settingsOf(&h.Affelios)},
		{"invoca", settingsOf(&h.Invoca)},
	}
}

type namedDialect struct {
	name string
	make func() dialect // the settings, made where there are none yet
}

func settingsOf[T any, P interface {
	*T
	dialect
}](field **T) func() dialect {
	return func() dialect {
		if *field == nil {
			*field = new(T)
		}
		return P(*field)
	}
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
//	affiliate_api [<matcher>] {
//	    serve <native|kraken|affili|geniuslink|affelios|invoca...>
//	    postback <path> {
//	        <settings>
//	    }
//	    <dialect> {
//	        <settings>
//	    }
//	}
func (h *API) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	options := parsers{"serve": both(texts(&h.Serve), func(d *caddyfile.Dispenser) error {
		if err := h.checkServe(); err != nil {
			return d.Err(err.Error())
		}
		return nil
	})}
	for _, s := range h.settings() {
		options[s.name] = func(d *caddyfile.Dispenser) error { return s.make().UnmarshalCaddyfile(d) }
	}
	options["postback"] = func(d *caddyfile.Dispenser) error {
		p := new(InboundPostback)
		h.Postbacks = append(h.Postbacks, p)
		return p.UnmarshalCaddyfile(d)
	}
	_, err := parseBlock(d, options, "postback")
	return err
}

// checkServe refuses names that are not served by anything.
func (h *API) checkServe() error {
	known := []string{native}
	for _, s := range h.settings() {
		known = append(known, s.name)
	}
	for i, name := range h.Serve {
		if !slices.Contains(known, name) {
			return fmt.Errorf("serve: %q is not one of: %s", name, strings.Join(known, ", "))
		}
		if slices.Contains(h.Serve[:i], name) {
			return fmt.Errorf("serve: %s is named twice", name)
		}
	}
	return nil
}

// serves reports whether that is served.
func (h *API) serves(name string) bool { return len(h.Serve) == 0 || slices.Contains(h.Serve, name) }

// Provision sets up h.
func (h *API) Provision(ctx caddy.Context) error {
	app, err := ctx.App("affiliate") // an app with every default where none is configured
	if err != nil {
		return fmt.Errorf("getting affiliate app: %w", err)
	}
	h.app = app.(*App)
	h.log = newAccessLog(ctx)
	if err := h.checkServe(); err != nil {
		return err
	}
	h.native = h.serves(native)
	for _, s := range h.settings() {
		if !h.serves(s.name) {
			continue
		}
		server, err := s.make().server(h.app)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		h.dialects = append(h.dialects, server)
	}
	h.hidden = map[*platform.Server]string{}
	for _, p := range h.Postbacks {
		server, path, err := p.server(ctx, h.app)
		if err != nil {
			return fmt.Errorf("postback: %w", err)
		}
		h.hidden[server] = path
		h.dialects = append(h.dialects, server)
	}
	return nil
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *API) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	ours := h.handler(r.URL.Path)
	if ours == nil {
		return next.ServeHTTP(w, r)
	}
	log := h.log
	if server, ok := ours.(*platform.Server); ok {
		log.hide = h.hidden[server]
	}
	log.serve(w, r, ours.ServeHTTP)
	return nil
}

// handler is whose the path is; nil for one that is not ours.
func (h *API) handler(path string) http.Handler {
	if strings.HasPrefix(path, api.Prefix) && h.native {
		return h.app.api()
	}
	for _, server := range h.dialects {
		if server.Owns(path) {
			return server
		}
	}
	return nil
}

// newAPI makes the API of the app's books. All directives of a configuration and its admin endpoint share one, since it
// keeps count of each key's requests.
func (a *App) newAPI() *api.API {
	return api.New(api.Options{
		Books: a.books, LinksChanged: a.linksChanged, OpenToken: a.openToken, Logger: a.log,
		Destinations: a.destinations, LeftAlone: a.leftAlone, TestDestination: a.testDestination,
	})
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

// platformOptions is what every dialect is given.
func (a *App) platformOptions(strict bool) platform.Options {
	return platform.Options{
		LinksChanged: a.linksChanged,
		OpenToken:    a.openToken,
		SealToken: func(t tracker.Token) (string, bool) {
			sealer := a.sealer()
			if sealer == nil {
				return "", false
			}
			text, err := sealer.Seal(t)
			return text, err == nil
		},
		Keys: func(purpose string) [][]byte {
			sealer := a.sealer()
			if sealer == nil {
				return nil
			}
			return sealer.Keys(purpose)
		},
		Strict: strict,
		Logger: a.log,
	}
}

// Interface guards
var (
	_ caddy.Module                = (*API)(nil)
	_ caddy.Provisioner           = (*API)(nil)
	_ caddyfile.Unmarshaler       = (*API)(nil)
	_ caddyhttp.MiddlewareHandler = (*API)(nil)
)
