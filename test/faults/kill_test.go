package faults

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// SIGKILL at random moments under load, the first ones of a life included: a token in a browser has its session on disk.
// The journal forgets soon here, so that kills meet it while it truncates too, and each life's origin has to go from the
// disk in the end.
func TestKill(t *testing.T) {
	p := caddy.Start(t, with(embedded, "journal ./affiliate {\nretain 1s\n}"))
	result := killed(t, p, check.Times(5, 100))
	check.Acked(t, result.Tokens, p)
	await(t, "the killed processes' origins to go from the disk", func() bool { return len(origins(t, p)) == 1 })
	check.Acked(t, result.Tokens, p)
}

// The same with Redis between the journal and the ledger.
func TestKillWithRedis(t *testing.T) {
	redis := servers.Redis(t)
	p := caddy.Start(t, with(embedded, "redis "+redis.Addr, secret))
	result := killed(t, p, check.Times(2, 20))
	check.Acked(t, result.Tokens, p)
}

// killed loads the site while its process is killed and started again, n times.
func killed(t *testing.T, p *caddy.Process, n int) *load.Result {
	t.Helper()
	r := clicks(p).Start()
	for range n {
		due := r.Tokens() + rand.IntN(800)
		await(t, "more tokens", func() bool { return r.Tokens() >= due })
		time.Sleep(rand.N(20 * time.Millisecond)) // a batch takes about one
		p.Kill()
		p.Restart()
	}
	due := r.Tokens() + 100
	await(t, "tokens after the last kill", func() bool { return r.Tokens() >= due })
	result := r.Stop()
	t.Logf("%d kills: %s", n, result)
	if result.Failed() > result.Errors+result.Unsent || len(result.Tokens) < due {
		t.Errorf("a response failed, or tokens are missing: %s", result)
	}
	return result
}

// origins returns the names of the journal's origins.
func origins(t *testing.T, p *caddy.Process) []string {
	t.Helper()
	folders, err := os.ReadDir(filepath.Join(p.Dir, "affiliate", "origins"))
	must(t, err)
	names := make([]string, len(folders))
	for i, f := range folders {
		names[i] = f.Name()
	}
	return names
}
