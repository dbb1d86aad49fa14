//go:build unix

package servers

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresServer is a PostgreSQL of its own with everything as it comes: fsync on, synchronous commit on.
type PostgresServer struct {
	Port   int
	Socket string // the directory of its Unix socket

	p      *process
	keeper io.Closer // held for the life of the test binary; the garbage collector would close it
}

var databases atomic.Int64

// Postgres makes a cluster and starts it; it ends with the test. Each setting (`fsync=off`) goes to the server's -c. Tests
// that Kill, and tests with settings of their own, use this; others share one (SharedPostgres).
func Postgres(t testing.TB, settings ...string) *PostgresServer {
	t.Helper()
	pg, err := newPostgres(settings)
	if pg != nil {
		t.Cleanup(func() {
			pg.stop()
			pg.p.showLog(t)
			os.RemoveAll(pg.Socket)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return pg
}

var shared = sync.OnceValues(func() (*PostgresServer, error) {
	pg, err := newPostgres(nil)
	if err != nil {
		return nil, err
	}
	// A test binary has no last moment of its own. This shell's is: its standard input ends when the binary does.
	keeper := exec.Command("sh", "-c", `cat >/dev/null; while ! rm -rf "$0"; do sleep 0.1; done`, pg.Socket)
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if pg.keeper, err = keeper.StdinPipe(); err != nil {
		return nil, err
	}
	return pg, keeper.Start()
})

// SharedPostgres returns the one server that the tests of this binary share, started by the first to ask. Take a Database
// of your own on it; never Kill it.
func SharedPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	pg, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return pg
}

// newPostgres returns a server also with an error where there is something to clean up.
func newPostgres(settings []string) (*PostgresServer, error) {
	postgres, err := find("postgres", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
	if err != nil {
		return nil, err
	}
	// initdb stands beside the program itself, which PATH may only link to.
	if postgres, err = filepath.EvalSymlinks(postgres); err != nil {
		return nil, err
	}
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir("postgres")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	pg := &PostgresServer{Port: port, Socket: dir, p: &process{
		path: postgres, dir: dir, log: filepath.Join(dir, "log"), cred: cred,
		end: syscall.SIGQUIT, // "immediate shutdown": the server takes its children and its shared memory with it
	}}
	data := filepath.Join(dir, "data")
	pg.p.args = []string{"-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1"}
	for _, s := range settings {
		pg.p.args = append(pg.p.args, "-c", s)
	}
	if err := pg.initialise(filepath.Join(filepath.Dir(postgres), "initdb"), data); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := pg.p.start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return pg, pg.awaitConnection()
}

// initialise makes the cluster. Its own files need no fsync: a power cut ends the test as well.
func (pg *PostgresServer) initialise(initdb, data string) error {
	cmd := exec.Command(initdb, "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir = pg.Socket
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: pg.p.cred}
	if pg.p.cred != nil {
		if err := os.Chown(pg.Socket, int(pg.p.cred.Uid), int(pg.p.cred.Gid)); err != nil {
			return err
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s: %w\n%s", initdb, err, out)
	}
	return nil
}

// unprivileged is who runs the server when the test is root, as which PostgreSQL refuses to run. Otherwise nil.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
		}
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// DSN is the connection URL of the server's own database, for administration.
func (pg *PostgresServer) DSN() string { return pg.dsn("postgres") }

func (pg *PostgresServer) dsn(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", pg.Port, database)
}

// Database makes an empty database for this test and returns its connection URL. It is dropped with its connections when
// the test ends.
func (pg *PostgresServer) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := pg.exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pg.p.ended() {
			return // the test left it killed
		}
		if err := pg.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return pg.dsn(name)
}

func (pg *PostgresServer) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, pg.DSN())
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, sql)
	return err
}

// Kill ends the server and all its children with SIGKILL, as a power cut or the kernel's memory killer would, and returns
// when they are gone: the next start refuses while one of them still holds the shared memory.
func (pg *PostgresServer) Kill() {
	if pg.p.ended() {
		return
	}
	_ = pg.p.signal(syscall.SIGSTOP) // a frozen postmaster starts no further children
	children := childrenOf(pg.p.pid())
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
	}
	pg.p.kill()
	for deadline := time.Now().Add(patience); slices.ContainsFunc(children, isRunning) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}

// Restart starts the server again on its port with its data, after a Kill or instead of one.
func (pg *PostgresServer) Restart(t testing.TB) {
	t.Helper()
	pg.Kill()
	if err := pg.p.start(); err != nil {
		t.Fatal(err)
	}
	if err := pg.awaitConnection(); err != nil {
		t.Fatal(err)
	}
}

// stop is an immediate shutdown; the data are about to be removed.
func (pg *PostgresServer) stop() {
	_ = pg.p.signal(syscall.SIGQUIT) // ended already otherwise
	pg.p.wait()
}

func (pg *PostgresServer) awaitConnection() error {
	return pg.p.await(func() error { return pg.exec("SELECT 1") })
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) []int {
	out, _ := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	var children []int
	for line := range strings.Lines(string(out)) {
		var child, parent int
		if n, _ := fmt.Sscan(line, &child, &parent); n == 2 && parent == pid {
			children = append(children, child)
		}
	}
	return children
}

// isRunning reports whether the process exists and is no zombie. Nobody here can wait for a child of a killed server.
func isRunning(pid int) bool {
	out, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output() // fails for a process that is gone
	state := strings.TrimSpace(string(out))
	return state != "" && state[0] != 'Z'
}
