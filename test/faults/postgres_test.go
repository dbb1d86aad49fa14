package faults

import (
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// PostgreSQL is killed with all its processes, stays away, and comes back.
func TestPostgresKilled(t *testing.T) {
	books := servers.Postgres(t)
	p := caddy.Start(t, with(secret, through(servers.Redis(t).Addr), "ledger postgres "+books.Database(t)))
	p.AwaitHealth()
	visitors := drive(t, p)
	for range check.Times(1, 10) {
		visitors.more(100 + rand.IntN(500))
		books.Kill()
		visitors.more(1000)
		books.Restart(t)
		t.Logf("caught up %s after PostgreSQL was back", caughtUp(t, p, p))
	}
	tokens := visitors.stop()
	check.Acked(t, tokens, p)
}

// A COMMIT is done and its reply is lost: the hub cannot know, and has to ask the ledger.
func TestCommitReplyLost(t *testing.T) {
	store := servers.Redis(t)
	dsn, line := lineTo(t, servers.SharedPostgres(t).Database(t))
	p := caddy.Start(t, with(secret, through(store.Addr), "ledger postgres "+dsn))
	p.AwaitHealth()
	visitors := drive(t, p)
	for range check.Times(1, 10) {
		visitors.more(rand.IntN(500))
		loseCommit(t, line)
		t.Logf("caught up after %s", caughtUp(t, p, p))
	}
	tokens := visitors.stop()
	caughtUp(t, p, p)

	// The last time nothing follows that would bring the cursor's copy in Redis up to date.
	line.DropRepliesTo(commit, func(int) bool { return true })
	tokens = append(tokens, clicks(p).For(200*time.Millisecond).Tokens...)
	caughtUp(t, p, p)
	line.DropReplies(nil)
	awaitKey(t, store, onlyOrigin(t, store), "cursor", int(journalled(p)))
	check.Acked(t, tokens, p)
}

// commit is what a client sends, with its length, and nothing else.
const commit = "\x0bcommit\x00"

// loseCommit cuts the line when the next COMMIT has been done.
func loseCommit(t *testing.T, line *servers.FaultProxy) {
	t.Helper()
	lost := line.Lost()
	line.DropRepliesTo(commit, func(int) bool { return true })
	await(t, "a COMMIT whose reply can be lost", func() bool { return line.Lost() > lost })
	line.DropReplies(nil)
}

// lineTo returns a DSN for the same database by way of a line that can be broken.
func lineTo(t *testing.T, dsn string) (string, *servers.FaultProxy) {
	t.Helper()
	u, err := url.Parse(dsn)
	must(t, err)
	line := servers.Proxy(t, u.Host)
	u.Host = line.Addr
	return u.String(), line
}

// awaitKey returns when that field of the origin's key in Redis is what the ledger says.
func awaitKey(t *testing.T, store *servers.RedisServer, origin, field string, want int) {
	t.Helper()
	client, began, got := store.Client(), time.Now(), 0
	defer client.Close()
	await(t, field+" in Redis to be the ledger's", func() bool {
		got, _ = client.HGet(t.Context(), cursorOf(origin), field).Int()
		return got == want
	})
	t.Logf("%s in Redis is %d after %s", field, got, time.Since(began).Round(time.Millisecond))
}
