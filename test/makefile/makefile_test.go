// Package makefile holds the test of what a newcomer sees of the Makefile first.
package makefile

import (
	"net"
	"os"
	"os/exec"
	"slices"
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
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") }) // of a make around it
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
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_, notes, status := runMake(t, "ports", "PORTS="+port)
	line, rest, _ := strings.Cut(notes, "\n")
	if status == 0 || !strings.HasPrefix(line, "Port "+port+" is taken: stop the program that listens there") {
		t.Errorf("make ports exits with %d and says %q", status, notes)
	}
	if rest = strings.TrimSpace(rest); strings.Contains(rest, "\n") || rest != "" && !strings.HasPrefix(rest, "make: ***") {
		t.Errorf("and goes on: %q", rest)
	}
}
