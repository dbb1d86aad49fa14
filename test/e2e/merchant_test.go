package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// shop is a site whose node serves the API as well.
const shop = `:{$HTTP_PORT} {
	affiliate
	affiliate_api
	header ` + load.SessionHeader + ` {affiliate.session_id}
	respond "hello from {affiliate.affiliate}"
}
`

// merchant talks to the API of a node as curl does, with a key.
type merchant struct {
	t   testing.TB
	url string // of the site
	key string
}

// newMerchant makes a key by the command line, with these scopes.
func newMerchant(t *testing.T, p *caddy.Process, scopes ...string) merchant {
	t.Helper()
	args := []string{"affiliate", "key", "create"}
	for _, scope := range scopes {
		args = append(args, "--scope", scope)
	}
	out, errs, status := p.CLI(args...)
	if status != 0 || !strings.HasPrefix(out, "aff_") || strings.Count(out, "\n") != 1 {
		t.Fatalf("caddy %s exits with %d and prints %q: %s", strings.Join(args, " "), status, out, errs)
	}
	return merchant{t, p.URL, strings.TrimSpace(out)}
}

// id is the key's public part.
func (m merchant) id() string { return m.key[len("aff_"):][:12] }

// at is the same merchant at another node.
func (m merchant) at(p *caddy.Process) merchant { return merchant{m.t, p.URL, m.key} }

// reply is what the API answered.
type reply struct {
	*http.Response
	t    testing.TB
	body string
}

// ask sends a request of the API; path begins behind /affiliate/v1/.
func (m merchant) ask(method, path, body string) reply {
	m.t.Helper()
	r, err := http.NewRequest(method, m.url+"/affiliate/v1/"+path, strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	if m.key != "" {
		r.Header.Set("Authorization", "Bearer "+m.key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatalf("%s %s answers %d and breaks off: %v", method, path, resp.StatusCode, err)
	}
	return reply{resp, m.t, string(text)}
}

// do is ask where the answer has to have that status.
func (m merchant) do(status int, method, path, body string) reply {
	m.t.Helper()
	r := m.ask(method, path, body)
	if r.StatusCode != status {
		m.t.Fatalf("%s %s %s\nanswers %d, want %d: %s", method, path, body, r.StatusCode, status, r.body)
	}
	return r
}

// refused sends a request that has to be answered with that status and a problem of that name.
func (m merchant) refused(status int, name, method, path, body string) {
	m.t.Helper()
	r := m.ask(method, path, body)
	if r.StatusCode != status || r.Header.Get("Content-Type") != "application/problem+json" ||
		!strings.Contains(r.body, `"urn:caddy-affiliate:problem:`+name+`"`) {
		m.t.Errorf("%s %s %s\nanswers %d %s, want %d and the problem %s", method, path, body, r.StatusCode, r.body, status, name)
	}
}

// into reads the answer.
func (r reply) into(v any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		r.t.Fatalf("%v in %s", err, r.body)
	}
}

// number is the numeric id of what the answer shows.
func (r reply) number() int64 {
	r.t.Helper()
	var object struct{ ID int64 }
	r.into(&object)
	return object.ID
}
