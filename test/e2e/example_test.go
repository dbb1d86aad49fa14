package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// exampleFile is what `make run` runs, on a port of its own and a disk of any speed.
func exampleFile(t *testing.T) string {
	t.Helper()
	root, err := caddy.Root()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, "Caddyfile.example"))
	must(t, err)
	example := string(text)
	for _, change := range [][2]string{
		{"\n:8080 {", "\n:{$HTTP_PORT} {"},
		{"journal ./data/affiliate\n", "journal ./data/affiliate {\n\t\t\tmax_wait 10s\n\t\t}\n"},
	} {
		if !strings.Contains(example, change[0]) {
			t.Fatalf("the example has no %q", change[0])
		}
		example = strings.Replace(example, change[0], change[1], 1)
	}
	return example
}

// What `make run` shows a newcomer: the shop, the click, the next page, and the same from the command line.
func TestExample(t *testing.T) {
	root, err := caddy.Root()
	must(t, err)
	example := exampleFile(t)
	dir := t.TempDir()
	must(t, os.CopyFS(filepath.Join(dir, "demo"), os.DirFS(filepath.Join(root, "demo"))))
	home := t.TempDir() // of Caddy's own: the id that it gives each machine
	p := caddy.Start(t, example, caddy.In(dir), caddy.Env("HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home))

	visitor := newBrowser(t)
	contains(t, visitor.open(p.URL+"/"), "Nobody sent you here")
	contains(t, visitor.open(p.URL+"/basket.html"), "came without a partner’s link")
	contains(t, visitor.open(p.URL+"/?via=demo"), "<b>Demo Partner</b> sent you")
	check.Settle(t, p)
	sessions := check.Sessions(t, p)
	if len(sessions) != 1 {
		t.Fatalf("the ledger has %d sessions, want 1", len(sessions))
	}
	basket := visitor.open(p.URL + "/basket.html")
	contains(t, basket, "Demo Partner")
	contains(t, basket, sessions[0].ID)
	contains(t, basket, sessions[0].VisitorID)
	contains(t, visitor.open(p.URL+"/style.css"), "body {")

	names, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	if got := fmt.Sprint(names); got != fmt.Sprint([]string{filepath.Join(dir, "data"), filepath.Join(dir, "demo")}) {
		t.Errorf("the example wrote beside ./data: %s", got)
	}
	if logs := p.Logs(); strings.Contains(logs, sessions[0].VisitorID) || strings.Contains(logs, url.QueryEscape("via=demo")) {
		t.Error("what Caddy printed says who clicked")
	}
}

func contains(t *testing.T, p page, want string) {
	t.Helper()
	if p.StatusCode != 200 || !strings.Contains(p.body, want) {
		t.Errorf("%s answers %d without %q:\n%s", p.Request.URL, p.StatusCode, want, p.body)
	}
}
