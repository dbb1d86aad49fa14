package forward

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"
)

// What an endpoint sends back of a secret is kept nowhere, however it writes it.
func TestKeepBlanksSecrets(t *testing.T) {
	const secret = `sk_live/"<é>&=+ %x`
	quoted, _ := json.Marshal(map[string]string{"got": secret})
	for name, body := range map[string]string{
		"plain": "Authorization: " + secret, "json": string(quoted), "php": strings.ReplaceAll(string(quoted), "/", `\/`),
		"query": "?key=" + url.QueryEscape(secret), "path": "/keys/" + url.PathEscape(secret),
		"a request in HTML": html.EscapeString(string(quoted)), "a request in JSON": inJSON(string(quoted)),
		"without \\u003c": strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(quoted)),
		"late":            strings.Repeat("x", keptAnswer-4) + secret, "twice": secret + secret,
	} {
		kept := string(Keep(&Response{Status: 200, Body: []byte(body)}, "", secret).Body)
		if strings.Contains(kept, "sk_live") || len(kept) > keptAnswer {
			t.Errorf("%s: kept is %q", name, kept)
		}
		if name != "late" && !strings.Contains(kept, blanked) {
			t.Errorf("%s: nothing says that something is missing: %q", name, kept)
		}
	}
	if kept := Keep(nil, secret); kept.Status != 0 || kept.Body != nil {
		t.Errorf("of no answer is kept %+v", kept)
	}
}

func TestParseEndpoint(t *testing.T) {
	if u, err := ParseEndpoint("https://api.example.com/v1/"); err != nil || u.String() != "https://api.example.com/v1" {
		t.Errorf("%v, %v", u, err)
	}
	for _, text := range []string{
		"", "api.example.com", "ftp://api.example.com", "https://", "https://me:secret@api.example.com", "https://api.example.com?key=secret",
		"https://api.example.com#secret", "https://api.example.com/\x7fsecret",
	} {
		if u, err := ParseEndpoint(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q is %v, %v", text, u, err)
		}
	}
}
