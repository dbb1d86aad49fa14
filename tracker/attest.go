package tracker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
)

// AttestHeader returns the value of the Affiliate-Session request header, an RFC 8941 item with parameters:
//
//	"<session id>";code="…";affiliate="…";t=<unix seconds of the click>;sig=:<base64>:
//
// sig is the HMAC-SHA256 under key of all that precedes ";sig". In affiliate, '%' and bytes outside 0x20–0x7E are %XX,
// since RFC 8941 strings are ASCII.
func AttestHeader(key []byte, s Touch, affiliate string) string {
	b := make([]byte, 0, 192+len(affiliate))
	b = append(b, '"')
	b, _ = s.Session.AppendText(b)
	b = append(b, `";code=`...)
	b = appendString(b, s.Code)
	b = append(b, ";affiliate="...)
	b = appendString(b, affiliate)
	b = append(b, ";t="...)
	b = strconv.AppendInt(b, s.Time.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write(b)
	b = append(b, ";sig=:"...)
	b = base64.StdEncoding.AppendEncode(b, mac.Sum(nil))
	return string(append(b, ':'))
}

// appendString appends an RFC 8941 string.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c > 0x7e || c == '%':
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
