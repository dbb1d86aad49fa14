package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Consent says which visitors have consented. Of all others a click is counted, and nothing of the person is kept: no cookie
// is set, and neither visitor id, address, user agent nor referrer is recorded, nor more of the query than what names the
// link. A cookie of ours that somebody still has is not read, and is deleted with their next click.
type Consent struct {
	// The cookie that says so.
	Cookie *ConsentCookie `json:"cookie,omitempty"`

	// The requests of visitors who have consented. Exactly one of this and `cookie` is given.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	matchers caddyhttp.MatcherSets
	given    *regexp.Regexp // of Cookie
}

// ConsentCookie is a cookie in which the site keeps a visitor's consent.
type ConsentCookie struct {
	// Its name.
	Name string `json:"name"`

	// A regular expression that matches values which mean consent, as the browser sends them, without decoding. Where a
	// browser has several cookies of the name, it must match all of them.
	Pattern string `json:"pattern"`
}

var errConsent = errors.New("consent is either a cookie or a matcher")

// load loads the matchers; c may be nil.
func (c *Consent) load(ctx caddy.Context) error {
	if c == nil {
		return nil
	}
	return loadMatchers(ctx, c, &c.matchers)
}

// provision checks c, which may be nil, and makes it ready.
func (c *Consent) provision() (err error) {
	switch {
	case c == nil:
		return nil
	case (c.Cookie == nil) == (len(c.matchers) == 0): // Caddy takes what is raw away as it loads it
		return errConsent
	case c.Cookie == nil:
		return nil
	}
	c.given, err = c.Cookie.compile()
	return err
}

func (c *ConsentCookie) compile() (*regexp.Regexp, error) {
	if c.Name == "" || strings.ContainsAny(c.Name, "=;,\" \t\r\n") {
		return nil, errors.New("consent cookie: that cannot be the name of a cookie")
	}
	if c.Pattern == "" {
		return nil, errors.New("consent cookie: the regular expression is empty, and would match every value")
	}
	given, err := regexp.Compile(c.Pattern)
	if err != nil {
		return nil, fmt.Errorf("consent cookie: %w", err)
	}
	return given, nil
}

// consent is what r says of its visitor's consent; empty where nobody asks. It must be asked before later handlers change r.
func (h *Handler) consent(r *http.Request) string {
	switch {
	case h.GPC == gpcHonour && tracker.HasGPC(r.Header):
		return tracker.ConsentRefused
	case h.Consent == nil:
		return ""
	case h.Consent.given != nil && tracker.CookieConsents(r.Header["Cookie"], h.Consent.Cookie.Name, h.Consent.given):
		return tracker.ConsentGiven
	case h.Consent.given == nil && h.matches(h.Consent.matchers, r):
		return tracker.ConsentGiven
	}
	return tracker.ConsentRefused
}

// withdraw is the promise that deletes the cookie of a visitor who no longer consents; nil where there is nothing to delete.
func (h *Handler) withdraw(r *http.Request, v *visitor) *promise {
	if !v.refused() || !h.cookie.sent(r) {
		return nil
	}
	return &promise{handler: h, withdrawn: true, https: h.cookie.https(r)}
}

// nameAgain has a redirect to a page of ours name the link once more, so that the click of a visitor who consents there
// can still be recorded.
func (h *Handler) nameAgain(r *http.Request, to *tracker.Redirect) {
	if h.leadsHome(r, *to) {
		to.Again = h.Params[0]
	}
}

// isCounted reports whether a redirect of ours, which has counted the click of a visitor without consent, led to this request.
func isCounted(r *http.Request) bool {
	return parameter(r.URL.RawQuery, tracker.HandoffParam) == tracker.HandoffCounted
}

func (h *Handler) parseConsent(helper httpcaddyfile.Helper) error {
	matcher, isMatcher, err := helper.MatcherToken() // the next argument is the current token then, a matcher or not
	switch {
	case err != nil:
		return helper.WrapErr(err)
	case isMatcher && matcher == nil:
		return helper.Err("consent * would take everybody's consent for given; leave the option out")
	case isMatcher && helper.CountRemainingArgs() == 0:
		h.Consent = &Consent{MatcherSetsRaw: matcherSets(matcher)}
		return nil
	case !isMatcher && helper.Val() == "cookie" && helper.CountRemainingArgs() == 2:
		args := helper.RemainingArgs()
		h.Consent = &Consent{Cookie: &ConsentCookie{Name: args[0], Pattern: args[1]}}
		if _, err := h.Consent.Cookie.compile(); err != nil {
			return helper.WrapErr(err)
		}
		return nil
	}
	return helper.Err("write consent cookie <name> <regexp> or consent <matcher>")
}
