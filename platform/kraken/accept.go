package kraken

import (
	"mime"
	"strconv"
	"strings"
)

// The media types of responses (GraphQL over HTTP, "Body"). Clients of before that specification take the second.
const (
	mediaGraphQL = "application/graphql-response+json"
	mediaJSON    = "application/json"
)

// accepted returns the media type of the response. Who accepts everything, or says nothing, gets what Kraken's own clients
// know. ok is false where neither is accepted.
func accepted(header []string) (media string, ok bool) {
	if strings.TrimSpace(strings.Join(header, "")) == "" {
		return mediaJSON, true
	}
	graphQL, named := quality(header, mediaGraphQL)
	plain, _ := quality(header, mediaJSON)
	switch {
	case graphQL > 0 && (named && graphQL >= plain || plain == 0):
		return mediaGraphQL, true
	case plain > 0:
		return mediaJSON, true
	}
	return "", false
}

// quality is how welcome the media type is: the q of the range that fits it best (RFC 9110, 12.5.1). named says that it is its
// own name.
func quality(header []string, media string) (q float64, named bool) {
	best := 0
	for part := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		fit := map[string]int{"*/*": 1, "application/*": 2, media: 3}[name]
		if fit == 0 || fit < best {
			continue
		}
		best, q = fit, 1
		if given, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(given, 64); err != nil || q != q {
				q = 0
			}
		}
	}
	return q, best == 3
}
