package affili

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// actor is who did what came without a key, in histories.
const actor = "browser"

var (
	errNoSite = fails(http.StatusNotFound, "site", "none is configured, so there is no route for browsers here")
	errOrigin = fails(http.StatusForbidden, "origin", "is not one of the configured sites")
)

// serveBrowser answers the script, on pages of the configured sites only. Anybody may send what it sends, so nothing that comes
// here is more than pending, and requests are counted by address and by site.
func (s *server) serveBrowser(w http.ResponseWriter, r *http.Request, path string, v version) {
	tag := browserTags[path]
	if tag == "" {
		s.fail(w, "", errNoRoute)
		return
	}
	if len(s.Browser.Sites) == 0 {
		s.fail(w, tag, errNoSite)
		return
	}
	site := r.Header.Get("Origin")
	w.Header().Add("Vary", "Origin")
	if !slices.Contains(s.Browser.Sites, site) {
		s.fail(w, tag, errOrigin)
		return
	}
	allowOrigin(w.Header(), site, "POST", "content-type, access-control-allow-headers")
	w.Header().Set("Access-Control-Allow-Credentials", "true") // as the script sends its requests
	switch r.Method {
	case http.MethodOptions:
		platform.Operation(r.Context(), "preflight")
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPost:
		platform.Operation(r.Context(), "browser-"+path)
		data, err := s.answerBrowser(w, r, site, tag, v)
		s.respond(w, tag, data, err)
	default:
		w.Header().Set("Allow", "OPTIONS, POST")
		s.fail(w, tag, errMethod)
	}
}

// browserTags are those of the script's routes.
var browserTags = map[string]string{"set-cookie": tagSetCookie, "conversion": tagCreateConversion}

// allowOrigin lets a page of the site send requests with these methods and header fields, and read the answers. A wildcard would not
// do: the script has credentials, and sends a request header that is named after a response header.
func allowOrigin(h http.Header, site, methods, fields string) {
	h.Set("Access-Control-Allow-Origin", site)
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", fields)
	h.Set("Access-Control-Max-Age", "600")
}

func (s *server) answerBrowser(w http.ResponseWriter, r *http.Request, site, tag string, v version) (any, error) {
	visitor := s.Browser.Visitor(r, s.Now())
	if wait := s.limits.spend(visitor.Address, site, s.Now()); wait > 0 {
		return nil, tooMany(wait)
	}
	books, err := s.books()
	if err != nil {
		return nil, err
	}
	b, err := readBody(w, r, false) // the script is as it is
	if err != nil {
		return nil, err
	}
	if s.Browser.Account != "" && b.text("account_id") != s.Browser.Account {
		b.wrong.Add("account_id", "is not that of this site")
	}
	if tag == tagSetCookie {
		return s.setBrowserCookie(r.Context(), books, b, site, visitor)
	}
	n := s.newConversion(b, v)
	n.Network, n.Source, n.Actor = s.Browser.Network, tracker.SourceAffiliBrowser, actor
	n.Evidence.Consent = visitor.Consent
	_, err = s.book(r.Context(), books, n, b, visitor.session(site))
	return struct{}{}, err // strangers learn nothing of the books
}

// setBrowserCookie makes a session for the visitor. Without consent there is none, and a cookie that has expired as it is set.
func (s *server) setBrowserCookie(ctx context.Context, books Books, b *body, site string, visitor Visitor) (any, error) {
	b.require("aff_id", "referrer")
	if visitor.Consent == tracker.ConsentRefused {
		return Cookie{Token: false, ValidDays: 0, DeleteCookie: true}, b.wrong.Err()
	}
	return s.newCookie(ctx, books, s.Browser.Network, b, visitor.session(site))
}

// session is what a session has of the visitor on a page of the site.
func (v Visitor) session(site string) tracker.Session {
	_, host, _ := strings.Cut(site, "://")
	return tracker.Session{IP: v.IP, UserAgent: v.UserAgent, Host: host, NoShare: v.NoShare}
}
