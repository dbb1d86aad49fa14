package journal

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary stand in for another process that opens a journal.
func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_TEST_DIR"); dir != "" {
		os.Exit(otherProcess(dir))
	}
	os.Exit(m.Run())
}

// otherProcess appends records until it is killed and prints the number of each confirmed one.
func otherProcess(dir string) int {
	j, err := Open(dir, Options{SegmentBytes: 64 << 10})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for n := 1; ; n++ {
		ticket, err := j.Append(payload(n, 300))
		if err == nil {
			err = ticket.Wait(patience)
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(n)
	}
}

func startOther(t *testing.T, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "JOURNAL_TEST_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func TestAnotherProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	cmd, out := startOther(t, dir)
	if !out.Scan() || !strings.Contains(out.Text(), ErrLocked.Error()) {
		t.Fatalf("the other process said %q", out.Text())
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the other process succeeded")
	}
}

func TestAKilledProcessKeepsItsPromises(t *testing.T) {
	dir := t.TempDir()
	cmd, out := startOther(t, dir)
	confirmed := 0
	for confirmed < 500 && out.Scan() {
		confirmed, _ = strconv.Atoi(out.Text())
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("the folder of a running process: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for out.Scan() {
		if n, err := strconv.Atoi(out.Text()); err == nil {
			confirmed = n
		}
	}
	cmd.Wait()

	j := open(t, dir, Options{})
	entries := readAll(t, j, j.Origins()[0], 0, 10_000)
	if len(entries) < confirmed || confirmed < 500 {
		t.Fatalf("%d of %d confirmed records are there", len(entries), confirmed)
	}
	for i, e := range entries {
		if !bytes.Equal(e.Payload, payload(i+1, 300)) {
			t.Fatalf("record %d is %q", e.Seq, e.Payload)
		}
	}
}

// until polls a condition that another goroutine brings about.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
