package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

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
		{"link add past --expires 2020-01-31 --network acme", "added link past of past in network acme; it is not live: it has expired\n"},
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

// TestCommandLinksThatAreNotLive suspends the affiliate of a link: nobody has disabled it, and to enable it does not help.
func TestCommandLinksThatAreNotLive(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt("", ""))
	s.must("link", "add", "sara")
	s.must("affiliate", "set", "1", "--status", "suspended")
	if out := s.must("link", "list"); !strings.Contains(out, " inactive ") {
		t.Errorf("the list is\n%s", out)
	}
	if out := s.must("link", "enable", "sara"); !strings.Contains(out, "it is not live: its affiliate is not approved") {
		t.Errorf("to enable it prints %q", out)
	}
	if links := object[[]linkJSON](s, "link", "list"); len(links) != 1 || !links[0].Enabled || links[0].Active {
		t.Errorf("the JSON list is %+v", links)
	}
	if out := s.must("link", "disable", "sara"); out != "disabled link sara of sara in network default\n" {
		t.Errorf("to disable it prints %q", out)
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
	out, notes, err := runCommandWith("", "session", "list", "--limit", "1", "--address", fmt.Sprintf("127.0.0.1:%d", s.admin))
	if err != nil {
		t.Fatal(err)
	}
	if notes != "there are more than these 1: --limit 0 shows all\n" {
		t.Errorf("one of two is listed with the note %q", notes)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || !strings.Contains(lines[1], " /two ") || !strings.Contains(lines[1], "Demo Partner") || !strings.Contains(lines[1], "human") {
		t.Errorf("the list is\n%s", out)
	}
	for limit, want := range map[string]int{"0": 2, "1": 1, "2": 2, "20": 2, fmt.Sprint(math.MaxInt): 2} {
		out, notes, err := runCommandWith("", "session", "list", "--json", "--limit", limit, "--address", fmt.Sprintf("127.0.0.1:%d", s.admin))
		var rows []map[string]any
		if err != nil || json.Unmarshal([]byte(out), &rows) != nil || len(rows) != want || (notes != "") != (want < 2) {
			t.Errorf("the JSON list of at most %s is %s with the note %q, %v", limit, out, notes, err)
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
	if out, err = s.command("health"); err != nil || !strings.Contains(out, "status: ok, 1 link\n") {
		t.Errorf("health prints %q, %v", out, err)
	}
}

// TestCommandSessionKeys judges each key of a session: no other is there, and each says what the visitor sent.
func TestCommandSessionKeys(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	before := time.Now().Truncate(time.Millisecond)
	token := s.visit("/land%20ing?via=demo&sub1=first&sub3=b%20c&gclid=G-1&x=1;2", func(r *http.Request) {
		r.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0")
		r.Header.Set("Referer", "https://blog.test/post?a=b")
	})
	s.sessions(1)
	out, err := s.command("session", "list", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != 1 {
		t.Fatalf("the JSON list is %s, %v", out, err)
	}
	opened, err := running().app.Load().sealer().Open("default", token)
	if err != nil {
		t.Fatal(err)
	}
	row := rows[0]
	clicked, err := time.Parse(time.RFC3339, fmt.Sprint(row["time"]))
	if err != nil || clicked.Before(before) || clicked.After(time.Now()) || !clicked.Equal(opened.Last.Time) {
		t.Errorf("time is %v, between %s and now, by the token %s", row["time"], before, opened.Last.Time)
	}
	delete(row, "time")
	want := map[string]any{
		"id": opened.Last.Session.String(), "visitor_id": opened.Visitor.String(), "network": "default",
		"link_id": 1.0, "code": "demo", "affiliate": "Demo Partner", "class": "human", "param": "via",
		"ip": "127.0.0.1", "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"browser": "Firefox 140", "os": "Windows 10", "device": "Other", "no_share": false, "reconstructed": false,
		"host": fmt.Sprintf("127.0.0.1:%d", s.site), "route": "/land%20ing", "referrer": "https://blog.test/post?a=b",
		"query":   "via=demo&sub1=first&sub3=b%20c&gclid=G-1&x=1;2",
		"sub_ids": map[string]any{"sub1": "first", "sub3": "b c"}, "click_ids": map[string]any{"gclid": "G-1"},
	}
	for key := range want {
		if _, there := row[key]; !there {
			t.Errorf("%s is missing", key)
		}
	}
	for key, value := range row {
		if !reflect.DeepEqual(value, want[key]) {
			t.Errorf("%s is %#v, want %#v", key, value, want[key])
		}
	}
}

// The admin endpoint may come from the configuration that Caddy runs with, as for Caddy's own commands.
func TestCommandWithAConfiguration(t *testing.T) {
	s := newServer(t)
	config := s.adapt(demoLink, "")
	s.load(config)
	asJSON, asCaddyfile := filepath.Join(s.dir, "caddy.json"), filepath.Join(s.dir, "Caddyfile")
	for file, text := range map[string][]byte{
		asJSON: config, asCaddyfile: fmt.Appendf(nil, "{\n\tadmin 127.0.0.1:%d\n}\n", s.admin),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"--config", asJSON}, {"-c", asCaddyfile}, {"--config", asCaddyfile, "--adapter", "caddyfile"}, {"-c", asCaddyfile, "-a", "caddyfile"},
	} {
		out, err := runCommand(append([]string{"link", "list"}, args...)...)
		if err != nil || !strings.Contains(out, "Demo Partner") {
			t.Errorf("%q prints %q, %v", args, out, err)
		}
	}
	for args, want := range map[string]string{
		asCaddyfile + " --adapter nonsense": "finding the admin endpoint", filepath.Join(s.dir, "nowhere"): "finding the admin endpoint",
	} {
		if _, err := runCommand(strings.Fields("link list --config " + args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--config %s: the error is %v", args, err)
		}
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
		{"audit --network nope", "audit and health are of all networks; leave --network out"},
		{"health --network default", "audit and health are of all networks; leave --network out"},
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
	if err == nil || !strings.HasPrefix(err.Error(), "no Caddy answers at "+address+" (is it running, and without `admin off`?") || strings.Contains(err.Error(), "\n") {
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

// TestCommandHealthWhileStarting shows which part is not there yet, and fails all the same.
func TestCommandHealthWhileStarting(t *testing.T) {
	body := `{"status":"starting","journal":{"status":"starting","detail":"held"},"relay":{"status":"off"},"links":1}`
	address := answering(t, 503, body)
	out, err := runCommand("health", "--address", address)
	if err == nil || !strings.Contains(out, "held") || !strings.Contains(out, "status: starting, 1 link\n") {
		t.Errorf("health prints %q, %v", out, err)
	}
	if out, err = runCommand("health", "--json", "--address", address); err == nil || strings.TrimSpace(out) != body {
		t.Errorf("the JSON health is %q, %v", out, err)
	}
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
