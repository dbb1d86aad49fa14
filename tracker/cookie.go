package tracker

import "strings"

// MaxCookies is how many cookies of one name are decrypted. Browsers send one; more are somebody's attempt to hide it among
// others, and each costs a microsecond. So many texts that may be tokens of ours do not fit into 20 KiB, the longest header that is
// read by default: Caddy's limit is 16 KiB, to which net/http adds 4 KiB over HTTP/1. What cannot be a token is passed over without
// being decrypted.
const MaxCookies = 20 << 10 / (len("a=; "+tokenVersion+"01234567.") + smallestSealed)

// CookieValues calls yield with the value of every cookie of exactly that name over all Cookie headers, in their order,
// until yield returns false. Values come without surrounding spaces and double quotes, as net/http reads them. It does not
// allocate.
func CookieValues(headers []string, name string, yield func(value string) bool) {
	for _, header := range headers {
		for header != "" {
			var pair string
			pair, header, _ = strings.Cut(header, ";")
			key, value, ok := strings.Cut(trimSpace(pair), "=")
			if ok && trimSpace(key) == name && !yield(unquote(value)) {
				return
			}
		}
	}
}

// trimSpace trims what RFC 9110 calls optional white space.
func trimSpace(s string) string { return strings.Trim(s, " \t") }

func unquote(s string) string {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// HasCookie is the cheap test: where it says no, CookieValues finds nothing. It looks for the name followed by '=' or a
// space anywhere in the headers.
func HasCookie(headers []string, name string) bool {
	for _, header := range headers {
		for {
			at := strings.Index(header, name)
			if at < 0 {
				break
			}
			header = header[at+len(name):]
			if header != "" && (header[0] == '=' || header[0] == ' ' || header[0] == '\t') {
				return true
			}
		}
	}
	return false
}

// OpenNewest opens the cookies of that name and returns the token with the newest last touch and its text. It stops after
// MaxCookies that had to be decrypted. rejected counts those that do not open; ok says that one did.
func (s *Sealer) OpenNewest(network string, headers []string, name string) (t Token, raw string, rejected int, ok bool) {
	if !HasCookie(headers, name) {
		return Token{}, "", 0, false
	}
	tried := 0
	CookieValues(headers, name, func(value string) bool {
		if !s.mayOpen(value) {
			rejected++
			return true
		}
		tried++
		opened, err := s.Open(network, value)
		switch {
		case err != nil:
			rejected++
		case !ok || opened.Last.Time.After(t.Last.Time):
			t, raw, ok = opened, value, true
		}
		return tried < MaxCookies
	})
	return t, raw, rejected, ok
}
