package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
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

// usualPatience is the longest that a click's answer may wait for what is ours, from the request's arrival: for the links while
// Caddy starts, and for the journal. The documentation promises it.
const usualPatience = 25 * time.Millisecond

// patience is usualPatience, but in tests of what a slow machine may not hide.
var patience = usualPatience

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

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.isPixel(r) {
		return h.servePixel(w, r)
	}
	late, status := h.before(w, r)
	if status != 0 { // our own answer, its header fields are set
		w.WriteHeader(status)
		return nil
	}
	if late == nil {
		return next.ServeHTTP(w, r)
	}
	// Error routes, and the server for an empty chain, answer on w after we have returned: what is in its header by then
	// goes out. The same holds for a panic that somebody above us turns into an answer.
	answered := false
	defer func() { late.finish(answered) }()
	err := next.ServeHTTP(late, r)
	answered = err == nil
	return err
}

// before is everything that happens ahead of the next handler. It returns the status of our own answer, or the writer
// that will add a cookie to the next handler's answer, keep it out of caches or take conversions from it, or neither. A panic in it is our fault
// and never the visitor's.
func (h *Handler) before(w http.ResponseWriter, r *http.Request) (late *lateWriter, status int) {
	defer h.survive()
	if h.ForwardHeader != nil {
		delete(r.Header, sessionField)
		keepEndToEnd(r.Header, sessionField)
	}
	repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	ref, arrived, handed, before := h.recognise(r)
	known, click := h.cookie.sent(r), (ref.Link != nil || before != nil) && isGet(r)
	var v *visitor
	writer := func() *lateWriter {
		if late == nil {
			late = newLateWriter(w)
		}
		return late
	}
	if click {
		writer().click = true // here as well: an error route comes after the writer of the handler that took the click
	}
	switch {
	case before != nil && before.handler.network == h.network:
		v = before
		repl.Map(v.value)
		h.attest(r.Header, v)
	case ref.Link != nil, handed, known && h.ForwardHeader != nil:
		v = h.visitor(r, arrived)
		repl.Map(v.value)
		var p *promise
		if p, status = h.follow(w, r, v, ref, handed); p != nil {
			writer().promise = p // now: a panic below must not lose what the journal has been promised
		}
		if ref.Link != nil || p != nil {
			caddyhttp.SetVar(r.Context(), followedVar, v)
		}
		h.attest(r.Header, v)
	case known && h.consent(r) != tracker.ConsentRefused:
		// Most pages never ask, so the token is opened when one does. It is this path's only allocation.
		repl.Map(func(key string) (any, bool) { return h.lookUp(r, key) })
	default:
		repl.Map(nobody)
	}
	if status == 0 && h.Conversion != nil {
		if c := h.expect(r, v); c != nil {
			writer().report = c
		}
	}
	if h.Strip {
		h.stripQuery(r)
	}
	return late, status
}

// followedVar is the variable of a request whose click or session a handler has taken. It holds the visitor.
const followedVar = "affiliate.visitor"

// recognise finds the link that a request names, when it asked, and whether it may carry a session that another site handed
// over. For almost every request there is neither, and nothing is allocated, nor the clock read, to say so.
//
// A request may pass several handlers: of nested routes, of several networks, of error routes. It is one click, which the first
// that knows its link takes. The others find before, the visitor as that one left them, and nothing else, whatever has become of
// the URL meanwhile.
func (h *Handler) recognise(r *http.Request) (ref tracker.Referral, arrived time.Time, handed bool, before *visitor) {
	if before, _ = caddyhttp.GetVar(r.Context(), followedVar).(*visitor); before != nil {
		return ref, arrived, false, before
	}
	handed = strings.Contains(r.URL.RawQuery, tracker.HandoffParam)
	named := h.rules.Maybe(r.Host, r.URL.Path, r.URL.RawQuery)
	if !named && !handed {
		return ref, arrived, false, nil
	}
	arrived = time.Now()
	if named {
		h.app.engine.AwaitLinks(patience)
		ref = h.rules.Find(h.app.engine.Links(), h.network, r.Host, r.URL.Path, r.URL.RawQuery)
		unknownCodes.Add(float64(ref.Unknown))
		countCut("params", tracker.HasMoreParams(r.URL.RawQuery))
	}
	return ref, arrived, handed, nil
}

// survive ends a panic in our own code, counted and logged; the request goes on without us. The panic's own text is not
// logged, since it may quote what the client sent.
func (h *Handler) survive() {
	if cause := recover(); cause != nil {
		panics.Inc()
		h.logger.Error("recovered from a panic in the affiliate handler",
			"kind", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
	}
}

// stripQuery removes the tracking parameters in place, as Caddy's own rewrite does, so that matchers, placeholders and
// every further handler agree. Error routes see the original URI again; Caddy restores it.
func (h *Handler) stripQuery(r *http.Request) {
	query := tracker.Strip(r.URL.RawQuery, h.strip)
	if query == r.URL.RawQuery {
		return
	}
	r.URL.RawQuery = query
	r.RequestURI = r.URL.RequestURI()
}

// Interface guards
var (
	_ caddy.Module                = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.Validator             = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
