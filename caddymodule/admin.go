package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/api"
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
//	GET  /affiliate/audit                   the books, origin by origin; 200 whether they balance or not;
//	                                        with ?recount it compares the sums of the reports with all conversions
//	GET  /affiliate/links                   every link, disabled ones included
//	POST /affiliate/links                   adds a link
//	POST /affiliate/links/{code}/disable    stops a link from earning, at once here and within seconds elsewhere
//	POST /affiliate/links/{code}/enable
//	GET  /affiliate/sessions                a JSON array, streamed, newest first; ?limit= bounds it (default 20, 0 for all)
//	POST /affiliate/import/affiliates       takes a CSV file, all of it or nothing; the answer is NDJSON, its last line the outcome
//	POST /affiliate/import/links
//	     /affiliate/v1/…                    the API of the directive affiliate_api, without a key and with every scope
//
// The query parameter network chooses the network. Without it, links and sessions are listed of all networks, and everything
// else is done in the app's.
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
		{Pattern: "POST /affiliate/import/affiliates", Handler: withEngine(importAffiliates)},
		{Pattern: "POST /affiliate/import/links", Handler: withEngine(importLinks)},
		{Pattern: api.Prefix, Handler: withEngine(serveAPI)},
	}
}

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
		status := statusOf(err)
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5") // seconds, as the API's
		}
		return caddy.APIError{HTTPStatus: status, Err: err}
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
	case errors.Is(err, engine.ErrLedgerAway), errors.Is(err, engine.ErrStarting), errors.Is(err, tracker.ErrAway),
		errors.Is(err, context.DeadlineExceeded):
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
	if err == nil && r.URL.Query().Has("recount") {
		err = live.Recount(r.Context(), &audit)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, audit)
}

// queryOf reads a query as strictly as the API does: net/url drops what it cannot decode, and what is dropped or empty would be
// answered for the wrong network.
func queryOf(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query is pairs of name=value with & between them and %% before what is not plain")
	}
	for _, values := range query {
		if len(values) > 1 || values[0] == "" {
			return nil, badRequest("the query has a parameter that is empty or there twice")
		}
	}
	return query, nil
}

// networkOf is the network that a change is for.
func networkOf(live *liveEngine, r *http.Request) (string, error) {
	query, err := queryOf(r)
	if err != nil {
		return "", err
	}
	if name := query.Get("network"); name != "" {
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

// serveAPI serves the API of the books to the operator. Why there are no books is told as by the other routes.
func serveAPI(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	app := live.app.Load()
	if app == nil {
		return engine.ErrStarting
	}
	if _, err := live.Ledger(); err != nil {
		return err
	}
	network, err := networkOf(live, r)
	if err != nil {
		return err
	}
	app.api().ServeHTTP(w, api.AsOperator(r, network))
	return nil
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
	_, err := w.Write(api.EscapeControls(row.Bytes()))
	return err
}

// Interface guard
var _ caddy.AdminRouter = (*adminAPI)(nil)
