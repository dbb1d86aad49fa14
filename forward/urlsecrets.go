package forward

import (
	"net/url"
	"strings"
)

const (
	secretSegment = 16 // letters of a path's segment that may be a token; shorter ones are names
	secretValue   = 4  // likewise of a query's value
)

// URLSecrets are the parts of an endpoint's URL that may be secrets, since many endpoints know their callers by nothing else: long
// segments of its path, and the values of its query, each as it is written and as it is meant.
func URLSecrets(u *url.URL) []string {
	var found []string
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		if meant, err := url.PathUnescape(segment); err == nil && len(segment) >= secretSegment {
			found = append(found, segment, meant)
		}
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		if meant, err := url.QueryUnescape(value); err == nil && len(value) >= secretValue {
			found = append(found, value, meant)
		}
	}
	return found
}
