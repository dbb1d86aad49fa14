package tracker

import "strings"

// MaxParams is how many parameters of a query are looked at; a longer query is read up to there.
const MaxParams = 64

// HasMoreParams reports whether a query has parameters beyond MaxParams, which nobody looks at.
func HasMoreParams(rawQuery string) bool {
	return strings.Count(strings.TrimSuffix(rawQuery, "&"), "&") >= MaxParams
}

// cutParam splits the first parameter off a raw query. Only '&' separates: what net/url drops without a word (';', bad
// '%' pairs) stays part of a value here.
func cutParam(rawQuery string) (name, value, rest string) {
	param, rest, _ := strings.Cut(rawQuery, "&")
	name, value, _ = strings.Cut(param, "=")
	return name, value, rest
}

// unescape decodes %XX and '+' and leaves a '%' that starts no pair as it came. It returns s itself where there is nothing
// to decode.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case isEscape(s, i):
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// isEscape reports whether a %XX pair starts at s[i].
func isEscape(s string, i int) bool {
	return s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2])
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}

// Strip removes the parameters of those names from a raw query, each with one '&', and leaves every other byte as it
// was. Names are compared as they stand, without decoding. It returns rawQuery itself where nothing is removed.
func Strip(rawQuery string, names []string) string {
	if !hasAnyParam(rawQuery, names) {
		return rawQuery
	}
	kept := make([]byte, 0, len(rawQuery))
	first := true
	for param := range strings.SplitSeq(rawQuery, "&") {
		name, _, _ := strings.Cut(param, "=")
		if isOneOf(name, names) {
			continue
		}
		if !first {
			kept = append(kept, '&')
		}
		kept = append(kept, param...)
		first = false
	}
	return string(kept)
}

func isOneOf(s string, list []string) bool {
	for _, one := range list {
		if s == one {
			return true
		}
	}
	return false
}

func hasAnyParam(rawQuery string, names []string) bool {
	for _, name := range names {
		if hasParam(rawQuery, name) {
			return true
		}
	}
	return false
}

// hasParam reports whether a parameter of that name is there, with or without a value.
func hasParam(rawQuery, name string) bool {
	for from := 0; name != ""; {
		at := strings.Index(rawQuery[from:], name)
		if at < 0 {
			return false
		}
		start := from + at
		end := start + len(name)
		starts := start == 0 || rawQuery[start-1] == '&'
		ends := end == len(rawQuery) || rawQuery[end] == '=' || rawQuery[end] == '&'
		if starts && ends {
			return true
		}
		from = start + 1
	}
	return false
}
