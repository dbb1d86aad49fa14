//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisSentinels watch over a master, and make a replica the master when it does not answer for half a second.
type RedisSentinels struct {
	Addrs []string // host:port of each
	Name  string   // of the master

	t testing.TB
	p *process // the first's
}

// Sentinels starts that many Sentinels for a master that has a replica, and returns when each of them knows the replica and
// the other Sentinels. They are stopped when the test ends.
func Sentinels(t testing.TB, master *RedisServer, n int) *RedisSentinels {
	t.Helper()
	s := &RedisSentinels{Name: "shop", t: t}
	for range n {
		p, addr := startSentinel(t, s.Name, master.Addr, n/2+1)
		s.Addrs = append(s.Addrs, addr)
		if s.p == nil {
			s.p = p
		}
	}
	s.AwaitReplica()
	return s
}

func startSentinel(t testing.TB, name, master string, quorum int) (*process, string) {
	t.Helper()
	path, err := find("redis-server", "/usr/local/bin", "/opt/homebrew/bin")
	must(t, err)
	dir, err := tempDir("sentinel")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	port, err := freePort()
	must(t, err)
	host, masterPort, err := net.SplitHostPort(master)
	must(t, err)
	config := filepath.Join(dir, "sentinel.conf") // a Sentinel writes what it learns into it
	must(t, os.WriteFile(config, fmt.Appendf(nil, `port %d
bind 127.0.0.1
dir %s
sentinel monitor %s %s %s %d
sentinel down-after-milliseconds %[3]s 500
sentinel failover-timeout %[3]s 5000
`, port, dir, name, host, masterPort, quorum), 0o600))
	p := &process{path: path, args: []string{config, "--sentinel"}, dir: dir, log: filepath.Join(dir, "log"), end: syscall.SIGKILL}
	must(t, p.start())
	t.Cleanup(func() {
		p.kill()
		p.showLog(t)
	})
	return p, fmt.Sprintf("127.0.0.1:%d", port)
}

// knows returns an error until the Sentinel at that address knows all others, and a replica that follows the master.
func (s *RedisSentinels) knows(addr string) error {
	line, err := net.Dial("tcp", addr) // go-redis logs each failed dial
	if err != nil {
		return err
	}
	line.Close()
	c := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer c.Close()
	master, err := c.Master(context.Background(), s.Name).Result()
	if err != nil {
		return err
	}
	replicas, err := c.Replicas(context.Background(), s.Name).Result()
	if err != nil {
		return err
	}
	for _, r := range replicas {
		follows := r["flags"] == "slave" && r["master-link-status"] == "ok" && net.JoinHostPort(r["master-host"], r["master-port"]) == net.JoinHostPort(master["ip"], master["port"])
		if follows && master["num-other-sentinels"] == strconv.Itoa(len(s.Addrs)-1) {
			return nil
		}
	}
	return errors.New("a Sentinel does not know the others, or no replica follows the master")
}

// Master returns the address (host:port) of the server that the first Sentinel takes for the master.
func (s *RedisSentinels) Master() string {
	s.t.Helper()
	c := redis.NewSentinelClient(&redis.Options{Addr: s.Addrs[0]})
	defer c.Close()
	at, err := c.GetMasterAddrByName(context.Background(), s.Name).Result()
	must(s.t, err)
	return strings.Join(at, ":")
}

// AwaitReplica returns when every Sentinel has a replica that follows the master, so that the master may go.
func (s *RedisSentinels) AwaitReplica() {
	s.t.Helper()
	for _, addr := range s.Addrs {
		must(s.t, s.p.await(func() error { return s.knows(addr) }))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
