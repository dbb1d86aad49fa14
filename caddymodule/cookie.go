package caddymodule

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Cookie configures the visitor's cookie. It is always `HttpOnly`, `SameSite=Lax` and `Path=/`; its `Max-Age` is the window
// of the link, at most 400 days. Over HTTPS it is `Secure` and its name gets the prefix `__Host-`, with a domain
// `__Secure-`, so that no other host and no plain-text page can plant one. Only the name for the request's own scheme is
// read.
type Cookie struct {
	// The name, without prefix. Default: `aff`, and `aff_NETWORK` for a network other than `default`.
	Name string `json:"name,omitempty"`

	// The domain that shares the cookie, for a site on several hosts. Default: the host that was asked, alone.
	Domain string `json:"domain,omitempty"`

	// `auto`: a request came over HTTPS if this server ended its TLS, or if one of the server's trusted proxies says so in
	// X-Forwarded-Proto. `on`: every request did. Default: `auto`.
	Secure string `json:"secure,omitempty"`
}

const (
	defaultCookieName = "aff"
	secureAuto        = "auto"
	secureOn          = "on"
)

// cookie is a Cookie made ready.
type cookie struct {
	plain, secure string // the names for http and https
	domain        string // lower case
	attributes    string // what follows Max-Age
	always        bool   // every request counts as https
}

// check says what is wrong with c, which may be nil.
func (c *Cookie) check() error {
	switch {
	case c == nil:
		return nil
	case c.Name != "" && !isCookieName(c.Name) || strings.HasPrefix(c.Name, "__"):
		return fmt.Errorf("cookie name %q: letters, digits, - and _ only; the prefix comes by itself", c.Name)
	case c.Domain != "" && !isHost(c.Domain):
		return fmt.Errorf("cookie domain %q is not the name of a host, like shop.com", c.Domain)
	case c.Domain != "" && c.Domain != "localhost" && !strings.Contains(c.Domain, "."):
		return fmt.Errorf("cookie domain %q: browsers refuse cookies for a whole top-level domain", c.Domain)
	case c.Secure != "" && c.Secure != secureAuto && c.Secure != secureOn:
		return fmt.Errorf("cookie secure %q: the values are %q and %q", c.Secure, secureAuto, secureOn)
	}
	return nil
}

// provision checks c, which may be nil, and makes it ready for a network.
func (c *Cookie) provision(network string) (cookie, error) {
	if err := c.check(); err != nil {
		return cookie{}, err
	}
	var config Cookie
	if c != nil {
		config = *c
	}
	config.Name = cmp.Or(config.Name, cookieNameOf(network))
	ready := cookie{
		plain:      config.Name,
		secure:     "__Host-" + config.Name,
		domain:     strings.ToLower(config.Domain),
		attributes: "; Path=/; HttpOnly; SameSite=Lax",
		always:     config.Secure == secureOn,
	}
	if ready.domain != "" {
		ready.secure = "__Secure-" + config.Name
		ready.attributes += "; Domain=" + ready.domain
	}
	return ready, nil
}

// cookieNameOf is the default name, by which the networks of one host stay apart. What a network's name may hold (see
// tracker.CheckNetwork) a cookie's name may hold too (RFC 6265).
func cookieNameOf(network string) string {
	if network == tracker.DefaultNetwork {
		return defaultCookieName
	}
	return defaultCookieName + "_" + network
}

func isCookieName(s string) bool {
	for _, c := range []byte(s) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return s != ""
}

// sent reports whether r seems to carry a cookie of ours; it only searches the raw header.
func (c *cookie) sent(r *http.Request) bool {
	cookies := r.Header["Cookie"]
	return len(cookies) > 0 && tracker.HasCookie(cookies, c.name(r))
}

// name is the cookie's name for r's scheme.
func (c *cookie) name(r *http.Request) string {
	if c.https(r) {
		return c.secure
	}
	return c.plain
}

// https reports whether the visitor's browser speaks HTTPS.
func (c *cookie) https(r *http.Request) bool {
	if r.TLS != nil || c.always {
		return true
	}
	proto := r.Header["X-Forwarded-Proto"]
	if len(proto) == 0 {
		return false
	}
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if !trusted {
		return false
	}
	first, _, _ := strings.Cut(proto[0], ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}

// covers reports whether a browser that has the cookie from host sends it to other as well.
func (c *cookie) covers(host, other string) bool {
	host, other = hostname(host), hostname(other)
	if c.domain == "" {
		return host == other
	}
	return isWithin(other, c.domain)
}

// isWithin reports whether host, in lower case and without a port, is the domain or below it.
func isWithin(host, domain string) bool {
	host, domain = strings.TrimSuffix(host, "."), strings.ToLower(domain)
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// hostname is host without its port, in lower case.
func hostname(host string) string {
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		host = host[:colon]
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// set adds the cookie to a response.
func (c *cookie) set(header http.Header, value string, age time.Duration, https bool) {
	name, secure := c.plain, ""
	if https {
		name, secure = c.secure, "; Secure"
	}
	seconds := strconv.FormatInt(int64(min(age, tracker.MaxWindow)/time.Second), 10) // 0 deletes it
	header["Set-Cookie"] = append(header["Set-Cookie"], name+"="+value+"; Max-Age="+seconds+c.attributes+secure)
}
