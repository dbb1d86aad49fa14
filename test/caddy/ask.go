package caddy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// CLI runs `caddy <args…>` against this process's admin API and returns what it printed and its exit status.
func (p *Process) CLI(args ...string) (stdout, stderr string, status int) {
	p.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(p.binary, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.Dir, p.env, &out, &errs // CADDY_ADMIN says which process
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("running caddy %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// AdminGet returns the status and body of a GET at the admin API. The test fails when there is no answer.
func (p *Process) AdminGet(path string) (int, string) {
	p.t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Get("http://" + p.Admin + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Metrics returns every series of /metrics by its name and labels as exposed, such as
// caddy_affiliate_clicks_total{class="human"}.
func (p *Process) Metrics() map[string]float64 {
	p.t.Helper()
	status, body := p.AdminGet("/metrics")
	if status != http.StatusOK {
		p.t.Fatalf("/metrics answers %d: %s", status, body)
	}
	series := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		line := lines.Text()
		name, value, ok := cutLast(line, " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			p.t.Fatalf("/metrics has the line %q: %v", line, err)
		}
		series[name] = number
	}
	return series
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Descriptors counts the process's open files and sockets.
func (p *Process) Descriptors() int {
	p.t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.running.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(open)
}

// AwaitHealth returns when /affiliate/health says that the journal is open and the ledger is reached. A click needs no such
// wait; a command that asks the ledger does.
func (p *Process) AwaitHealth() {
	p.t.Helper()
	var status int
	var body string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		status, body = p.AdminGet("/affiliate/health")
		var health struct{ Status string }
		if err := json.Unmarshal([]byte(body), &health); err == nil && health.Status == "ok" {
			return
		}
	}
	p.t.Fatalf("not healthy within a minute: %d %s", status, body)
}
