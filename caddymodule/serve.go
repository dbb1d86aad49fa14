package caddymodule

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// usualPatience is App.patience where the configuration says nothing. The documentation promises it.
const usualPatience = 25 * time.Millisecond

// patience is usualPatience, but in tests of what a slow machine may not hide.
var patience = usualPatience

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
		h.app.engine.AwaitLinks(h.app.patience())
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
