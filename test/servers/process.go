//go:build unix

package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to answer after its start.
const patience = 30 * time.Second

// process is a server that can be killed and started again with the same arguments.
type process struct {
	path string
	args []string
	dir  string              // removed at the end
	log  string              // file that takes stdout and stderr
	cred *syscall.Credential // nil: the test's own user
	end  syscall.Signal      // what the process gets when the test binary dies

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// onStarter runs f on one OS thread that lives as long as the test binary. Linux sends a parent-death signal when the
// thread that forked ends, not the process, so servers must not be started on a thread that Go may retire.
func onStarter(f func() error) error {
	result := make(chan error)
	starter() <- func() { result <- f() }
	return <-result
}

var starter = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range calls {
			f()
		}
	}()
	return calls
})

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred, Setpgid: true} // a Ctrl-C is the test's to handle
	dieWithParent(cmd.SysProcAttr, p.end)
	if err := onStarter(cmd.Start); err != nil {
		return fmt.Errorf("starting %s: %w", p.path, err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}()
	p.cmd, p.done = cmd, done
	return nil
}

func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// signal does nothing to a process that has ended.
func (p *process) signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// wait returns when the process has ended.
func (p *process) wait() {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	<-done
}

func (p *process) kill() {
	_ = p.signal(syscall.SIGKILL) // it is our child: the only failure is that it has ended
	p.wait()
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await polls ready until it answers nil, the process ends or patience is over.
func (p *process) await(ready func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if p.ended() || time.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: %w; its log ends:\n%s", p.path, err, p.tail())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// tail is the end of the server's log.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// showLog prints the end of the log of a test that failed.
func (p *process) showLog(t testing.TB) {
	if t.Failed() {
		t.Logf("the log of %s ends:\n%s", p.path, p.tail())
	}
}

// tempDir makes a directory with a short name: a Unix socket's path may have only 107 bytes, and t.TempDir is closed to
// other users.
func tempDir(name string) (string, error) {
	return os.MkdirTemp("", "affiliate-"+name+"-")
}

// find returns the path of a program, looked up in PATH and then under the patterns.
func find(name string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(filepath.Join(pattern, name)); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed: it is neither in PATH nor in %v", name, patterns)
}

// freePort returns a port that nothing listens on. It is below the range that the kernel gives to outgoing connections
// (from 32768 on Linux, 49152 elsewhere), so that nobody takes it while a killed server is down.
func freePort() (int, error) {
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("finding a free port: 100 of them were taken")
}
