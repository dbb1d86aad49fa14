package tracker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"time"
)

// IPMode says what is kept of a client's address.
type IPMode string

// The modes. All but IPFull are put into effect before anything is written.
const (
	IPFull     IPMode = "full"     // all of it, the default
	IPTruncate IPMode = "truncate" // its network: see TruncateIP
	IPHash     IPMode = "hash"     // a pseudonym of one day: see Sealer.HashIP
	IPNone     IPMode = "none"     // nothing
)

// IPModes lists every mode.
var IPModes = []IPMode{IPFull, IPTruncate, IPHash, IPNone}

// The bits that TruncateIP keeps: of IPv4 a network of 256 addresses, of IPv6 what a site is usually given.
const (
	keptBits4 = 24
	keptBits6 = 48
)

// TruncateIP returns the first 24 bits of an IPv4 address and the first 48 of an IPv6 address, with zeros behind them:
// 203.0.113.0, 2001:db8:1::. It is empty for what is no address.
func TruncateIP(ip string) string {
	addr, ok := parseIP(ip)
	if !ok {
		return ""
	}
	bits := keptBits6
	if addr.Is4() {
		bits = keptBits4
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.Masked().Addr().String()
}

// HashIP returns a pseudonym of the address that is the same throughout one UTC day in one network: "h:" and 32 hexadecimal
// digits, HMAC-SHA256 cut to 128 bits under a key of the day that is derived from the first secret. Whoever has that secret
// can try all addresses out; nobody else can. It is empty for what is no address.
func (s *Sealer) HashIP(network, ip string, at time.Time) string {
	addr, ok := parseIP(ip)
	if !ok {
		return ""
	}
	day := mac(s.keys[0].address, []byte(at.UTC().Format(time.DateOnly)+"\x00"+network))
	bytes := addr.As16()
	return "h:" + hex.EncodeToString(mac(day, bytes[:])[:16])
}

func mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}

// parseIP reads an address with or without brackets, port and zone, which do not count. One of IPv4 that is mapped into IPv6
// is one of IPv4.
func parseIP(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		port, perr := netip.ParseAddrPort(s)
		addr, err = port.Addr(), perr
	}
	if err != nil && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		addr, err = netip.ParseAddr(s[1 : len(s)-1])
	}
	return addr.WithZone("").Unmap(), err == nil
}
