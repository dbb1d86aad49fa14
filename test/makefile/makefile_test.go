// Package makefile holds the test of what a newcomer sees of the Makefile first.
package makefile

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// runMake runs make with those targets and returns what it prints, and its exit status.
func runMake(t *testing.T, targets ...string) (output, errors string, status int) {
	t.Helper()
	root, err := caddy.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", append([]string{"--no-print-directory"}, targets...)...)
	cmd.Dir = root
	var out, notes strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &notes
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), notes.String(), cmd.ProcessState.ExitCode()
}

func TestHelpNamesEachTarget(t *testing.T) {
	out, _, status := runMake(t)
	if status != 0 {
		t.Fatalf("make exits with %d: %s", status, out)
	}
	for _, target := range []string{"help", "build", "run", "test", "bench", "chaos"} {
		if !strings.Contains("\n"+out, "\n"+target+" ") {
			t.Errorf("make says nothing of %s:\n%s", target, out)
		}
	}
}

// Whoever has something on the demo's port is told so in one line, before anything is built.
func TestTakenPortIsSaidInOneLine(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:2019")
	if err == nil { // else another program has it, which is as good
		defer listener.Close()
	}
	_, notes, status := runMake(t, "ports")
	line, rest, _ := strings.Cut(notes, "\n")
	if status == 0 || !strings.HasPrefix(line, "Port ") || !strings.Contains(line, " is taken: stop the program that listens there") {
		t.Errorf("make ports exits with %d and says %q", status, notes)
	}
	if rest = strings.TrimSpace(rest); strings.Contains(rest, "\n") || rest != "" && !strings.HasPrefix(rest, "make: ***") {
		t.Errorf("and goes on: %q", rest)
	}
}
