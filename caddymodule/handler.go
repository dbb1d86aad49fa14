package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func init() {
	caddy.RegisterModule(&Handler{})
}

// Handler recognises clicks on affiliates' links, records each durably on this server, and gives the visitor a sealed
// first-party cookie that carries the attribution. Every other request passes through untouched.
//
// A click is a GET navigation that names the code of a known link: in a query parameter (`/?via=CODE`), under a path
// (`/r/CODE`) or as a subdomain (`CODE.shop.com`); the latter two answer with a redirect to the link's destination. Its
// record is written to disk while the site prepares its own answer. The cookie is added only when the record is safe; when
// it is not within 25 ms of the click, the answer leaves without one and the miss is counted.
//
// With `conversion`, sales and leads take the same way to the books, with the affiliate whom the visitor's cookie names.
//
// Placeholders, for every request that passes the handler, and empty for a visitor of whom nothing is known:
//
// Placeholder | Description
// ------------|-------------
// `{affiliate.session_id}` | The session that the visitor came with; on the click's own request the new one
// `{affiliate.code}` | The code of its link
// `{affiliate.affiliate}` | The name of the link's affiliate
// `{affiliate.visitor_id}` | The visitor's random id
// `{affiliate.token}` | The sealed token of the cookie; empty on the click's own request, which is not on disk yet
// `{affiliate.class}` | What this request's click was (`human`, `repeat`, `bot`, …); empty when it is no click
type Handler struct {
	// The network whose links are looked up here. Default: the app's network.
	Network string `json:"network,omitempty"`

	// Query parameters that may name a code, in order of preference. Default: `via` and `ref`.
	Params []string `json:"params,omitempty"`

	// Path prefixes under which a code stands, each with a slash at both ends. Default: `/r/`.
	Paths []string `json:"paths,omitempty"`

	// Domains whose direct subdomains are links: with `shop.com`, `LABEL.shop.com` is the link with that subdomain.
	Subdomains []string `json:"subdomains,omitempty"`

	// Removes the tracking parameters from the URI before the next handlers (caches and upstreams) see it.
	Strip bool `json:"strip,omitempty"`

	// The visitor's cookie.
	Cookie *Cookie `json:"cookie,omitempty"`

	// For how long a further click on the visitor's own last link is a `repeat` and no new session of a human. Default: 30m.
	Repeat caddy.Duration `json:"repeat,omitempty"`

	// With `refuse`, a browser that loads a link ahead of the person is answered 503, so that it asks again when the person
	// really follows the link. Default: it is served, and recorded as `prefetch`, without a cookie.
	Prefetch string `json:"prefetch,omitempty"`

	// Hosts on which this directive runs too, with the same secret, and which our cookie does not reach. A redirect to one of
	// them hands the session over in the parameter `aff_click`, sealed, and accepted there for five minutes.
	Handoff []string `json:"handoff,omitempty"`

	// Adds the signed `Affiliate-Session` field to requests of visitors with a session, for the upstream to read. A field of
	// that name sent by the client is always removed then.
	ForwardHeader *ForwardHeader `json:"forward_header,omitempty"`

	// The query parameter by which a redirect link may be sent to another page, on the hosts that the link allows.
	// Default: `url`.
	DeepLink string `json:"deep_link,omitempty"`

	// The ways by which conversions come through this site. Default: none.
	Conversion *Conversion `json:"conversion,omitempty"`

	// Which visitors have consented. Default: nobody is asked.
	Consent *Consent `json:"consent,omitempty"`

	// What the signal of Global Privacy Control (`Sec-GPC: 1`) means: `honour`, that the visitor does not consent; `no_share`,
	// that the session is recorded and must not be forwarded to any platform; `ignore`, nothing. Default: `ignore`.
	GPC string `json:"gpc,omitempty"`

	// What is kept of a client's address: `full`; `truncate`, its network (/24 of IPv4, /48 of IPv6); `hash`, a pseudonym that
	// is another one each UTC day; `none`. Default: `full`.
	IP tracker.IPMode `json:"ip,omitempty"`

	// What is kept of a browser's user agent: `full`, or `none`, without which the ledger has no browser, system and device
	// either. Default: `full`.
	UserAgent string `json:"user_agent,omitempty"`

	app      *App
	network  string
	rules    tracker.Rules
	cookie   cookie
	strip    []string // what Strip removes
	handoff  map[string]bool
	attester []byte // the key of ForwardHeader
	logger   *slog.Logger
}

// ForwardHeader configures the `Affiliate-Session` request field (RFC 8941, signed with HMAC-SHA256):
// `"<session id>";code="…";affiliate="…";t=<unix seconds of the click>;sig=:<base64>:`.
type ForwardHeader struct {
	// The key that signs the field, at least 32 characters; share it with the upstream only. It must not be the app's secret.
	// Placeholders such as `{env.KEY}` are replaced.
	Key string `json:"key,omitempty"`
}

const (
	// sessionField is ForwardHeader's field, as net/http spells it.
	sessionField = "Affiliate-Session"

	defaultRepeat   = 30 * time.Minute
	defaultDeepLink = "url"
	refusePrefetch  = "refuse"

	// minForwardKey is the fewest characters of ForwardHeader's key.
	minForwardKey = 32
)

var errForwardKey = fmt.Errorf("the forward_header key has fewer than %d characters; make one with: openssl rand -hex 32", minForwardKey)

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.affiliate",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision sets up h.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Slogger()
	if err := h.Conversion.loadMatchers(ctx); err != nil {
		return err
	}
	if err := h.Consent.load(ctx); err != nil {
		return err
	}
	app, err := ctx.App("affiliate") // an app with every default where none is configured
	if err != nil {
		return fmt.Errorf("getting affiliate app: %w", err)
	}
	return h.use(app.(*App))
}

// use finishes the handler for an app.
func (h *Handler) use(app *App) (err error) {
	h.app = app
	h.setDefaults()
	app.privacy.note(h)
	if h.cookie, err = h.Cookie.provision(h.network); err != nil {
		return err
	}
	if err = h.Consent.provision(); err != nil {
		return err
	}
	if h.ForwardHeader == nil {
		return nil
	}
	if h.ForwardHeader.Key != "" && !hasPlaceholder(h.ForwardHeader.Key) {
		warnLiteral(h.logger, "forward_header key")
	}
	key, err := expand(caddy.NewReplacer(), "the forward_header key", h.ForwardHeader.Key)
	h.attester = []byte(strings.TrimSpace(key)) // a file ends with a newline
	return err
}

func (h *Handler) setDefaults() {
	h.network = cmp.Or(h.Network, h.app.Network, tracker.DefaultNetwork)
	h.setDefaultParams()
	if len(h.Paths) == 0 {
		h.Paths = tracker.DefaultPaths
	}
	if h.Repeat == 0 {
		h.Repeat = caddy.Duration(defaultRepeat)
	}
	h.Conversion.setDefaults()
	h.rules = tracker.Rules{Params: h.Params, Paths: h.Paths, Subdomains: h.Subdomains}
	h.strip = append(append(h.strip, h.Params...), tracker.HandoffParam)
	h.handoff = make(map[string]bool, len(h.Handoff))
	for _, host := range h.Handoff {
		h.handoff[strings.ToLower(host)] = true
	}
}

func (h *Handler) setDefaultParams() {
	if len(h.Params) == 0 {
		h.Params = tracker.DefaultParams
	}
	h.DeepLink = cmp.Or(h.DeepLink, defaultDeepLink)
}

// Validate checks h.
func (h *Handler) Validate() error {
	if err := tracker.CheckNetwork(h.network); err != nil {
		return err
	}
	if err := h.check(); err != nil {
		return err
	}
	if h.Repeat < 0 {
		return errors.New("repeat cannot be negative")
	}
	if h.Prefetch != "" && h.Prefetch != refusePrefetch {
		return fmt.Errorf("prefetch %q: the only value is %q", h.Prefetch, refusePrefetch)
	}
	if err := h.checkPrivacy(); err != nil {
		return err
	}
	if err := h.Conversion.check(); err != nil {
		return err
	}
	if h.ForwardHeader != nil && len(h.attester) < minForwardKey {
		return errForwardKey
	}
	if h.ForwardHeader != nil && h.app.isSecret(string(h.attester)) {
		return errors.New("the forward_header key must not be one of the secrets that seal the tokens; make one with: openssl rand -hex 32")
	}
	return nil
}

// check says what is wrong with what names parameters, paths, hosts and the cookie, whether defaults are set yet or not. The
// Caddyfile's parser asks it after each option, so that its errors have a line.
func (h *Handler) check() error {
	if err := h.checkParams(); err != nil {
		return err
	}
	for i, prefix := range h.Paths {
		if len(prefix) < 3 || prefix[0] != '/' || prefix[len(prefix)-1] != '/' {
			return fmt.Errorf("path %q: a link path begins and ends with a slash, like /r/", prefix)
		}
		if slices.Contains(h.Paths[:i], prefix) {
			return fmt.Errorf("the path %q is given twice", prefix)
		}
	}
	for _, host := range slices.Concat(h.Subdomains, h.Handoff) {
		if !isHost(host) {
			return fmt.Errorf("%q is not the name of a host; write it like shop.com, without scheme and port", host)
		}
	}
	return h.Cookie.check()
}

func (h *Handler) checkParams() error {
	for i, name := range h.Params {
		switch {
		case !isParam(name):
			return fmt.Errorf("%q cannot be the name of a query parameter", name)
		case name == tracker.HandoffParam:
			return fmt.Errorf("the parameter %s is ours, and hands sessions over; it cannot name codes", name)
		case name == h.DeepLink:
			return fmt.Errorf("the parameter %q cannot be that of deep links too", name)
		case slices.Contains(h.Params[:i], name):
			return fmt.Errorf("the parameter %q is given twice", name)
		}
	}
	if h.DeepLink != "" && !isParam(h.DeepLink) || h.DeepLink == tracker.HandoffParam {
		return fmt.Errorf("deep_link: %q cannot be the name of a query parameter", h.DeepLink)
	}
	return nil
}

// isParam reports whether a query parameter may have that name without being escaped.
func isParam(name string) bool { return name != "" && !strings.ContainsAny(name, "&=#;?%+ \t\r\n") }

// isHost reports whether s looks like a host name: no scheme, no port, no wildcard.
func isHost(s string) bool {
	if s == "" || len(s) > maxHost || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for _, c := range []byte(s) {
		if c != '.' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// Interface guards
var (
	_ caddy.Module                = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
