package tracker

import (
	"strings"
	"unicode/utf8"
)

// The sizes in bytes to which captured values are cut.
const (
	MaxQuery     = 4096
	MaxRoute     = 1024
	MaxReferrer  = 1024
	MaxUserAgent = 512
	MaxSubID     = 500
)

const upperHex = "0123456789ABCDEF"

// CaptureURL makes the bytes of a query, path or referrer harmless: those outside 0x21–0x7E become %XX, all others stay,
// in their order. The result has at most max bytes and ends with no part of a %XX; cut says that something is missing. It
// returns s itself, or its beginning, where no byte changes.
func CaptureURL(s string, max int) (out string, cut bool) {
	var b []byte // the output, once it differs from s[:n]
	n := 0       // its length
	i := 0
	for i < len(s) {
		step, size := 1, 1
		plain := isPlain(s[i])
		if !plain {
			size = 3
		} else if isEscape(s, i) {
			step, size = 3, 3
		}
		if n+size > max {
			break
		}
		if !plain && b == nil {
			b = append(make([]byte, 0, min(max, len(s)+len(s)/2+2)), s[:i]...)
		}
		switch {
		case !plain:
			b = append(b, '%', upperHex[s[i]>>4], upperHex[s[i]&15])
		case b != nil:
			b = append(b, s[i:i+step]...)
		}
		n += size
		i += step
	}
	if b == nil {
		return s[:i], i < len(s)
	}
	return string(b), i < len(s)
}

func isPlain(c byte) bool { return c >= 0x21 && c <= 0x7e }

// CaptureUserAgent makes a user agent harmless: each byte that is not UTF-8 becomes U+FFFD, NUL goes, and the result ends
// with a whole character within MaxUserAgent bytes; cut says that something is missing.
func CaptureUserAgent(s string) (out string, cut bool) { return captureText(s, MaxUserAgent) }

// captureText returns s as UTF-8 without NUL in at most max bytes; s itself, or its beginning, where no byte changes.
func captureText(s string, max int) (out string, cut bool) {
	head := s[:textEnd(s, max)]
	if utf8.ValidString(head) && strings.IndexByte(head, 0) < 0 {
		return head, len(head) < len(s)
	}
	var b strings.Builder
	for _, r := range s {
		if r == 0 {
			continue
		}
		if b.Len()+utf8.RuneLen(r) > max {
			return b.String(), true
		}
		b.WriteRune(r)
	}
	return b.String(), false
}

// textEnd is where to cut s so that at most max bytes are left and, if s is UTF-8, no character is split.
func textEnd(s string, max int) int {
	if len(s) <= max {
		return len(s)
	}
	for end := max; end > max-utf8.UTFMax && end >= 0; end-- {
		if utf8.RuneStart(s[end]) {
			return end
		}
	}
	return max
}
