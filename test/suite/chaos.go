package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// fuzzTime is how long each fuzz target runs in the long form.
const fuzzTime = "2m"

// long is `make chaos`: the faults as often as CHAOS makes check.Times say, and the fuzz targets for a while.
func long() []step {
	return []step{
		{"tests with real processes, long form", func(t *tally) error {
			os.Setenv("CHAOS", "1")
			return testOnDisk(t, nested, "-p", "1", "-count", "1", "-timeout", "6h", "./...")
		}},
		{"fuzz targets, " + fuzzTime + " each", func(*tally) error { return errors.Join(fuzz(root), fuzz(nested)) }},
	}
}

// fuzz runs every fuzz target of the module.
func fuzz(dir string) error {
	targets, err := command(dir, "0", "go", "test", "-json", "-list", "^Fuzz", "./...").Output()
	if err != nil {
		return fmt.Errorf("listing fuzz targets: %w", err)
	}
	var failed []error
	for _, target := range fuzzTargets(string(targets)) {
		fmt.Printf("-- %s %s\n", target.pkg, target.name)
		failed = append(failed, show(dir, "go", "test", "-run", "^$", "-fuzz", "^"+target.name+"$", "-fuzztime", fuzzTime, target.pkg))
	}
	return errors.Join(failed...)
}

type fuzzTarget struct{ pkg, name string }

// fuzzTargets reads what `go test -json -list` prints: an output event for each line.
func fuzzTargets(events string) (targets []fuzzTarget) {
	for line := range strings.Lines(events) {
		e, ok := parse(line)
		if name := strings.TrimSpace(e.Output); ok && strings.HasPrefix(name, "Fuzz") {
			targets = append(targets, fuzzTarget{e.Package, name})
		}
	}
	return targets
}
