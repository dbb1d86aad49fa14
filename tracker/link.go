package tracker

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// DefaultNetwork is the network of everything that names none.
const DefaultNetwork = "default"

// DefaultWindow is how long a click earns where neither campaign nor configuration says: 30 days.
const DefaultWindow = 30 * 24 * time.Hour

// MaxWindow is the longest window, the 400 days that browsers keep a cookie (RFC 6265bis).
const MaxWindow = 400 * 24 * time.Hour

// Link is one affiliate in one campaign, as the edge needs it.
type Link struct {
	ID            int64         `json:"id"`                        // the ledger's number
	Network       string        `json:"network"`                   // tenant
	Code          string        `json:"code"`                      // [A-Za-z0-9_-]{1,64}, compared without case
	Affiliate     string        `json:"affiliate"`                 // the affiliate's name
	Subdomain     string        `json:"subdomain,omitempty"`       // one host label, lower case
	Destination   string        `json:"destination,omitempty"`     // an http or https URL or a path; empty means "/"
	DeepLinkHosts []string      `json:"deep_link_hosts,omitempty"` // hosts that a deep-link parameter may name
	Window        time.Duration `json:"window"`                    // how long a click earns; 0: DefaultWindow
	Active        bool          `json:"active"`                    // disabled links are recorded as inactive_link
	ExpiresAt     time.Time     `json:"expires_at,omitzero"`       // from then on it is as if disabled; zero: never
	Tokens        *LinkTokens   `json:"tokens,omitempty"`          // what is added to the destination; nil: nothing
}

// Live reports whether clicks on the link earn at that time: it is active and has not expired.
func (l *Link) Live(now time.Time) bool {
	return l.Active && (l.ExpiresAt.IsZero() || now.Before(l.ExpiresAt))
}

// ErrCode is returned for a code that no link may have.
var ErrCode = errors.New("a code is 1 to 64 of A-Z a-z 0-9 _ -")

// CheckCode returns ErrCode unless s may be a link's code.
func CheckCode(s string) error {
	if len(s) == 0 || len(s) > 64 {
		return fmt.Errorf("%w; this one has %d characters", ErrCode, len(s))
	}
	for i := 0; i < len(s); i++ {
		if !isCodeByte(s[i]) {
			return ErrCode
		}
	}
	return nil
}

func isCodeByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-'
}

// CodeKey is the form in which codes are compared: lower case.
func CodeKey(code string) string { return strings.ToLower(code) }

// linkKey is (network, code or label).
type linkKey struct{ network, name string }

// ErrNetwork is returned for a name that no network may have.
var ErrNetwork = errors.New("a network is 1 to 64 of A-Z a-z 0-9 _ . -")

// CheckNetwork returns ErrNetwork unless s may be a network's name. Names are compared as they stand.
func CheckNetwork(s string) error {
	if len(s) == 0 || len(s) > 64 {
		return fmt.Errorf("%w; this one has %d characters", ErrNetwork, len(s))
	}
	for i := 0; i < len(s); i++ {
		if !isCodeByte(s[i]) && s[i] != '.' {
			return ErrNetwork
		}
	}
	return nil
}

// LinkTable is what an edge knows of the links: immutable, replaced as a whole.
type LinkTable struct {
	byCode      map[linkKey]*Link
	bySubdomain map[linkKey]*Link
	version     int64
}

// NewLinkTable builds the table of links as they stood at the ledger's version. The links are kept, not copied.
func NewLinkTable(version int64, links []Link) *LinkTable {
	t := &LinkTable{byCode: make(map[linkKey]*Link, len(links)), bySubdomain: map[linkKey]*Link{}, version: version}
	for i := range links {
		l := &links[i]
		t.byCode[linkKey{l.Network, CodeKey(l.Code)}] = l
		if l.Subdomain != "" {
			t.bySubdomain[linkKey{l.Network, strings.ToLower(l.Subdomain)}] = l
		}
	}
	return t
}

// Version is the ledger's count of changes that the table was built from.
func (t *LinkTable) Version() int64 { return t.version }

// Len is the number of links.
func (t *LinkTable) Len() int { return len(t.byCode) }

// Lookup returns the link of that code, or nil. It does not allocate.
func (t *LinkTable) Lookup(network, code string) *Link { return find(t.byCode, network, code) }

// LookupSubdomain returns the link with that subdomain, or nil.
func (t *LinkTable) LookupSubdomain(network, label string) *Link {
	return find(t.bySubdomain, network, label)
}

// find lowers only A–Z: names are ASCII, and what another alphabet would fold into them (the Kelvin sign) is none.
func find(m map[linkKey]*Link, network, name string) *Link {
	var lower [64]byte
	if len(name) == 0 || len(name) > len(lower) {
		return nil
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return m[linkKey{network, string(lower[:len(name)])}]
}

// All returns the links in no particular order.
func (t *LinkTable) All() []Link {
	links := make([]Link, 0, len(t.byCode))
	for _, l := range t.byCode {
		links = append(links, *l)
	}
	return links
}
