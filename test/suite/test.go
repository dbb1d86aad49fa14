package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// tally counts tests and their subtests.
type tally struct {
	passed, failed, skipped int
	complaints              []string // what the tests that failed said, to be read again at the end
}

func (t *tally) add(other *tally) {
	t.passed, t.failed, t.skipped = t.passed+other.passed, t.failed+other.failed, t.skipped+other.skipped
	t.complaints = append(t.complaints, other.complaints...)
}

func (t *tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
}

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a build's output
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// key tells whose output an event's is.
func (e event) key() string { return e.Package + e.ImportPath + "\n" + e.Test }

func test(all *tally, dir string, args ...string) error {
	return goTest(all, dir, "0", inMemory(), args...)
}

// testOnDisk is test for what wants a real disk under its folders.
func testOnDisk(all *tally, dir string, args ...string) error {
	return goTest(all, dir, "0", nil, args...)
}

// race needs cgo, for the race detector's runtime.
func race(all *tally, dir string, args ...string) error {
	return goTest(all, dir, "1", inMemory(), append([]string{"-race"}, args...)...)
}

func goTest(all *tally, dir, cgo string, env []string, args ...string) error {
	cmd := command(dir, cgo, append([]string{"go", "test", "-json"}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	t, err := follow(out, os.Stdout)
	all.add(t)
	return errors.Join(err, cmd.Wait(), t.verdict())
}

func (t *tally) verdict() error {
	switch {
	case t.failed > 0:
		return fmt.Errorf("%s", t)
	case t.skipped > 0:
		return fmt.Errorf("%d skipped tests prove nothing", t.skipped)
	case t.passed == 0:
		return errors.New("there was no test to run")
	}
	return nil
}

// follow reads what `go test -json` prints, counts it, and shows a line for each package, with the output of the tests
// in it that failed.
func follow(events io.Reader, show io.Writer) (*tally, error) {
	total, perPackage := &tally{}, map[string]*tally{}
	output := map[string]*strings.Builder{} // by package and test, until it is known whether anybody wants to read it
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		e, ok := parse(lines.Text())
		if !ok {
			fmt.Fprintln(show, lines.Text()) // the go command's own complaint
			continue
		}
		if perPackage[e.Package] == nil {
			perPackage[e.Package] = &tally{}
		}
		keep(output, e)
		if e.Test != "" {
			total.count(e.Action)
			perPackage[e.Package].count(e.Action)
			if e.Action == "fail" {
				total.complaints = append(total.complaints, complaint(e, output[e.key()].String()))
			}
		}
		report(show, e, output, perPackage[e.Package])
		if e.Action == "pass" || e.Action == "fail" || e.Action == "skip" {
			delete(output, e.key())
		}
		if e.Test == "" && e.Action == "fail" && perPackage[e.Package].failed == 0 {
			total.failed++ // no test of it failed: it did not build, or ended early
		}
	}
	return total, lines.Err()
}

func parse(line string) (e event, ok bool) {
	err := json.Unmarshal([]byte(line), &e)
	return e, err == nil
}

func (t *tally) count(action string) {
	switch action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
	case "skip":
		t.skipped++
	}
}

// complaint is what a test said that failed, without the logs of the processes it ran.
func complaint(e event, output string) string {
	const most = 30 // lines
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(output), "\n"), func(line string) bool {
		return strings.HasPrefix(strings.TrimSpace(line), "{")
	})
	if len(lines) > most {
		lines = append(lines[:most], "…")
	}
	return e.Package + " " + e.Test + "\n" + strings.Join(lines, "\n")
}

func keep(output map[string]*strings.Builder, e event) {
	if output[e.key()] == nil {
		output[e.key()] = &strings.Builder{}
	}
	output[e.key()].WriteString(e.Output)
}

func report(show io.Writer, e event, output map[string]*strings.Builder, t *tally) {
	text := output[e.key()].String()
	switch {
	case e.Action == "build-fail", e.Action == "fail" && e.Test != "":
		fmt.Fprint(show, text)
	case e.Action == "skip" && e.Test != "":
		fmt.Fprintf(show, "SKIPPED %s %s\n%s", e.Package, e.Test, text)
	case e.Action == "pass" && e.Test == "":
		fmt.Fprintf(show, "ok   %s  %d tests, %.1fs\n", e.Package, t.passed, e.Elapsed)
	case e.Action == "fail":
		fmt.Fprintf(show, "FAIL %s  %s, %.1fs\n%s", e.Package, t, e.Elapsed, text)
		for key, unfinished := range output { // the tests that ran when it panicked or ran out of time
			if pkg, test, _ := strings.Cut(key, "\n"); pkg == e.Package && test != "" {
				fmt.Fprintf(show, "UNFINISHED %s\n%s", test, unfinished)
			}
		}
	}
}
