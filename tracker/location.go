package tracker

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// MaxDestination is the size in bytes of a destination.
const MaxDestination = 2048

// HandoffParam is the parameter that hands a session to a host which the cookie does not cover.
const HandoffParam = "aff_click"

// HandoffCounted is the value of HandoffParam that names no session: it says that a redirect of ours has counted the click,
// of a visitor without consent.
const HandoffCounted = "counted"

// SessionMacro in a destination is replaced by the session's id.
const SessionMacro = "{session_id}"

// ClickKeyMacro is SessionMacro as Affelios writes it, so that a landing page of its programmes needs no change.
const ClickKeyMacro = "[ClickKey]"

// ErrDestination is returned for what no visitor may be sent to.
var ErrDestination = errors.New("a destination is an http or https URL with a host, or a path that starts with one /")

// CheckDestination returns ErrDestination unless s may be a link's destination: an absolute http or https URL with a host
// and without userinfo, or a path that starts with exactly one '/'; no control bytes, and no '\' before the query, since
// browsers read it as '/'. An empty one is the path "/".
func CheckDestination(s string) error {
	if len(s) > MaxDestination {
		return fmt.Errorf("%w; this one has %d bytes, at most %d are kept", ErrDestination, len(s), MaxDestination)
	}
	if s == "" {
		return nil
	}
	_, err := checkTarget(s)
	return err
}

// checkTarget returns the host, with its port, of what a visitor may be sent to: the empty string for a path.
func checkTarget(s string) (host string, err error) {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' {
		return "", ErrDestination
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return "", fmt.Errorf("%w; this one holds a control character", ErrDestination)
		}
	}
	beforeQuery := s
	if at := strings.IndexAny(s, "?#"); at >= 0 {
		beforeQuery = s[:at]
	}
	if strings.Contains(beforeQuery, `\`) {
		return "", fmt.Errorf(`%w; this one holds a \`, ErrDestination)
	}
	if s[0] == '/' {
		if strings.HasPrefix(s, "//") {
			return "", ErrDestination
		}
		return "", nil
	}
	scheme, rest, ok := strings.Cut(beforeQuery, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", ErrDestination
	}
	host, _, _ = strings.Cut(rest, "/")
	if !isHost(host) {
		return "", fmt.Errorf("%w; its host is not a name or an address (one outside ASCII is written xn--…)", ErrDestination)
	}
	return host, nil
}

// isHost reports whether s is a name or an address, with or without a port. Userinfo, macros and escapes are none of these.
func isHost(s string) bool {
	name, port, hasPort := s, "", false
	if end := strings.IndexByte(s, ']'); strings.HasPrefix(s, "[") && end > 0 {
		name = s[1:end]
		port, hasPort = strings.CutPrefix(s[end+1:], ":")
		if !hasPort && s[end+1:] != "" || strings.Trim(name, "0123456789abcdefABCDEF:.") != "" {
			return false
		}
	} else {
		name, port, hasPort = strings.Cut(s, ":")
		for i := 0; i < len(name); i++ {
			if !isCodeByte(name[i]) && name[i] != '.' {
				return false
			}
		}
	}
	return strings.Trim(name, ".") != "" && (!hasPort || port != "" && len(port) <= 5 && strings.Trim(port, "0123456789") == "")
}

// Redirect is the answer to a redirect link: where it goes and what goes along.
type Redirect struct {
	Link         *Link
	RawQuery     string    // the visitor's query, forwarded
	Strip        []string  // names of parameters that are not forwarded
	Session      SessionID // zero: none was recorded
	Handoff      bool      // append HandoffParam, if there is a session
	HandoffToken string    // its value, of unreserved characters; empty: the session's id
	DeepLink     string    // name of the parameter that may replace the destination where Link.DeepLinkHosts allows; empty: none
	Again        string    // name of a parameter that is to name the link on the page that it leads to, with HandoffCounted; empty: none
}

// Host is the host, with its port, that Location goes to; the empty string for a path of the asking host and for a
// destination that Location refuses.
func (r Redirect) Host() string {
	target, _, _ := r.target()
	host, _ := checkTarget(target)
	return host
}

// Location returns the redirect's Location: the link's destination (or the deep link that the link allows) with the
// visitor's query merged in front of its fragment. A visitor's parameter never replaces one that the destination names;
// the others keep their bytes, except those outside 0x21–0x7E and '#', which become %XX. The parameters of the link's
// programme take the place of any of the same name, whoever gave it. The result is ASCII. It returns ErrDestination where
// the stored destination is none.
func (r Redirect) Location() (string, error) {
	target, query, deep := r.target()
	host, err := checkTarget(target)
	if err != nil {
		return "", err
	}
	if !deep {
		id := ""
		if !r.Session.IsZero() {
			id = r.Session.String()
		}
		target = strings.ReplaceAll(strings.ReplaceAll(target, SessionMacro, id), ClickKeyMacro, id)
	}
	location, _ := CaptureURL(r.merge(target, query), math.MaxInt)
	if again, err := checkTarget(location); err != nil || again != host {
		return "", ErrDestination
	}
	return location, nil
}

// target is the redirect's target, with the parameters of its programme, before anything of the visitor's is merged, and the
// visitor's query that goes along.
func (r Redirect) target() (target, query string, deep bool) {
	target, query, deep = r.choose()
	return r.Link.Tokens.into(target), query, deep
}

// choose returns the link's destination or the visitor's deep link.
func (r Redirect) choose() (target, query string, deep bool) {
	query = Strip(r.RawQuery, r.Strip)
	if r.DeepLink != "" && len(r.Link.DeepLinkHosts) > 0 {
		asked := firstParam(query, r.DeepLink)
		query = Strip(query, []string{r.DeepLink})
		if len(asked) <= MaxDestination && r.Link.allowsDeepLink(asked) {
			return asked, query, true
		}
	}
	if r.Link.Destination == "" {
		return "/", query, false
	}
	return r.Link.Destination, query, false
}

// allowsDeepLink reports whether target is an http or https URL on exactly one of the link's deep-link hosts.
func (l *Link) allowsDeepLink(target string) bool {
	host, err := checkTarget(target)
	if err != nil || host == "" {
		return false
	}
	for _, allowed := range l.DeepLinkHosts {
		if strings.EqualFold(host, allowed) {
			return true
		}
	}
	return false
}

// firstParam is the decoded value of the first parameter of that name.
func firstParam(rawQuery, name string) string {
	for rawQuery != "" {
		var key, value string
		key, value, rawQuery = cutParam(rawQuery)
		if key == name {
			return unescape(value)
		}
	}
	return ""
}

// merge adds the visitor's query and the handoff to target's, in front of its fragment.
func (r Redirect) merge(target, query string) string {
	target, fragment, hasFragment := strings.Cut(target, "#")
	_, own, hasQuery := strings.Cut(target, "?")
	named := paramNames(own)
	handoff := r.handoff()
	if named[HandoffParam] || r.Again != "" && named[r.Again] {
		handoff = ""
	}
	if handoff != "" { // a visitor's own would stand in for ours
		query = Strip(query, []string{HandoffParam})
		if r.Again != "" {
			query = Strip(query, []string{r.Again})
		}
	}
	separator := "?"
	if hasQuery {
		separator = "&"
	}
	if hasQuery && own == "" {
		separator = ""
	}
	for _, more := range []string{dropNamed(query, named), handoff} {
		if more != "" {
			target += separator + strings.ReplaceAll(more, "#", "%23") // which would start a fragment
			separator = "&"
		}
	}
	if hasFragment {
		target += "#" + fragment
	}
	return target
}

// handoff is what we add ourselves: the parameter that hands the session over, those that name the link again, or the empty
// string.
func (r Redirect) handoff() string {
	switch {
	case r.Again != "":
		return r.Again + "=" + r.Link.Code + "&" + HandoffParam + "=" + HandoffCounted
	case !r.Handoff || r.Session.IsZero():
		return ""
	case r.HandoffToken != "":
		return HandoffParam + "=" + r.HandoffToken
	default:
		return HandoffParam + "=" + r.Session.String()
	}
}

// paramNames is the set of a query's decoded names; nil for an empty query.
func paramNames(rawQuery string) map[string]bool {
	var names map[string]bool
	for rawQuery != "" {
		var name string
		name, _, rawQuery = cutParam(rawQuery)
		if names == nil {
			names = map[string]bool{}
		}
		names[unescape(name)] = true
	}
	return names
}

// dropNamed removes the parameters whose decoded names are in the set.
func dropNamed(rawQuery string, names map[string]bool) string {
	if len(names) == 0 {
		return rawQuery
	}
	kept := make([]string, 0, 8)
	for param := range strings.SplitSeq(rawQuery, "&") {
		name, _, _ := strings.Cut(param, "=")
		if !names[unescape(name)] {
			kept = append(kept, param)
		}
	}
	return strings.Join(kept, "&")
}
