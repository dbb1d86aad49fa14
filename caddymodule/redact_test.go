package caddymodule

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestRedactURI(t *testing.T) {
	_, key := tracker.NewKey("default", "", nil, 0, time.Now())
	for uri, want := range map[string]string{
		"/":                             "/",
		"/a?":                           "/a?",
		"/a?b=1&c":                      "/a?b=1&c",
		"/a?oauth_token=s":              "/a?oauth_token=REDACTED",
		"/a?b=1&OAUTH_TOKEN=s&c=2":      "/a?b=1&OAUTH_TOKEN=REDACTED&c=2",
		"/a?apiKey=s&apiSecret=s":       "/a?apiKey=REDACTED&apiSecret=REDACTED",
		"/a?api%4Bey=s":                 "/a?api%4Bey=REDACTED",
		"/a?oauth_token%3Ds":            "/a?REDACTED",
		"/a?b=1;apikey=s":               "/a?b=REDACTED",
		"/a?b;apikey=s":                 "/a?REDACTED",
		"/a?%zz=s":                      "/a?REDACTED",
		"/a?oauth_token=%zz":            "/a?REDACTED",
		"/a?b=" + key + "&c=1":          "/a?b=REDACTED&c=1",
		"/" + key + "/x":                "/REDACTED/x",
		"/a?query={x(APIKey:\"s\"){y}}": "/a?query=REDACTED",
	} {
		if got := redactURI(uri); got != want {
			t.Errorf("%s is logged as %s, want %s", uri, got, want)
		}
	}
}

func TestRedactHeader(t *testing.T) {
	_, key := tracker.NewKey("default", "", nil, 0, time.Now())
	for name, c := range map[string]struct {
		value, want string
	}{
		"X-Api-Key":     {"s", "REDACTED"},
		"X-Api-Secret":  {"s", "REDACTED"},
		"Referer":       {"https://a.example/?oauth_token=s", "https://a.example/?oauth_token=REDACTED"},
		"X-Other":       {"Bearer " + key, "Bearer REDACTED"},
		"Authorization": {"Bearer " + key, "Bearer " + key}, // Caddy's to redact
		"Cookie":        {"a=" + key, "a=" + key},
		"User-Agent":    {"curl/8.5.0", "curl/8.5.0"},
		"Accept":        {"*/*", "*/*"},
	} {
		h := http.Header{name: {c.value}}
		clean, found := redactHeader(h)
		if got := clean.Get(name); got != c.want || found != (c.value != c.want) || h.Get(name) != c.value {
			t.Errorf("%s is logged as %s (%t), want %s", name, got, found, c.want)
		}
	}
}

// FuzzRedactURI: what an API would read as a secret is in no line, wherever in the query it stands.
func FuzzRedactURI(f *testing.F) {
	for _, seed := range []string{"/a?b=1", "/?&&=&", "/a?%zz", "/a?b;c=1", "/a?oauth_token", "/a#b?c", "?apiKey", "/%3Foauth_token"} {
		f.Add(seed, "b=1&")
	}
	const secret = "plant4711"
	f.Fuzz(func(t *testing.T, uri, before string) {
		if strings.Contains(uri+before, "#") || strings.Contains(uri+before, secret) {
			return // no client sends a fragment
		}
		for _, name := range []string{"oauth_token", "OAuth_Token", "apiKey", "apisecret", "api%4bey"} {
			whole := uri + "?" + before + "&" + name + "=" + secret
			if got := redactURI(whole); strings.Contains(got, secret) {
				t.Errorf("%q is logged as %q", whole, got)
			}
		}
	})
}
