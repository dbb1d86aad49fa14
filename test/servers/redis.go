//go:build unix

package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisServer is a Redis of its own, without persistence: what is killed starts empty, unless the arguments say otherwise.
type RedisServer struct {
	Addr string // host:port

	t testing.TB
	p *process
}

// Redis starts a Redis with args after its own (`--maxmemory`, `10mb`). It is stopped when the test ends.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	path, err := find("redis-server", "/usr/local/bin", "/opt/homebrew/bin")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := tempDir("redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	own := []string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
		"--repl-diskless-sync-delay", "0", // a replica need not wait for others
	}
	r := &RedisServer{
		Addr: fmt.Sprintf("127.0.0.1:%d", port),
		t:    t,
		p:    &process{path: path, args: append(own, args...), dir: dir, log: filepath.Join(dir, "log"), end: syscall.SIGKILL},
	}
	if err := r.p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.p.kill()
		r.p.showLog(t)
	})
	r.awaitPing()
	return r
}

// Options returns what a client of this server needs and nothing else; the caller may change it.
func (r *RedisServer) Options() *redis.UniversalOptions {
	return &redis.UniversalOptions{Addrs: []string{r.Addr}}
}

// Client returns a new client that neither retries nor logs, closed when the test ends.
func (r *RedisServer) Client() redis.UniversalClient {
	o := r.Options()
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c := redis.NewUniversalClient(o)
	r.t.Cleanup(func() { c.Close() })
	return c
}

// Pid is the process id of the server that runs now.
func (r *RedisServer) Pid() int { return r.p.pid() }

// Kill ends the server with SIGKILL and returns when it is gone.
func (r *RedisServer) Kill() { r.p.kill() }

// Restart starts the server again on its port with its directory, after a Kill or instead of one.
func (r *RedisServer) Restart() {
	r.t.Helper()
	r.p.kill()
	if err := r.p.start(); err != nil {
		r.t.Fatal(err)
	}
	r.awaitPing()
}

// Stop freezes the server: connections stay open and nothing answers.
func (r *RedisServer) Stop() { r.must(r.p.signal(syscall.SIGSTOP)) }

// Cont lets a frozen server go on.
func (r *RedisServer) Cont() { r.must(r.p.signal(syscall.SIGCONT)) }

// Replica starts a server that replicates this one and returns when it has caught up.
func (r *RedisServer) Replica(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	host, port, _ := strings.Cut(r.Addr, ":")
	replica := Redis(t, append([]string{"--replicaof", host + " " + port}, args...)...)
	c := replica.Client()
	err := replica.p.await(func() error {
		info, err := c.Info(context.Background(), "replication").Result()
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = fmt.Errorf("the link to %s is not up", r.Addr)
		}
		return err
	})
	replica.must(err)
	return replica
}

// Promote makes a replica a master of its own.
func (r *RedisServer) Promote() {
	r.t.Helper()
	r.do("REPLICAOF", "NO", "ONE")
}

func (r *RedisServer) awaitPing() {
	r.t.Helper()
	c := r.Client()
	defer c.Close()
	r.must(r.p.await(func() error {
		line, err := net.Dial("tcp", r.Addr) // go-redis logs each failed dial
		if err != nil {
			return err
		}
		line.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return c.Ping(ctx).Err()
	}))
}

func (r *RedisServer) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}
