package geniuslink

import (
	"net/http"
	"strings"
)

// format is a form of requests and answers.
type format struct {
	name      string // in a suffix or ?format=
	mediaType string
	encode    func(reply) []byte
}

// The formats of answers. The first is the one where nothing is asked for.
var formats = []format{
	{"json", "application/json", encodeJSON},
	{"xml", "application/xml", encodeXML},
	{"jsv", "application/jsv", encodeJSV},
	{"csv", "text/csv", encodeCSV},
	{"jsonl", "text/jsonl", encodeJSONL},
}

// preferred is how many of the formats ServiceStack looks for in Accept before it looks for */*.
const preferred = 3

// contentType is the field of the answer. ServiceStack names a character set for JSON alone.
func (f format) contentType() string {
	if f.name == "json" {
		return f.mediaType + "; charset=utf-8"
	}
	return f.mediaType
}

func formatNamed(name string) (format, bool) {
	for _, f := range formats {
		if f.name == name {
			return f, true
		}
	}
	return format{}, false
}

// cutSuffix takes the name of a format off a path's end.
func cutSuffix(path string) (string, format, bool) {
	dot := strings.LastIndexByte(path, '.')
	if dot < 0 || strings.Contains(path[dot:], "/") {
		return path, format{}, false
	}
	f, ok := formatNamed(strings.ToLower(path[dot+1:]))
	if !ok {
		return path, format{}, false
	}
	return path[:dot], f, true
}

// negotiate chooses the format of the answer as ServiceStack does: the path's suffix, ?format=, the path's beginning, Accept in its
// own order of preference and without weights, the format of the request. There is always one. A callback is never called: an answer is no
// script.
func negotiate(r *http.Request) format {
	if _, f, ok := cutSuffix(r.URL.Path); ok {
		return f
	}
	name, _, _ := strings.Cut(strings.ToLower(r.URL.Query().Get("format")), ".")
	if f, ok := formatNamed(name); ok {
		return f
	}
	if _, f, ok := predefined(r.URL.Path); ok && f.name != "" {
		return f
	}
	return acceptable(mediaTypes(r.Header.Values("Accept")), mediaType(r.Header.Get("Content-Type")))
}

// acceptable chooses by Accept and the type of the request's body.
func acceptable(accept []string, sent string) format {
	var found []format
	for _, f := range formats[:preferred] {
		if asked, ok := f.among(accept); ok {
			if asked.mediaType == sent {
				return asked
			}
			found = append(found, asked)
		}
	}
	if len(found) > 0 {
		return found[0]
	}
	for _, asked := range accept {
		if asked != "*/*" {
			continue
		}
		for _, f := range formats[:preferred] {
			if same, ok := f.among([]string{sent}); ok {
				return same
			}
		}
		return formats[0]
	}
	for _, f := range formats[preferred:] {
		if asked, ok := f.among(accept); ok {
			return asked
		}
	}
	return formats[0]
}

// jsvAlias is the other name of JSV's type. It is the one in Geniuslink's samples, so who asks for it gets it.
const jsvAlias = "text/jsv"

// among reports whether one of the types begins with the format's, and returns the format with the type that was asked for.
func (f format) among(types []string) (format, bool) {
	for _, t := range types {
		if strings.HasPrefix(t, f.mediaType) {
			return f, true
		}
		if f.name == "jsv" && t == jsvAlias {
			f.mediaType = jsvAlias
			return f, true
		}
	}
	return format{}, false
}

// mediaTypes are the types of a list, without parameters.
func mediaTypes(fields []string) []string {
	var types []string
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			types = append(types, mediaType(one))
		}
	}
	return types
}

func mediaType(field string) string {
	kind, _, _ := strings.Cut(field, ";")
	return strings.ToLower(strings.TrimSpace(kind))
}
