package caddymodule

import (
	"net/http"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// maxHost is the longest name that DNS knows; a Host field may be longer.
const maxHost = 253

// follow answers a request that may be a click: with a status if we answer it ourselves, with a promise if the visitor gets a
// cookie beside the site's answer. handed: it may carry a session that another site handed over.
func (h *Handler) follow(
	w http.ResponseWriter, r *http.Request, v *visitor, ref tracker.Referral, handed bool,
) (p *promise, status int) {
	if ref.Link != nil && ref.Redirect {
		return nil, h.redirect(w, r, v, ref)
	}
	if !isNavigation(r) {
		if ref.Link != nil && ref.Link.Live(v.now) && isMissed(r) {
			earlyData.Inc()
		}
		return nil, 0
	}
	if handed {
		if p, ours := h.receive(r, v); ours {
			if p == nil && h.refuses(tracker.Classify(r.Header)) {
				return nil, refuse(w) // so that the person's own visit takes the session over
			}
			return p, 0
		}
	}
	if ref.Link == nil || v.refused() && isCounted(r) {
		return nil, 0
	}
	p = h.click(r, v, ref)
	if h.refuses(v.class) {
		return nil, refuse(w)
	}
	return p, 0
}

// isNavigation reports whether a request can be a click. A HEAD follows nothing, an upgrade is no page, and what comes
// before the end of the TLS handshake (early data) may be a replay.
func isNavigation(r *http.Request) bool { return isGet(r) && !isEarly(r) }

// isMissed reports whether a request would be a navigation if it had not come in early data.
func isMissed(r *http.Request) bool { return isGet(r) && isEarly(r) }

func isGet(r *http.Request) bool { return r.Method == http.MethodGet && r.Header["Upgrade"] == nil }

func isEarly(r *http.Request) bool {
	return r.TLS != nil && !r.TLS.HandshakeComplete
}

// refuses reports whether a click of that class is answered 503.
func (h *Handler) refuses(class tracker.Class) bool {
	return class == tracker.ClassPrefetch && h.Prefetch == refusePrefetch
}

// refuse makes a browser that loads ahead come again when the person follows the link.
func refuse(w http.ResponseWriter) (status int) {
	forbidStoring(w.Header())
	return http.StatusServiceUnavailable
}

// click classifies and records a click, without waiting for the disk. For a human's it returns the promise of a token, and for
// one without consent that of the cookie's end.
func (h *Handler) click(r *http.Request, v *visitor, ref tracker.Referral) *promise {
	v.class = h.classify(r, v, ref.Link)
	s := h.capture(r, v, ref)
	s.ID, s.Time, s.Class = tracker.NewSessionID(v.now), v.now, v.class
	s.Network, s.Code, s.Visitor = h.network, ref.Link.Code, v.token.Visitor

	var buf [1024]byte // holds nearly every record, and stays off the heap
	if v.class != tracker.ClassHuman {
		clicks.WithLabelValues(string(v.class)).Inc()
		h.appendOther(s.AppendRecord(buf[:0]))
		return h.withdraw(r, v)
	}

	if s.Visitor.IsZero() {
		s.Visitor = tracker.NewVisitorID()
	}
	p := h.promise(r, v, tracker.Touch{Session: s.ID, Code: s.Code, Time: v.now}, s.Visitor)
	p.ticket, p.err = h.app.engine.Append(s.AppendRecord(buf[:0]), h.app.patience()-time.Since(v.now))
	if p.err == nil {
		v.token, v.sealed = p.token, ""
	}
	clicks.WithLabelValues(string(v.class)).Inc() // last: whoever holds the promise counts how it ends
	return p
}

// appendOther gives the record of a click that earns nothing to the journal. A flood of robots is cheap to make, and must not
// take the room that people's clicks need, so it may fill only a part of the journal.
func (h *Handler) appendOther(record []byte) {
	err := journal.ErrFull
	if h.app.engine.Roomy() {
		_, err = h.app.engine.Append(record, 0)
	}
	if err != nil {
		dropped.Inc()
	}
}

// promise is the promise of the visitor's next token, with that touch as its last.
func (h *Handler) promise(r *http.Request, v *visitor, touch tracker.Touch, id tracker.VisitorID) *promise {
	token := v.token
	token.Network, token.Visitor = h.network, id
	token = token.Add(touch, v.now, h.window)
	return &promise{
		handler: h, token: token, asked: v.now,
		// The cookie lives as long as any of its touches may still earn.
		age:   max(h.window(touch.Code), h.window(token.First.Code)-v.now.Sub(token.First.Time)),
		https: h.cookie.https(r),
	}
}

// classify says what a click on link is: what its header tells of the browser, then whether the link works, then whether the
// visitor has consented, then whether they just came by it.
func (h *Handler) classify(r *http.Request, v *visitor, link *tracker.Link) tracker.Class {
	class := tracker.Classify(r.Header)
	if class != tracker.ClassHuman {
		return class
	}
	if !link.Live(v.now) {
		return tracker.ClassInactiveLink
	}
	if v.refused() {
		return tracker.ClassNoConsent
	}
	if h.repeats(v, link) {
		return tracker.ClassRepeat
	}
	return tracker.ClassHuman
}

// repeats reports whether the visitor just came by that link. A touch of the future says nothing of when that was.
func (h *Handler) repeats(v *visitor, link *tracker.Link) bool {
	last := v.token.Last
	return !last.Session.IsZero() && strings.EqualFold(last.Code, link.Code) &&
		v.now.Sub(last.Time) < time.Duration(h.Repeat) && !last.InFuture(v.now)
}

// capture takes from the request what a session keeps of it, made harmless and cut. Without consent that is what names the
// link, where it was asked for, and nothing else.
func (h *Handler) capture(r *http.Request, v *visitor, ref tracker.Referral) tracker.Session {
	s := tracker.Session{
		Host:    captureURL("host", r.Host, maxHost),
		Route:   captureURL("route", r.URL.EscapedPath(), tracker.MaxRoute),
		Param:   ref.Param,
		NoShare: h.noShare(r),
	}
	if v.refused() {
		if !ref.Redirect {
			s.Query = ref.Param + "=" + ref.Link.Code
		}
		return s
	}
	s.IP, s.UserAgent = h.address(r, v.now), h.agent(r)
	s.Query = captureURL("query", r.URL.RawQuery, tracker.MaxQuery)
	s.Referrer = captureURL("referrer", r.Referer(), tracker.MaxReferrer)
	return s
}

func captureURL(field, s string, limit int) string {
	out, cut := tracker.CaptureURL(s, limit)
	countCut(field, cut)
	return out
}

func countCut(field string, cut bool) {
	if cut {
		truncated.WithLabelValues(field).Inc()
	}
}
