package caddy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is one Caddy under test, with ports and a folder of its own.
type Process struct {
	URL   string // of the site, http://127.0.0.1:$HTTP_PORT
	Admin string // host:port of the admin API
	Dir   string // working directory; the process writes nowhere else

	t         testing.TB
	binary    string
	env       []string
	caddyfile string // the file's path
	logs      string // the file that collects what the process prints
	running   *running
}

// running is one life of a Process.
type running struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone
	err    error         // of Wait, to be read after exited
}

// Option changes how Start starts a process.
type Option func(*Process)

// In makes the process work in dir, for a second process on one folder or a restored copy of one. Default: a new folder.
func In(dir string) Option { return func(p *Process) { p.Dir = dir } }

// Env adds variables, each as "NAME=value", to the process's environment.
func Env(vars ...string) Option { return func(p *Process) { p.env = append(p.env, vars...) } }

// Start runs Caddy with that Caddyfile, whose text may use {$HTTP_PORT}, and returns when its configuration is loaded.
// When the test ends the process is asked to exit and must do so within ten seconds; when the test failed, the end of
// what the process printed is shown.
func Start(t testing.TB, caddyfile string, options ...Option) *Process {
	t.Helper()
	p := New(t, caddyfile, options...)
	p.Restart()
	return p
}

// New prepares a process without starting it.
func New(t testing.TB, caddyfile string, options ...Option) *Process {
	t.Helper()
	httpPort := Port(t)
	p := &Process{
		URL:    fmt.Sprintf("http://127.0.0.1:%d", httpPort),
		Admin:  fmt.Sprintf("127.0.0.1:%d", Port(t)),
		t:      t,
		binary: Binary(t),
	}
	for _, o := range options {
		o(p)
	}
	if p.Dir == "" {
		p.Dir = t.TempDir()
	}
	own := t.TempDir() // not in Dir, which two processes may share
	p.logs = filepath.Join(own, "caddy.log")
	p.caddyfile = filepath.Join(own, "Caddyfile")
	p.env = append(append(os.Environ(),
		fmt.Sprintf("HTTP_PORT=%d", httpPort), "CADDY_ADMIN="+p.Admin,
		"HOME="+p.Dir, "XDG_DATA_HOME="+p.Dir, "XDG_CONFIG_HOME="+p.Dir), p.env...)
	p.write(caddyfile)
	t.Cleanup(p.cleanup)
	return p
}

// Restart starts the process, on the same ports and folder as before, and returns when its configuration is loaded.
func (p *Process) Restart() {
	p.t.Helper()
	if err := p.TryRestart(); err != nil {
		p.t.Fatal(err)
	}
}

// TryRestart is Restart for a process that may refuse to start: it returns an error with what the process printed.
func (p *Process) TryRestart() error {
	logs, err := os.OpenFile(p.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logs.Close()
	cmd := exec.Command(p.binary, "run", "--config", p.caddyfile, "--adapter", "caddyfile")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.Dir, p.env, logs, logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting Caddy: %w", err)
	}
	r := &running{cmd: cmd, exited: make(chan struct{})}
	go func() {
		r.err = cmd.Wait()
		close(r.exited)
	}()
	p.running = r
	return p.awaitConfig()
}

// awaitConfig returns when the admin API shows a loaded configuration.
func (p *Process) awaitConfig() error {
	client := http.Client{Timeout: 10 * time.Second}
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		select {
		case <-p.running.exited:
			return fmt.Errorf("caddy exited: %w\n%s", p.running.err, p.Logs())
		case <-time.After(10 * time.Millisecond):
		}
		resp, err := client.Get("http://" + p.Admin + "/config/apps")
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("caddy loaded no configuration within a minute\n%s", p.Logs())
}

// Reload replaces the configuration as `caddy reload --force` does. One that is refused is not kept for a Restart either.
func (p *Process) Reload(caddyfile string) error {
	before, err := os.ReadFile(p.caddyfile)
	if err != nil {
		return err
	}
	p.write(caddyfile)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.binary, "reload", "--force",
		"--config", p.caddyfile, "--adapter", "caddyfile", "--address", p.Admin)
	cmd.Dir, cmd.Env = p.Dir, p.env
	if out, err := cmd.CombinedOutput(); err != nil {
		p.write(string(before))
		return fmt.Errorf("reloading: %w\n%s", err, out)
	}
	return nil
}

// Kill ends the process with SIGKILL and returns when it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.running.exited
}

// Term asks the process to exit, as a service manager does, and returns how long it took. The test fails when that is
// more than ten seconds or the exit status is not 0.
func (p *Process) Term() time.Duration {
	p.t.Helper()
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.running.exited:
		if p.running.err != nil {
			p.t.Errorf("Caddy exited on SIGTERM: %v", p.running.err)
		}
	case <-time.After(10 * time.Second):
		p.Signal(syscall.SIGABRT) // prints every goroutine
		p.t.Error("Caddy did not exit within 10 s of SIGTERM")
		<-p.running.exited
	}
	return time.Since(began)
}

// Signal sends the process a signal.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.running.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("sending Caddy %s: %v", s, err)
	}
}

// Pid is the process's id in its present life.
func (p *Process) Pid() int { return p.running.cmd.Process.Pid }

// Logs returns what the process has printed, in all its lives.
func (p *Process) Logs() string {
	text, err := os.ReadFile(p.logs)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (p *Process) write(caddyfile string) {
	p.t.Helper()
	if err := os.WriteFile(p.caddyfile, []byte(caddyfile), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Process) cleanup() {
	if p.running != nil {
		select {
		case <-p.running.exited:
		default:
			p.Signal(syscall.SIGCONT)
			p.Term()
		}
	}
	logs := p.Logs()
	for _, bad := range []string{"panic: ", "DATA RACE", "fatal error: "} {
		if strings.Contains(logs, bad) {
			p.t.Errorf("what Caddy printed contains %q", bad)
		}
	}
	if p.t.Failed() {
		p.t.Logf("the end of what Caddy (%s) printed:\n%s", p.URL, tail(logs, 200))
	}
}

// tail returns the last lines of a log, without those that the tests' own waiting at the admin API caused.
func tail(logs string, lines int) string {
	kept := slices.DeleteFunc(strings.SplitAfter(logs, "\n"), func(line string) bool {
		return strings.Contains(line, `"msg":"received request"`)
	})
	return strings.Join(kept[max(0, len(kept)-lines):], "")
}
