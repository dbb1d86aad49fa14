package invoca

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// prefix is what all paths of the dialect begin with.
const prefix = "/api/2018-11-01/"

const (
	collection = "affiliates"
	suffix     = ".json"
)

// target is what a path names.
type target struct {
	network string // of the path; empty where it names none
	id      string // the affiliate's id_from_network, without spaces around it
	one     bool   // whether it names one affiliate, not all
	bare    bool   // whether it lacks the suffix
}

// parsePath reads a path as the client escaped it. The platform's form is /api/2018-11-01/NETWORK/affiliates.json or
// …/affiliates/ID.json; its own samples leave the network out as well. Of an id exactly one suffix is taken away.
func parsePath(escaped string) (t target, ok bool) {
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return target{}, false
		}
		segments[i] = plain
	}
	if len(segments) < 4 || !slices.Equal(segments[:3], strings.Split(strings.TrimSuffix(prefix, "/"), "/")) {
		return target{}, false
	}
	segments = segments[3:]
	last, found := strings.CutSuffix(segments[len(segments)-1], suffix)
	t.bare = !found
	segments[len(segments)-1] = last

	switch n := len(segments); {
	case n == 1 && last == collection:
	case n == 2 && segments[0] == collection:
		t.id, t.one = last, true
	case n == 2 && last == collection:
		t.network = segments[0]
	case n == 3 && segments[1] == collection:
		t.network, t.id, t.one = segments[0], last, true
	default:
		return target{}, false
	}
	t.id = strings.TrimSpace(t.id)
	return t, !t.one || t.id != ""
}

// isID reports whether an affiliate can have that id. One that none can have is not looked for.
func isID(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= tracker.MaxName && !strings.ContainsFunc(s, unicode.IsControl)
}
