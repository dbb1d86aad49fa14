package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/api"
)

func TestCommandLinks(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt("", ""))
	for _, c := range []struct{ args, want string }{
		{"link add summer --affiliate Sara --to https://example.com/sale --subdomain sara", "added link summer of Sara in network default\n"},
		{"link add plain", "added link plain of plain in network default\n"},
		{"link disable PLAIN", "disabled link plain of plain in network default\n"},
		{"link add plain --network acme", "added link plain of plain in network acme\n"},
		{"link add past --expires 2020-01-31 --network acme", "added link past of past in network acme\n"},
	} {
		if out, err := s.command(strings.Fields(c.args)...); err != nil || out != c.want {
			t.Errorf("%s prints %q, %v; want %q", c.args, out, err, c.want)
		}
	}
	out, err := s.command("link", "list")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 5 {
		t.Fatalf("the list is\n%s", out)
	}
	if want := "ID CODE AFFILIATE DESTINATION SUBDOMAIN STATE SOURCE NETWORK"; strings.Join(strings.Fields(lines[0]), " ") != want {
		t.Errorf("the head is %q", lines[0])
	}
	for _, want := range []string{"summer Sara https://example.com/sale sara active api default", "plain plain - - disabled api default", "plain plain - - active api acme",
		"past past - - expired api acme"} {
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasSuffix(strings.Join(strings.Fields(line), " "), " "+want) }) {
			t.Errorf("the list lacks %q:\n%s", want, out)
		}
	}
	if out, err = s.command("link", "list", "--json", "--network", "acme"); err != nil {
		t.Fatal(err)
	}
	var links []linkJSON
	if err := json.Unmarshal([]byte(out), &links); err != nil || len(links) != 2 || links[0].Network != "acme" || !links[0].Active ||
		links[0].Live || links[0].ExpiresAt != "2020-01-31T00:00:00.000Z" || !links[1].Live {
		t.Errorf("the JSON list is %s, %v", out, err)
	}
	if out, err = s.command("link", "enable", "plain", "--json"); err != nil {
		t.Fatal(err)
	}
	var link linkJSON
	if err := json.Unmarshal([]byte(out), &link); err != nil || !link.Active || link.Code != "plain" {
		t.Errorf("the JSON link is %s, %v", out, err)
	}
}

// contains reports whether a line has those words, however they are aligned.
func contains(lines []string, words string) bool {
	for _, line := range lines {
		if strings.Join(strings.Fields(line), " ") == words {
			return true
		}
	}
	return false
}

func TestCommandSessionsAuditHealth(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	s.visit("/one?via=demo")
	s.sessions(1)
	s.visit("/two?via=demo")
	s.sessions(2)
	out, err := s.command("session", "list", "--limit", "1")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], " /two ") || !strings.Contains(lines[1], "Demo Partner") || !strings.Contains(lines[1], "human") {
		t.Errorf("the list is\n%s", out)
	}
	if out, err = s.command("session", "list", "--json"); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 2 {
		t.Fatalf("the JSON list is %s, %v", out, err)
	}
	for _, key := range []string{"id", "network", "link_id", "code", "affiliate", "visitor_id", "time", "ip", "user_agent", "browser", "os", "device",
		"query", "sub_ids", "click_ids", "host", "route", "referrer", "param", "class"} {
		if _, ok := rows[0][key]; !ok {
			t.Errorf("a session lacks %s", key)
		}
	}
	if out, err = s.command("audit"); err != nil || !strings.Contains(out, "balanced: yes\n") {
		t.Errorf("the audit prints %q, %v", out, err)
	}
	if out, err = s.command("audit", "--json"); err != nil || !strings.HasPrefix(out, `{"balanced":true,"origins":[{`) {
		t.Errorf("the JSON audit prints %q, %v", out, err)
	}
	if out, err = s.command("audit", "--recount"); err != nil || !strings.HasSuffix(out, "wrong sums: 0\nbalanced: yes\n") {
		t.Errorf("the audit with a recount prints %q, %v", out, err)
	}
	if out, err = s.command("health"); err != nil || !strings.Contains(out, "status: ok, 1 links\n") {
		t.Errorf("health prints %q, %v", out, err)
	}
}

func TestCommandErrors(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	for _, c := range []struct{ args, want string }{
		{"link add demo", `link "demo" in network "default": its code or subdomain exists already`},
		{"link add bad/code", "a code is 1 to 64 of A-Z a-z 0-9 _ -"},
		{"link add ok --to javascript:alert(1)", "a destination is an http or https URL with a host, or a path that starts with one /"},
		{"link disable nobody", `link "nobody" in network "default": not found`},
		{"link disable a/b", "a code is 1 to 64 of A-Z a-z 0-9 _ -"},
		{"link add", "give one CODE: caddy affiliate link add CODE [flags]"},
		{"link frobnicate", `unknown command "frobnicate" for "caddy affiliate link"`},
		{"frobnicate", `unknown command "frobnicate" for "caddy affiliate"`},
		{"session list --limit -1", `--limit takes a whole number from 0, not "-1"`},
		{"session list --limit abc", `--limit takes a whole number from 0, not "abc"`},
	} {
		out, err := s.command(strings.Fields(c.args)...)
		if err == nil || err.Error() != c.want || out != "" {
			t.Errorf("%s prints %q and fails with %v; want %q", c.args, out, err, c.want)
		}
	}
}

func TestCommandWithoutCaddy(t *testing.T) {
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	_, err := runCommand("audit", "--address", address)
	if err == nil || !strings.HasPrefix(err.Error(), "no Caddy answers at "+address) || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %v", err)
	}
}

// answering is an admin endpoint that answers every request alike.
func answering(t *testing.T, status int, body string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestCommandJudgesAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		args   string
		status int
		body   string
		want   string
	}{
		"unbalanced":      {"audit", 200, `{"balanced":false,"origins":[{"origin":"o","issued":2,"applied":1}]}`, "the books do not balance"},
		"unbalanced JSON": {"audit --json", 200, `{"balanced":false,"origins":[]}`, "the books do not balance"},
		"no plugin":       {"audit", 404, "404 page not found\n", "does not have the affiliate plugin"},
		"starting":        {"health", 503, `{"status":"starting"}`, "the affiliate engine is starting"},
		"broken list":     {"session list", 200, `[{"id":"a"},`, "reading the answer: "},
		"cut list":        {"session list --json", 200, `[{"id":"a"}`, "reading the answer: "},
		"nonsense":        {"audit", 200, "<html>", "reading the answer: "},
		"other status":    {"audit", 502, "<html>", "answers with status 502"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := runCommand(append(strings.Fields(c.args), "--address", answering(t, c.status, c.body))...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

// TestTerminalIsSafe sends bytes that a visitor chose through both forms of the list.
func TestTerminalIsSafe(t *testing.T) {
	evil := "\x1b[2J\u009b31m\u202e\x7f\r\nrow"
	var row bytes.Buffer
	row.WriteByte('[')
	if err := writeRow(&row, api.Session{ID: "an-id", Route: evil, Browser: evil, Affiliate: "ذكرى"}); err != nil {
		t.Fatal(err)
	}
	row.WriteByte(']')
	address := answering(t, 200, row.String())
	for _, args := range [][]string{{"session", "list"}, {"session", "list", "--json"}} {
		out, err := runCommand(append(args, "--address", address)...)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && (r < 0x20 || r >= 0x7f && r <= 0x9f) }); i >= 0 {
			t.Errorf("%v prints the control character %q", args, out[i:])
		}
		if !strings.Contains(out, "an-id") || !strings.Contains(out, "ذكرى") {
			t.Errorf("%v prints %q", args, out)
		}
	}
	if out, _ := runCommand("session", "list", "--address", address); strings.Contains(out, "\u202e") || strings.Count(out, "\n") != 2 {
		t.Errorf("the table is %q", out)
	}
	var back []api.Session
	if err := json.Unmarshal(row.Bytes(), &back); err != nil || back[0].Route != evil {
		t.Errorf("the JSON does not say what was captured: %q, %v", row.String(), err)
	}
}

func FuzzRow(f *testing.F) {
	f.Add("plain", "é")
	f.Add("\x1b[2J\u009b\x7f", "\u202e\u2028")
	f.Add("\xc2", "\xc2\x80\\")
	f.Fuzz(func(t *testing.T, route, agent string) {
		var row bytes.Buffer
		if err := writeRow(&row, api.Session{Route: route, UserAgent: agent}); err != nil {
			t.Fatal(err)
		}
		for _, r := range row.String() {
			if r < 0x20 && r != '\n' || r >= 0x7f && r <= 0x9f {
				t.Fatalf("a control character in %q", row.String())
			}
		}
		var back api.Session
		if err := json.Unmarshal(row.Bytes(), &back); err != nil {
			t.Fatalf("%v in %q", err, row.String())
		}
		if want := strings.ToValidUTF8(route, "\uFFFD"); strings.ToValidUTF8(route, "") == route && back.Route != want {
			t.Fatalf("%q came back as %q", route, back.Route)
		}
	})
}
