package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
)

// browser is sent with each request; without it a click is a robot's.
const browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"

var requestsPerSecond = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// wrk returns the requests per second that one thread of wrk gets answered. It is a program in C, so that the driver takes
// as little as possible of the cores that it shares with Caddy.
func wrk(b *testing.B, connections int, url string, span time.Duration) float64 {
	b.Helper()
	out, err := exec.Command("wrk", "-t1", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%.2fs", span.Seconds()),
		"-H", browser, url).CombinedOutput()
	if err != nil {
		// Some builds take whole seconds only.
		out, err = exec.Command("wrk", "-t1", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%ds", int(max(1, span.Seconds()))),
			"-H", browser, url).CombinedOutput()
	}
	if err != nil {
		b.Fatalf("running wrk (apt-get install wrk): %v\n%s", err, out)
	}
	if strings.Contains(string(out), "Non-2xx") {
		b.Fatalf("%s failed under load:\n%s", url, out)
	}
	match := requestsPerSecond.FindSubmatch(out)
	if match == nil {
		b.Fatalf("wrk says no rate:\n%s", out)
	}
	rate, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}

// memory compares two processes.
func memory(what, bar string, plain, ours site) []string {
	base, with := plain.resident(), ours.resident()
	return []string{what, bar, fmt.Sprintf("+%d MiB", (with-base)>>20), fmt.Sprintf("%d / %d MiB", with>>20, base>>20)}
}

// due is how many records are on disk and not in the ledger yet.
func (s site) due(b *testing.B) (n int) {
	b.Helper()
	var audit check.Audit
	if _, body := s.AdminGet("/affiliate/audit"); json.Unmarshal([]byte(body), &audit) != nil {
		b.Fatalf("the audit is %s", body)
	}
	for _, o := range audit.Origins {
		n += int(o.Journalled)
	}
	return n
}

// busy is the processor time that the process has taken so far.
func (s site) busy(b *testing.B) time.Duration { return busyOf(b, s.Pid()) }

func busyOf(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			b.Fatal(err)
		}
		ran, _, _ := strings.Cut(string(stat), " ")
		nanoseconds, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(nanoseconds)
	}
	return sum
}

// resident is the process's memory in bytes.
func (s site) resident() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// micro runs the packages' own benchmarks and takes their lines over.
func micro(b *testing.B) (rows [][]string) {
	b.Helper()
	root, err := caddy.Root()
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range []struct{ what, bar, dir, pkg, name string }{
		{"handler, request without a referral", "≤ 1 alloc", root, "./caddymodule", "BenchmarkPass"},
		{"handler, click", "", root, "./caddymodule", "BenchmarkClick"},
		{"journal, durable records", "≥ 50,000/s", root, "./storage/journal", "BenchmarkAppend"},
		{"apply into SQLite", "≥ 20,000/s", root, "./storage/ledger/sqlite", "BenchmarkApply"},
		{"apply into PostgreSQL", "≥ 20,000/s", filepath.Join(root, "test"), "./ledger", "BenchmarkApply"},
		{"deliver from SQLite", "≥ 2,000/s", root, "./forward/destinationtest", "BenchmarkDeliveries"},
		{"deliver from PostgreSQL", "≥ 5,000/s", filepath.Join(root, "test"), "./deliver", "BenchmarkDeliveries"},
	} {
		cmd := exec.Command("go", "test", "-run", "^$", "-bench", m.name, "-benchmem", m.pkg)
		cmd.Dir = m.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("benchmarks of %s: %v\n%s", m.pkg, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if fields := strings.Fields(line); len(fields) > 3 && strings.HasPrefix(line, m.name) {
				rows = append(rows, []string{m.what + ": " + fields[0], m.bar, "", strings.Join(fields[2:], " ")})
			}
		}
	}
	return rows
}
