package tracker

import (
	"net/http"
	"strings"
)

// prefetchHeaders announce that a browser loads ahead of the person: Sec-Purpose is the standard (Fetch), Purpose is
// Chromium's and WebKit's older name, X-Moz Firefox's, X-Purpose Safari's top sites.
var prefetchHeaders = [...]string{"Sec-Purpose", "Purpose", "X-Moz", "X-Purpose"}

// Classify tells a person's navigation from what programs do, by the headers of a GET request (with canonical keys). It
// returns prefetch, subresource, bot or human; repeat, no_consent and inactive_link need more than headers. A prefetch is
// named first, since <link rel="prefetch"> says Sec-Fetch-Dest: empty as well. A request without a user agent is a bot's.
func Classify(h http.Header) Class {
	switch {
	case isPrefetch(h):
		return ClassPrefetch
	case isSubresource(h):
		return ClassSubresource
	case IsBot(h.Get("User-Agent")):
		return ClassBot
	default:
		return ClassHuman
	}
}

func isPrefetch(h http.Header) bool {
	for _, name := range prefetchHeaders {
		for _, value := range h[name] {
			if hasPrefixFold(value, "prefetch") || hasPrefixFold(value, "prerender") || hasPrefixFold(value, "preview") {
				return true
			}
		}
	}
	return false
}

// isSubresource reports whether the browser says that the answer is not for a page of its own. Browsers without
// Fetch Metadata (Safari before 16.4) say nothing.
func isSubresource(h http.Header) bool {
	for _, dest := range h["Sec-Fetch-Dest"] {
		if !strings.EqualFold(dest, "document") {
			return true
		}
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
