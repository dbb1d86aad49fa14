package caddymodule

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// redacted stands in logs for what they must not have; Caddy writes the same word for credentials in headers.
const redacted = "REDACTED"

// secretHeaders carry secrets of the APIs. Caddy itself redacts Authorization, Cookie and their like.
var secretHeaders = []string{"X-Api-Key", "X-Api-Secret"}

// ownByCaddy are the headers that Caddy redacts, unless the site's configuration has log_credentials.
var ownByCaddy = []string{"Authorization", "Proxy-Authorization", "Cookie"}

// secretWords betray a parameter that may hold a secret, in whatever way it is written: oauth_token, apiKey, apiSecret, and the
// variables of a GraphQL query. What is hidden too much is a loss for a log; what is hidden too little is one for the merchant.
var secretWords = []string{"token", "key", "secret", "passw", "auth", "jwt", "signature"}

// keyText is the text of a key, wherever it stands.
var keyText = regexp.MustCompile(`aff_[a-z2-7]{12}_[A-Za-z0-9_-]{43}`)

// redactURI hides what may be secret in the text of a URI, and returns others as they are.
func redactURI(uri string) string {
	path, query, found := strings.Cut(uri, "?")
	if !found {
		return keyText.ReplaceAllString(uri, redacted)
	}
	parts := strings.Split(query, "&")
	for i, part := range parts {
		parts[i] = redactPart(part)
	}
	return keyText.ReplaceAllString(path+"?"+strings.Join(parts, "&"), redacted)
}

// redactPart hides the value of a parameter, or all of a part that is none.
func redactPart(part string) string {
	plain, err := url.QueryUnescape(part)
	if err != nil {
		plain = part
	}
	plain = strings.ToLower(plain)
	secret := err != nil || slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(plain, word) })
	name, _, found := strings.Cut(part, "=")
	switch {
	case !secret:
		return part
	case !found || err != nil || strings.Contains(name, ";"):
		return redacted
	}
	return name + "=" + redacted
}

// redactHeader hides what may be secret in a request's header: the keys, and the queries of addresses such as the referrer. It
// returns whether anything was hidden.
func redactHeader(h http.Header) (clean http.Header, found bool) {
	clean = h.Clone()
	for name, values := range clean {
		for i, value := range values {
			switch {
			case slices.Contains(ownByCaddy, name):
			case slices.Contains(secretHeaders, name):
				values[i] = redacted
			default:
				values[i] = redactURI(value)
			}
			found = found || values[i] != value
		}
	}
	return clean, found
}
