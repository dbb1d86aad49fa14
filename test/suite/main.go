// Command suite runs everything that has to hold, heading by heading, and ends with the count:
//
//	go run ./suite            # what `make test` runs
//	go run ./suite -chaos     # the long form of the fault tests, and each fuzz target for a while
//
// All steps run whatever becomes of those before them. A skipped test is a failure: it proves nothing.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// step is one heading and what runs under it.
type step struct {
	heading string
	run     func(*tally) error
}

func main() {
	chaos := flag.Bool("chaos", false, "run the long form")
	flag.Parse()

	steps := short()
	if *chaos {
		steps = long()
	}
	began := time.Now()
	all := &tally{}
	var failed []string
	for _, s := range steps {
		fmt.Printf("\n== %s\n", s.heading)
		at := time.Now()
		if err := s.run(all); err != nil {
			fmt.Printf("FAILED: %v\n", err)
			failed = append(failed, s.heading)
		}
		fmt.Printf("   %s\n", time.Since(at).Round(time.Second))
	}
	for _, c := range all.complaints {
		fmt.Printf("\nFAILED: %s\n", c)
	}
	fmt.Printf("\n%s in %s\n", all, time.Since(began).Round(time.Second))
	if len(failed) > 0 {
		fmt.Printf("FAILED: %s\n", strings.Join(failed, "; "))
		os.Exit(1)
	}
}

// The two modules, as paths from this one.
const (
	root   = ".."
	nested = "."
)

// short is `make test`. Everything but the race detector builds with CGO_ENABLED=0, like the shipped binary, so that
// Caddy is compiled once for it all.
func short() []step {
	return []step{
		{"gofmt", func(*tally) error { return silent(root, "gofmt", "-l", ".") }},
		{"build bin/caddy", func(*tally) error { return show(root, "go", "build", "-o", "bin/caddy", "./cmd/caddy") }},
		{"go vet", func(*tally) error { return both("go", "vet", "./...") }},
		{"staticcheck", staticcheck},
		{"unit tests", func(t *tally) error { return test(t, root, "./...") }},
		{"unit tests, with the race detector", raced},
		{"tests with real processes", processes},
	}
}

// processes never come from the cache, which cannot see the binary that they run. What breaks the disk and kills who writes to it
// does so on a real one.
func processes(t *tally) error {
	out, err := command(nested, "0", "go", "list", "./...").Output()
	if err != nil {
		return fmt.Errorf("listing packages: %w", err)
	}
	packages := slices.DeleteFunc(strings.Fields(string(out)), func(p string) bool { return strings.HasSuffix(p, "/faults") })
	args := []string{"-p", "1", "-count", "1", "-timeout", "20m"}
	return errors.Join(
		test(t, nested, slices.Concat(args, packages)...),
		testOnDisk(t, nested, append(args, "./faults")...))
}

// raced leaves out of the dialects, which answer one request like the other, what does not do several things at once: it would take
// a third of the time.
func raced(t *tally) error {
	dialects := []string{"./platform/affelios", "./platform/affili", "./platform/geniuslink/...", "./platform/invoca", "./platform/kraken"}
	rest := []string{"./access", "./api", "./caddymodule", "./engine", "./forward/...", "./platform", "./platform/inbound", "./storage/...", "./tracker"}
	return errors.Join(race(t, root, rest...), race(t, root, append([]string{"-run", "AtOnce"}, dialects...)...))
}

// staticcheck is pinned by this module's go.mod, and built, since `go tool` would look at this module only.
func staticcheck(*tally) error {
	if err := show(nested, "go", "build", "-o", "../bin/staticcheck", "honnef.co/go/tools/cmd/staticcheck"); err != nil {
		return err
	}
	if err := show(root, "bin/staticcheck", "./..."); err != nil {
		return err
	}
	return show(nested, "../bin/staticcheck", "./...")
}

func both(args ...string) error {
	if err := show(root, args...); err != nil {
		return err
	}
	return show(nested, args...)
}

// show runs a command in the folder with its output shown.
func show(dir string, args ...string) error {
	cmd := command(dir, "0", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// silent runs a command that has to print nothing.
func silent(dir string, args ...string) error {
	out, err := command(dir, "0", args...).CombinedOutput()
	if err == nil && len(out) > 0 {
		err = fmt.Errorf("has something to say")
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func command(dir, cgo string, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	return cmd
}
