package caddy

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

const greeting = ":{$HTTP_PORT} {\n\trespond \"hello\"\n}\n"

// A process answers, is reloaded, killed, restarted on its ports and ended, and is asked through its own admin API.
func TestProcess(t *testing.T) {
	p := Start(t, greeting)
	if got := get(t, p.URL); got != "hello" {
		t.Errorf("answers %q", got)
	}
	if err := p.Reload(strings.Replace(greeting, "hello", "good day", 1)); err != nil {
		t.Fatal(err)
	}
	if got := get(t, p.URL); got != "good day" {
		t.Errorf("answers %q after a reload", got)
	}
	if err := p.Reload("nonsense {"); err == nil {
		t.Error("takes a Caddyfile that is none")
	}
	p.Kill()
	if _, err := http.Get(p.URL); err == nil {
		t.Error("answers though it was killed")
	}
	p.Restart()
	if out, errs, status := p.CLI("version"); status != 0 || !strings.HasPrefix(out, "v") {
		t.Errorf("version exits with %d: %s%s", status, out, errs)
	}
	if _, errs, status := p.CLI("reload", "--config", "missing"); status == 0 || errs == "" {
		t.Error("a command that fails is said to succeed")
	}
	if m := p.Metrics(); m["go_goroutines"] < 1 || p.Descriptors() < 1 {
		t.Errorf("has %g goroutines and %d descriptors", m["go_goroutines"], p.Descriptors())
	}
	p.Term()
}

// What a process refuses to start with is told.
func TestRefused(t *testing.T) {
	p := New(t, ":{$HTTP_PORT} {\n\tno_such_directive\n}\n")
	if err := p.TryRestart(); err == nil || !strings.Contains(err.Error(), "no_such_directive") {
		t.Errorf("a wrong Caddyfile gives %v", err)
	}
}

// Two processes keep out of each other's way.
func TestTwoProcesses(t *testing.T) {
	a, b := Start(t, greeting), Start(t, strings.Replace(greeting, "hello", "other", 1))
	if get(t, a.URL) != "hello" || get(t, b.URL) != "other" || a.Dir == b.Dir {
		t.Errorf("%s and %s are not told apart", a.URL, b.URL)
	}
	for _, p := range []*Process{a, b} {
		if home, err := os.ReadDir(p.Dir); err != nil || len(home) == 0 {
			t.Errorf("%s has nothing of its process: %v", p.Dir, err)
		}
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
