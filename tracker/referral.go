package tracker

import "strings"

// DefaultParams and DefaultPaths are what Rules recognise where they name nothing else.
var (
	DefaultParams = []string{"via", "ref"}
	DefaultPaths  = []string{"/r/"}
)

// The values of Referral.Param for a code that no parameter named.
const (
	ParamPath      = "path"
	ParamSubdomain = "subdomain"
)

// Rules say where a request may name a link's code. They are read by many goroutines and never changed.
type Rules struct {
	Params     []string // parameter names in order of preference, compared as they stand; nil: DefaultParams
	Paths      []string // path prefixes that end with '/'; nil: DefaultPaths
	Subdomains []string // parent domains: "shop.com" recognises LABEL.shop.com
}

// Referral is what a request says about a link.
type Referral struct {
	Link     *Link  // nil: no referral
	Param    string // what named the code: a parameter's name, "path" or "subdomain"
	Redirect bool   // a path or a subdomain named it: the answer is a redirect
	Unknown  int    // codes that were named before it and that no link has
}

func (r *Rules) params() []string {
	if r.Params == nil {
		return DefaultParams
	}
	return r.Params
}

func (r *Rules) paths() []string {
	if r.Paths == nil {
		return DefaultPaths
	}
	return r.Paths
}

// Maybe is the cheap test that almost all requests fail: where it says no, Find finds nothing. It scans, and allocates
// nothing. host may carry a port; path is the decoded path.
func (r *Rules) Maybe(host, path, rawQuery string) bool {
	if rawQuery != "" && hasAnyParam(rawQuery, r.params()) {
		return true
	}
	for _, prefix := range r.paths() {
		if pathCode(path, prefix) != "" {
			return true
		}
	}
	for _, parent := range r.Subdomains {
		if subdomainLabel(host, parent) != "" {
			return true
		}
	}
	return false
}

// Find returns the link that a request names: by its path, else by its host, else by the parameters in their configured
// order, where the first code that is known wins and a code that is not is counted and passed over. Parameter values are
// percent-decoded; of a query, the first MaxParams parameters count. host may carry a port; path is the decoded path.
func (r *Rules) Find(t *LinkTable, network, host, path, rawQuery string) Referral {
	unknown := 0
	for _, prefix := range r.paths() {
		code := pathCode(path, prefix)
		if code == "" {
			continue
		}
		if l := t.Lookup(network, code); l != nil {
			return Referral{Link: l, Param: ParamPath, Redirect: true, Unknown: unknown}
		}
		unknown++
	}
	for _, parent := range r.Subdomains { // a host without a link is an ordinary host, not an unknown code
		if l := t.LookupSubdomain(network, subdomainLabel(host, parent)); l != nil {
			return Referral{Link: l, Param: ParamSubdomain, Redirect: true, Unknown: unknown}
		}
	}
	for _, name := range r.params() {
		l, missed := findParam(t, network, name, rawQuery)
		unknown += missed
		if l != nil {
			return Referral{Link: l, Param: name, Unknown: unknown}
		}
	}
	return Referral{Unknown: unknown}
}

// findParam looks up the values of one parameter in the order of the query.
func findParam(t *LinkTable, network, name, rawQuery string) (l *Link, unknown int) {
	for n := 0; n < MaxParams && rawQuery != ""; n++ {
		var key, value string
		key, value, rawQuery = cutParam(rawQuery)
		if key != name || value == "" {
			continue
		}
		if l := t.Lookup(network, paramCode(value)); l != nil {
			return l, unknown
		}
		unknown++
	}
	return nil, unknown
}

// paramCode is the code in a parameter's value. Programs that append "?utm_source=…" to a link that has a query already
// are common, and no code holds a '?', so the code ends there.
func paramCode(value string) string {
	code, _, _ := strings.Cut(value, "?")
	return unescape(code)
}

// pathCode is the path's segment after prefix, or the empty string.
func pathCode(path, prefix string) string {
	rest, ok := strings.CutPrefix(path, prefix)
	if !ok {
		return ""
	}
	code, _, _ := strings.Cut(rest, "/")
	return code
}

// subdomainLabel is the one label that host has in front of parent, or the empty string.
func subdomainLabel(host, parent string) string {
	name, _, _ := strings.Cut(host, ":") // an IPv6 address has no parent domain, so its colons do no harm
	name = strings.TrimSuffix(name, ".")
	dot := len(name) - len(parent) - 1
	if dot < 1 || parent == "" || name[dot] != '.' || !strings.EqualFold(name[dot+1:], parent) {
		return ""
	}
	if strings.IndexByte(name[:dot], '.') >= 0 {
		return ""
	}
	return name[:dot]
}
