package caddymodule

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// told returns the lines of the log that say what a configuration works with.
func (s *server) told() (lines []map[string]any) {
	s.t.Helper()
	for line := range strings.Lines(s.log()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			s.t.Fatalf("%v in %s", err, line)
		}
		if fields["msg"] == "affiliate configuration in force" {
			lines = append(lines, fields)
		}
	}
	return lines
}

func TestStartTellsWhatIsUsed(t *testing.T) {
	s := newServer(t)
	s.load(s.adapt(demoLink, ""))
	s.load(s.adapt(demoLink, "")) // the same
	lines := s.told()
	if len(lines) != 1 {
		t.Fatalf("two loads of one configuration log %v", lines)
	}
	for field, want := range map[string]any{
		"level": "info", "network": "default", "journal": s.journal(), "ledger": "sqlite " + filepath.Join(s.journal(), "ledger.db"),
		"relay": "off", "configured_links": 1.0,
	} {
		if lines[0][field] != want {
			t.Errorf("%s is %v, want %v", field, lines[0][field], want)
		}
	}
	s.load(s.adapt("network acme", ""))
	if lines = s.told(); len(lines) != 2 || lines[1]["network"] != "acme" || lines[1]["configured_links"] != 0.0 {
		t.Errorf("a changed configuration logs %v", lines)
	}
}

// TestLogShowsNoLogin has passwords wherever a configuration may name one, and servers that do not answer.
func TestLogShowsNoLogin(t *testing.T) {
	s := newServer(t)
	t.Setenv("TEST_REDIS", "redis://edge:redis-passw0rd@127.0.0.1:1/0")
	for _, options := range []string{
		"ledger postgres postgres://books:pg-passw0rd@127.0.0.1:1/shop?sslmode=disable&connect_timeout=1\n redis redis://edge:redis-passw0rd@127.0.0.1:1/0",
		`ledger postgres "host=127.0.0.1 port=1 user=books password=pg-passw0rd dbname=shop sslmode=disable"` + "\n redis {env.TEST_REDIS}",
	} {
		if err := caddy.Load(s.adapt("secret "+testSecret+"\n "+options, ""), true); err != nil {
			t.Fatal(err)
		}
	}
	lines := s.told()
	if len(lines) != 1 || lines[0]["ledger"] != "postgres 127.0.0.1/shop" || lines[0]["relay"] != "redis 127.0.0.1" {
		t.Errorf("logged is %v", lines)
	}
	for _, secret := range []string{"passw0rd", "connect_timeout", testSecret} {
		if strings.Contains(s.log(), secret) {
			t.Errorf("the log shows %s:\n%s", secret, s.log())
		}
	}
	s.load(s.adaptGlobal("", "")) // nothing is left that waits for servers
}
