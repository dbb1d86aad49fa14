package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func init() {
	caddy.RegisterModule(&adminAPI{})
}

// adminAPI adds the affiliate routes to Caddy's admin endpoint:
//
//	GET  /affiliate/health                  200 for status ok and degraded (the site is served and nothing is lost),
//	                                        503 for starting and where the app does not run
//	GET  /affiliate/audit                   the books, origin by origin; 200 whether they balance or not
//	GET  /affiliate/links                   every link, disabled ones included
//	POST /affiliate/links                   adds a link
//	POST /affiliate/links/{code}/disable    stops a link from earning, at once here and within seconds elsewhere
//	POST /affiliate/links/{code}/enable
//	GET  /affiliate/sessions                a JSON array, streamed, newest first; ?limit= bounds it (default 20, 0 for all)
//
// The query parameter network chooses the network. Without it, links are added and changed in the app's network, and lists
// show all.
//
// Everything is answered through the live engine. The app that Caddy knows at this moment may be one of a configuration that
// was refused: after a failed reload the admin endpoint keeps that configuration's router.
type adminAPI struct{}

// CaddyModule returns the Caddy module information.
func (*adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.affiliate", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (*adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "GET /affiliate/health", Handler: withEngine(serveHealth)},
		{Pattern: "GET /affiliate/audit", Handler: withEngine(serveAudit)},
		{Pattern: "GET /affiliate/links", Handler: withEngine(serveLinks)},
		{Pattern: "POST /affiliate/links", Handler: withEngine(addLink)},
		{Pattern: "POST /affiliate/links/{code}/disable", Handler: withEngine(setLinkActive(false))},
		{Pattern: "POST /affiliate/links/{code}/enable", Handler: withEngine(setLinkActive(true))},
		{Pattern: "GET /affiliate/sessions", Handler: withEngine(serveSessions)},
	}
}

const (
	// maxLinkBody is the size in bytes of the body that adds a link.
	maxLinkBody = 64 << 10

	// changeTime bounds a change of a link. It is not given up when the client is: a change that half happened helps nobody.
	changeTime = 10 * time.Second

	defaultSessions = 20
)

var errNotRunning = errors.New("the affiliate app is not running: the configuration has neither its directive nor its global option")

// withEngine gives a route the live engine, and its errors their status.
func withEngine(serve func(*liveEngine, http.ResponseWriter, *http.Request) error) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		live := running()
		if live == nil {
			return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errNotRunning}
		}
		err := serve(live, w, r)
		if err == nil {
			return nil
		}
		var chosen caddy.APIError
		if errors.As(err, &chosen) {
			return chosen
		}
		return caddy.APIError{HTTPStatus: statusOf(err), Err: err}
	}
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, ledger.ErrExists):
		return http.StatusConflict
	case errors.Is(err, engine.ErrNoLedger):
		return http.StatusNotImplemented
	case errors.Is(err, engine.ErrLedgerAway), errors.Is(err, engine.ErrStarting), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func badRequest(format string, args ...any) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf(format, args...)}
}

func serveHealth(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	health := live.Health(r.Context())
	status := http.StatusOK
	if health.Status == engine.StatusStarting {
		status = http.StatusServiceUnavailable
	}
	return writeJSON(w, status, health)
}

func serveAudit(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	audit, err := live.Audit(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, audit)
}

// linkJSON is a link as the admin API shows it.
type linkJSON struct {
	ID            int64    `json:"id"` // 0 until the ledger has numbered it
	Network       string   `json:"network"`
	Code          string   `json:"code"`
	Affiliate     string   `json:"affiliate"`
	Destination   string   `json:"destination"`
	Subdomain     string   `json:"subdomain"`
	DeepLinkHosts []string `json:"deep_link_hosts"`
	Window        string   `json:"window"` // empty: the app's
	Active        bool     `json:"active"`
	Source        string   `json:"source"` // "config", "api" or "session"; empty on a node without a ledger
}

func showLink(l tracker.Link, source string) linkJSON {
	shown := linkJSON{
		ID: l.ID, Network: l.Network, Code: l.Code, Affiliate: l.Affiliate, Destination: l.Destination, Subdomain: l.Subdomain,
		DeepLinkHosts: append([]string{}, l.DeepLinkHosts...), Active: l.Active, Source: source,
	}
	if l.Window > 0 {
		shown.Window = windowText(l.Window)
	}
	return shown
}

// windowText writes whole days as the Caddyfile does.
func windowText(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// serveLinks lists the ledger's links; a node without a ledger shows those that it works with.
func serveLinks(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	network := r.URL.Query().Get("network")
	books, err := live.Ledger()
	if errors.Is(err, engine.ErrNoLedger) {
		return writeJSON(w, http.StatusOK, tableLinks(live.Links(), network))
	}
	if err != nil {
		return err
	}
	links, err := books.Links(r.Context(), network)
	if err != nil {
		return err
	}
	shown := make([]linkJSON, len(links))
	for i, l := range links {
		shown[i] = showLink(l.Link, l.Source)
	}
	return writeJSON(w, http.StatusOK, shown)
}

func tableLinks(table *tracker.LinkTable, network string) []linkJSON {
	shown := []linkJSON{}
	for _, l := range table.All() {
		if network == "" || l.Network == network {
			shown = append(shown, showLink(l, ""))
		}
	}
	slices.SortFunc(shown, func(a, b linkJSON) int {
		return strings.Compare(a.Network+"\x00"+a.Code, b.Network+"\x00"+b.Code)
	})
	return shown
}

// networkOf is the network that a change is for.
func networkOf(live *liveEngine, r *http.Request) (string, error) {
	if name := r.URL.Query().Get("network"); name != "" {
		if err := tracker.CheckNetwork(name); err != nil {
			return "", badRequest("%w", err)
		}
		return name, nil
	}
	if app := live.app.Load(); app != nil {
		return app.Network, nil
	}
	return tracker.DefaultNetwork, nil
}

func addLink(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	network, err := networkOf(live, r)
	if err != nil {
		return err
	}
	var asked Link
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLinkBody))
	body.DisallowUnknownFields()
	if err := body.Decode(&asked); err != nil {
		return badRequest("reading the link: %w", err)
	}
	link := asked.newLink(network)
	link.Source = "api"
	if err := checkLink(link); err != nil {
		return badRequest("%w", err)
	}
	return changeLinks(live, w, r, http.StatusCreated, func(ctx context.Context, books *ledger.Ledger) (ledger.Link, error) {
		added, err := books.AddLink(ctx, link)
		if errors.Is(err, ledger.ErrExists) {
			return added, fmt.Errorf("link %q in network %q: its code or subdomain %w", link.Code, link.Network, ledger.ErrExists)
		}
		return added, err
	})
}

func setLinkActive(active bool) func(*liveEngine, http.ResponseWriter, *http.Request) error {
	return func(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
		network, err := networkOf(live, r)
		if err != nil {
			return err
		}
		code := r.PathValue("code")
		if err := tracker.CheckCode(code); err != nil {
			return badRequest("%w", err)
		}
		return changeLinks(live, w, r, http.StatusOK, func(ctx context.Context, books *ledger.Ledger) (ledger.Link, error) {
			link, err := books.SetLinkActive(ctx, network, code, active)
			if errors.Is(err, ledger.ErrNotFound) {
				return link, fmt.Errorf("link %q in network %q: %w", code, network, ledger.ErrNotFound)
			}
			return link, err
		})
	}
}

// changeLinks makes one change in the ledger, takes it into this node's table, and answers with the link.
func changeLinks(
	live *liveEngine, w http.ResponseWriter, r *http.Request, status int,
	change func(context.Context, *ledger.Ledger) (ledger.Link, error),
) error {
	books, err := live.Ledger()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), changeTime)
	defer cancel()
	link, err := change(ctx, books)
	if err != nil {
		return err
	}
	if err := live.RefreshLinks(ctx); err != nil {
		return fmt.Errorf("the link is changed in the ledger, but not live on this node yet: %w", err)
	}
	return writeJSON(w, status, showLink(link.Link, link.Source))
}

// sessionJSON is a session as the admin API shows it. Text that visitors sent is as it was captured.
type sessionJSON struct {
	ID        string            `json:"id"`
	Network   string            `json:"network"`
	LinkID    int64             `json:"link_id"`
	Code      string            `json:"code"`
	Affiliate string            `json:"affiliate"`
	VisitorID string            `json:"visitor_id"` // empty without consent
	Time      string            `json:"time"`       // RFC 3339 with milliseconds, UTC
	IP        string            `json:"ip"`
	UserAgent string            `json:"user_agent"`
	Browser   string            `json:"browser"`
	OS        string            `json:"os"`
	Device    string            `json:"device"`
	Query     string            `json:"query"`
	SubIDs    map[string]string `json:"sub_ids"`
	ClickIDs  map[string]string `json:"click_ids"`
	Host      string            `json:"host"`
	Route     string            `json:"route"`
	Referrer  string            `json:"referrer"`
	Param     string            `json:"param"`
	Class     tracker.Class     `json:"class"`
}

func showSession(s ledger.Session) sessionJSON {
	shown := sessionJSON{
		ID: s.ID.String(), Network: s.Network, LinkID: s.LinkID, Code: s.Code, Affiliate: s.Affiliate,
		Time: s.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"), IP: s.IP, UserAgent: s.UserAgent, Browser: s.Browser,
		OS: s.OS, Device: s.Device, Query: s.Query, SubIDs: s.SubIDs, ClickIDs: s.ClickIDs, Host: s.Host, Route: s.Route,
		Referrer: s.Referrer, Param: s.Param, Class: s.Class,
	}
	if !s.Visitor.IsZero() {
		shown.VisitorID = s.Visitor.String()
	}
	if shown.SubIDs == nil {
		shown.SubIDs = map[string]string{}
	}
	if shown.ClickIDs == nil {
		shown.ClickIDs = map[string]string{}
	}
	return shown
}

func serveSessions(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	limit := defaultSessions
	if asked := query.Get("limit"); asked != "" {
		var err error
		if limit, err = strconv.Atoi(asked); err != nil || limit < 0 {
			return badRequest("limit is a number from 0 (all), not %q", asked)
		}
	}
	books, err := live.Ledger()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	rows := 0
	err = books.Sessions(r.Context(), query.Get("network"), limit, func(s ledger.Session) error {
		between := ","
		if rows == 0 {
			between = "["
		}
		rows++
		if _, err := io.WriteString(w, between); err != nil {
			return err
		}
		return writeRow(w, showSession(s))
	})
	switch {
	case err != nil && rows > 0:
		abort(r, err)
	case err != nil:
		return err
	case rows == 0:
		_, err = io.WriteString(w, "[]\n")
	default:
		_, err = io.WriteString(w, "]\n")
	}
	return err
}

// abort breaks the connection off: once the status is sent, that is the one sign left that a list is not whole.
func abort(r *http.Request, err error) {
	if r.Context().Err() == nil {
		caddy.Log().Named("affiliate").Error("listing sessions", zap.Error(err))
	}
	panic(http.ErrAbortHandler)
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return writeRow(w, v)
}

// writeRow writes v and a line feed.
func writeRow(w io.Writer, v any) error {
	var row bytes.Buffer
	encoder := json.NewEncoder(&row)
	encoder.SetEscapeHTML(false) // a query keeps its &
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeControls(row.Bytes()))
	return err
}

// escapeControls writes U+007F to U+009F as JSON escapes. Visitors choose some of the text, terminals take these for
// commands, and encoding/json leaves them as they are.
func escapeControls(text []byte) []byte {
	if !slices.ContainsFunc(text, func(c byte) bool { return c == 0x7f || c == 0xc2 }) {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		if r >= 0x7f && r <= 0x9f {
			out = fmt.Appendf(out, `\u%04x`, r)
			continue
		}
		out = append(out, string(r)...)
	}
	return out
}

// Interface guard
var _ caddy.AdminRouter = (*adminAPI)(nil)
