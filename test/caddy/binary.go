// Package caddy runs the real Caddy, built from the checkout, as processes of a test.
package caddy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// Binary returns the path of bin/caddy, built from the checkout as `make build` builds it: at most once in a test
// binary, and one build at a time where several test binaries run together. With CADDY_RACE in the environment it is
// bin/caddy-race, built with the race detector; a process that reports a race fails its test.
func Binary(t testing.TB) string {
	t.Helper()
	binary, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

var buildOnce = sync.OnceValues(build)

func build() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(root, "bin", ".lock"), syscall.LOCK_EX)
	if err != nil {
		return "", fmt.Errorf("locking bin: %w", err)
	}
	defer unlock()
	binary, race, cgo := filepath.Join(root, "bin", "caddy"), "-race=false", "CGO_ENABLED=0"
	if os.Getenv("CADDY_RACE") != "" {
		binary, race, cgo = binary+"-race", "-race", "CGO_ENABLED=1"
	}
	cmd := exec.Command("go", "build", race, "-o", binary, "./cmd/caddy")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building cmd/caddy: %w\n%s", err, out)
	}
	return binary, nil
}

// Root returns the checkout's folder: the nearest one above the working directory that has cmd/caddy.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "caddy", "main.go")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no folder above the working directory has cmd/caddy/main.go")
		}
		dir = parent
	}
}

// lock takes an advisory lock on the file, which it creates, and returns what gives it back.
func lock(file string, how int) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
