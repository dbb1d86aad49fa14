package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// receive looks for a session that another site of ours handed over in a navigation. A plain session id would let anybody
// plant one, and says neither code nor time, so the parameter is sealed with the secret that the sites share; see
// tracker.Sealer.SealHandoff. It stands in a URL, which people copy, so it is good for minutes only; a copy gives another browser
// no more than the copied link itself would have given it.
//
// If there is one, the request is the second half of a click that is recorded already, and no click of its own: ours is
// true. The promise is a cookie with that session, unless the visitor has it or a later one, has not consented, or this is no
// person's visit.
func (h *Handler) receive(r *http.Request, v *visitor) (p *promise, ours bool) {
	sealed := parameter(r.URL.RawQuery, tracker.HandoffParam)
	sealer := h.app.sealer()
	if sealed == "" || sealed == tracker.HandoffCounted || sealer == nil {
		return nil, false
	}
	id, touch, err := sealer.OpenHandoff(h.network, sealed, v.now)
	if err != nil {
		tokenRejects.Inc()
		return nil, false
	}
	last := v.token.Last
	known := last.Session == touch.Session || v.token.First.Session == touch.Session
	later := last.Time.After(touch.Time) && !last.InFuture(v.now)
	if known || later || v.refused() || tracker.Classify(r.Header) != tracker.ClassHuman {
		return nil, true
	}
	if !v.token.Visitor.IsZero() {
		id = v.token.Visitor // a browser keeps the id that it got first here
	}
	p = h.promise(r, v, touch, id)
	p.handover = true
	v.token, v.sealed = p.token, ""
	return p, true
}

// parameter is the first value of a parameter whose name and value need no decoding.
func parameter(query, name string) string {
	for query != "" {
		var field string
		field, query, _ = strings.Cut(query, "&")
		if value, found := strings.CutPrefix(field, name); found && strings.HasPrefix(value, "=") {
			return value[1:]
		}
	}
	return ""
}
