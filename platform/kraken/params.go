package kraken

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// captureParams takes out of queryParams what a session has a place for: the path, and a query of the parameters that stand in
// the route and in additionalQueryParams. Kraken says nothing of what queryParams may hold, so what is of another kind than in
// its samples is left alone.
func captureParams(params string) (route, query string) {
	var given struct {
		Route      json.RawMessage `json:"route"`
		Additional json.RawMessage `json:"additionalQueryParams"`
	}
	if json.Unmarshal([]byte(params), &given) != nil {
		return "", ""
	}
	json.Unmarshal(given.Route, &route) // empty where it is no string
	route, _, _ = strings.Cut(route, "#")
	route, query, _ = strings.Cut(route, "?")
	query = strings.Trim(query+"&"+parameters(given.Additional), "&")
	route, _ = tracker.CaptureURL(route, tracker.MaxRoute)
	query, _ = tracker.CaptureURL(query, tracker.MaxQuery)
	return route, query
}

// parameters is the query that a JSON value stands for: a string is one, and the members of an object are its parameters, in
// their order.
func parameters(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return strings.TrimPrefix(text, "?")
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	var query []string
	for decoder.More() {
		var member json.RawMessage
		name, err := decoder.Token()
		if err != nil || decoder.Decode(&member) != nil {
			return ""
		}
		if value, ok := scalarText(member); ok {
			query = append(query, url.QueryEscape(name.(string))+"="+url.QueryEscape(value))
		}
	}
	return strings.Join(query, "&")
}

// scalarText is what a string, a number or a truth is in a URL.
func scalarText(value json.RawMessage) (string, bool) {
	switch value[0] {
	case '"':
		var text string
		err := json.Unmarshal(value, &text)
		return text, err == nil
	case '{', '[', 'n':
		return "", false
	}
	return string(value), true
}
