package tracker

import (
	"net/http"
	"regexp"
	"slices"
)

// What a request says of its visitor's consent, as evidence and decisions keep it. Empty: nobody asked.
const (
	ConsentGiven   = "given"
	ConsentRefused = "refused"
)

// HasGPC reports whether a request's header (with canonical keys) has the signal of Global Privacy Control: Sec-GPC with
// exactly the value 1. Of several fields one is enough (https://w3c.github.io/gpc/#the-sec-gpc-header-field-for-http-requests).
func HasGPC(h http.Header) bool { return slices.Contains(h["Sec-Gpc"], "1") }

// CookieConsents reports whether the Cookie headers have a cookie of exactly that name, and the values of all such cookies
// match, as the browser sends them: where one says no, the visitor did.
func CookieConsents(headers []string, name string, given *regexp.Regexp) bool {
	consents := false
	CookieValues(headers, name, func(value string) bool {
		consents = given.MatchString(value)
		return consents
	})
	return consents
}
