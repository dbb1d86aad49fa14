package caddy

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Port returns a loopback port that is this test's until it ends. It lies below the kernel's ephemeral range, since a
// load test's own connections could otherwise take it while a killed Caddy is down; and it is reserved by a lock among
// test binaries, since Caddy listens with SO_REUSEPORT and two on one port would share the requests without a word.
func Port(t testing.TB) int {
	t.Helper()
	reserved := filepath.Join(os.TempDir(), fmt.Sprintf("caddy-affiliate-ports-%d", os.Getuid()))
	for range 1000 {
		port := 20000 + rand.IntN(10000)
		unlock, err := lock(filepath.Join(reserved, strconv.Itoa(port)), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue
		}
		if !free(port) {
			unlock()
			continue
		}
		t.Cleanup(unlock)
		return port
	}
	t.Fatal("found no free port between 20000 and 30000")
	return 0
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
