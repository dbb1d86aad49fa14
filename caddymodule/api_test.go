package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// withAPI is a configuration whose site serves the API.
func (s *server) withAPI(options string) []byte {
	affiliate := fmt.Sprintf("affiliate {\n journal %s\n %s\n}", s.journal(), options)
	return s.adaptGlobal(affiliate, fmt.Sprintf("http://127.0.0.1:%d {\n affiliate\n affiliate_api\n respond \"hello\"\n}", s.site))
}

// ask asks the site, as curl does, with a key.
func (s *server) ask(key, method, path, body string) (status int, header http.Header, answer string) {
	s.t.Helper()
	r, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", s.site, path), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return got.StatusCode, got.Header, string(text)
}

// key makes a key by the command line.
func (s *server) key(scopes ...string) string {
	s.t.Helper()
	args := []string{"key", "create", "--address", fmt.Sprintf("127.0.0.1:%d", s.admin)}
	for _, scope := range scopes {
		args = append(args, "--scope", scope)
	}
	out, notes, err := runCommandWith("", args...)
	if err != nil || !strings.Contains(notes, "it is not shown again") || !strings.HasPrefix(out, "aff_") || strings.Count(out, "\n") != 1 {
		s.t.Fatalf("creating a key prints %q and %q: %v", out, notes, err)
	}
	return strings.TrimSpace(out)
}

// TestAPIServesWhoHasAKey goes the way of the README: a key, a link, a click, a sale, the decision.
func TestAPIServesWhoHasAKey(t *testing.T) {
	s := newServer(t)
	s.load(s.withAPI(""))
	key := s.key("*")
	status, _, body := s.ask(key, "POST", "/affiliate/v1/affiliates", `{"name": "Sara"}`)
	if status != http.StatusCreated {
		t.Fatalf("adding an affiliate answers %d %s", status, body)
	}
	if status, _, body = s.ask(key, "POST", "/affiliate/v1/links", `{"code": "sara", "affiliate_id": 1}`); status != http.StatusCreated {
		t.Fatalf("adding a link answers %d %s", status, body)
	}
	token := s.visit("/?via=sara") // live at once
	if token == "" {
		t.Fatal("a click got no token")
	}
	sale := fmt.Sprintf(`{"external_id": "1", "type": "sale", "amount": 9990, "currency": "EUR", "token": %q}`, token)
	status, header, first := s.ask(key, "POST", "/affiliate/v1/conversions", sale)
	if status != http.StatusCreated || header.Get("Content-Type") != "application/json" || !strings.Contains(first, `"affiliate":"Sara"`) {
		t.Fatalf("reporting a sale answers %d %s", status, first)
	}
	status, header, again := s.ask(key, "POST", "/affiliate/v1/conversions", sale)
	if status != http.StatusCreated || again != first || header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("reporting it again answers %d %s", status, again)
	}
	var conversion struct{ ID string }
	if err := json.Unmarshal([]byte(first), &conversion); err != nil {
		t.Fatal(err)
	}
	status, _, body = s.ask(key, "GET", "/affiliate/v1/conversions/"+conversion.ID, "")
	if status != http.StatusOK || !strings.Contains(body, `"outcome":"won"`) {
		t.Errorf("the conversion is %d %s", status, body)
	}
}

func TestAPIKeys(t *testing.T) {
	s := newServer(t)
	s.load(s.withAPI(""))
	reader := s.key("read")
	for name, c := range map[string]struct {
		key, method, path, body string
		status                  int
	}{
		"no key":         {"", "GET", "/affiliate/v1/affiliates", "", 401},
		"a wrong key":    {reader[:len(reader)-1] + "!", "GET", "/affiliate/v1/affiliates", "", 401},
		"its scope":      {reader, "GET", "/affiliate/v1/affiliates", "", 200},
		"another scope":  {reader, "POST", "/affiliate/v1/affiliates", `{"name": "x"}`, 403},
		"no such route":  {reader, "GET", "/affiliate/v1/nothing", "", 404},
		"the document":   {"", "GET", "/affiliate/v1/openapi.json", "", 200},
		"a network":      {reader, "GET", "/affiliate/v1/affiliates?network=other", "", 422},
		"another path":   {"", "GET", "/affiliate/v2/affiliates", "", 200},
		"a longer name":  {"", "GET", "/affiliate/v1x", "", 200},
		"no admin route": {reader, "GET", "/affiliate/links", "", 200},
	} {
		status, header, body := s.ask(c.key, c.method, c.path, c.body)
		if status != c.status {
			t.Errorf("%s: the answer is %d %s, want %d", name, status, body, c.status)
		}
		if problem := header.Get("Content-Type") == "application/problem+json"; problem != (status >= 400) {
			t.Errorf("%s: the answer is %s", name, body)
		}
		if ours := strings.HasPrefix(c.path, "/affiliate/v1/"); ours == (body == "hello") {
			t.Errorf("%s: the answer is %q", name, body)
		}
	}
	list := s.must("key", "list")
	id := reader[len("aff_"):][:12]
	if !strings.Contains(list, id) || strings.Contains(list, reader[17:]) {
		t.Errorf("the keys are\n%s", list)
	}
	if out := s.must("key", "revoke", id); out != "revoked key "+id+"\n" {
		t.Errorf("revoking prints %q", out)
	}
	s.eventually("the revoked key is refused", func() bool {
		status, _, _ := s.ask(reader, "GET", "/affiliate/v1/affiliates", "")
		return status == http.StatusUnauthorized
	})
	if list := s.must("key", "list"); !strings.Contains(list, "revoked") {
		t.Errorf("the keys are\n%s", list)
	}
	if strings.Contains(s.log(), reader[17:]) {
		t.Error("the log shows the key")
	}
}

func TestAPIOutlivesReloads(t *testing.T) {
	s := newServer(t)
	s.load(s.withAPI(""))
	key := s.key("*")
	s.load(s.withAPI("window 7d\n attribution first_click\n organic reject\n secret " + testSecret))
	if status, _, body := s.ask(key, "POST", "/affiliate/v1/links", `{"code": "x", "affiliate_id": 1}`); status != 422 {
		t.Errorf("a link of nobody answers %d %s", status, body)
	}
	s.must("link", "add", "sara")
	token := s.visit("/?via=sara")
	if token == "" {
		t.Fatal("a click got no token")
	}
	// The token is sealed with the new secret, the rule and the organic rule are the new ones.
	sale := fmt.Sprintf(`{"external_id": "1", "type": "sale", "amount": 1, "currency": "EUR", "token": %q}`, token)
	if status, _, body := s.ask(key, "POST", "/affiliate/v1/conversions", sale); status != 201 ||
		!strings.Contains(body, `"outcome":"won"`) || !strings.Contains(body, `"rule":"first_click"`) {
		t.Errorf("a sale answers %d %s", status, body)
	}
	if status, _, body := s.ask(key, "POST", "/affiliate/v1/customers", `{"external_id": "C-1"}`); status != 422 || !strings.Contains(body, "organic") {
		t.Errorf("an organic customer answers %d %s", status, body)
	}
}

func TestAPIWithoutLedger(t *testing.T) {
	s := newServer(t)
	if err := caddy.Load(s.withAPI("secret "+testSecret+"\n redis 127.0.0.1:1\n ledger none"), true); err != nil {
		t.Fatal(err)
	}
	if status, header, body := s.ask("", "GET", "/affiliate/v1/affiliates", ""); status != 503 || header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the API answers %d %s", status, body)
	}
	if _, err := s.command("affiliate", "list"); err == nil || !strings.Contains(err.Error(), "ask a hub") {
		t.Errorf("the command fails with %v", err)
	}
}

func TestAdminServesTheAPIWithoutAKey(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt("network acme", ""))
	for path, network := range map[string]string{"/affiliate/v1/keys": "acme", "/affiliate/v1/keys?network=other": "other"} {
		status, body := s.call("POST", path, `{"name": "shop", "scopes": ["*"]}`)
		if status != http.StatusCreated || !strings.Contains(body, `"network":"`+network+`"`) {
			t.Errorf("%s answers %d %s", path, status, body)
		}
	}
	if status, body := s.get("/affiliate/v1/affiliates?network=a%20b"); status != 400 || !strings.Contains(body, "a network is") {
		t.Errorf("a bad network answers %d %s", status, body)
	}
	if status, body := s.get("/affiliate/v1/nothing"); status != 404 || !strings.Contains(body, `"status":404`) {
		t.Errorf("an unknown route answers %d %s", status, body)
	}
}
