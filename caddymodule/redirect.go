package caddymodule

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// redirect answers a path or subdomain link. It returns 0, for the next handler, where there is nothing to redirect: other
// methods than GET and HEAD, and a link whose destination must not be sent.
//
// The answer waits for the journal at most as long as any click's does. It is a 302 and never stored: a browser that
// remembers a permanent redirect comes by no more.
func (h *Handler) redirect(w http.ResponseWriter, r *http.Request, v *visitor, ref tracker.Referral) (status int) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return 0
	}
	if isEarly(r) {
		forbidStoring(w.Header())
		return http.StatusTooEarly
	}
	to := h.destination(r, ref)
	location, err := to.Location()
	if err != nil {
		h.logger.Error("a link's destination cannot be sent", "network", h.network, "code", ref.Link.Code)
		return 0
	}
	if isNavigation(r) {
		p := h.click(r, v, ref)
		if h.refuses(v.class) {
			return refuse(w)
		}
		kept := p != nil && p.keep(w.Header())
		switch {
		case v.refused():
			h.nameAgain(r, &to)
		case kept, v.class == tracker.ClassRepeat:
			h.handOver(r, v, &to)
		}
		if handed, err := to.Location(); err == nil {
			location = handed
		}
	}
	forbidStoring(w.Header())
	w.Header()["Location"] = []string{location}
	return http.StatusFound
}

// destination says where a link leads. A path that a subdomain leads to is on the parent domain: on the subdomain itself it
// would only come back here.
func (h *Handler) destination(r *http.Request, ref tracker.Referral) tracker.Redirect {
	to := tracker.Redirect{Link: ref.Link, RawQuery: r.URL.RawQuery, DeepLink: h.DeepLink}
	if path := ref.Link.Destination; ref.Param == tracker.ParamSubdomain && (path == "" || path[0] == '/') {
		_, parent, _ := strings.Cut(r.Host, ".")
		scheme := "http"
		if h.cookie.https(r) {
			scheme = "https"
		}
		link := *ref.Link
		link.Destination = scheme + "://" + parent + cmp.Or(path, "/")
		to.Link = &link
	}
	if h.Strip || h.leadsHome(r, to) {
		to.Strip = h.strip // else the page that it leads to would take them for a click of its own
	}
	return to
}

// leadsHome reports whether a redirect leads to a host on which this directive runs.
func (h *Handler) leadsHome(r *http.Request, to tracker.Redirect) bool {
	host := to.Host()
	return host == "" || h.cookie.covers(r.Host, host) || h.takesOver(host)
}

// takesOver reports whether host takes a visitor's session over: it is listed for that, or is one of this site's by its domain.
func (h *Handler) takesOver(host string) bool {
	host = hostname(host)
	return h.handoff[host] || slices.ContainsFunc(h.Subdomains, func(domain string) bool { return isWithin(host, domain) })
}

// handOver adds the visitor's session to a redirect: for the macro in the destination, and sealed in a parameter if the
// destination is a site of ours that our cookie does not reach.
func (h *Handler) handOver(r *http.Request, v *visitor, to *tracker.Redirect) {
	to.Session = v.token.Last.Session
	host := to.Host()
	sealer := h.app.sealer()
	if host == "" || sealer == nil || !h.takesOver(host) || h.cookie.covers(r.Host, host) {
		return
	}
	sealed, err := sealer.SealHandoff(h.network, v.token.Visitor, v.token.Last, v.now)
	to.Handoff, to.HandoffToken = err == nil, sealed
}
