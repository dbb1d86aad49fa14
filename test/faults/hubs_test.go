package faults

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// Two hubs apply the stream of one edge to one ledger, without knowing of each other. Each falls asleep for a while,
// whatever it is doing, and wakes up with what it believed then.
func TestTwoHubs(t *testing.T) {
	store := servers.Redis(t)
	books := "ledger postgres " + servers.SharedPostgres(t).Database(t)
	hubs := []*caddy.Process{
		caddy.Start(t, with(secret, through(store.Addr), books)),
		caddy.Start(t, with(secret, through(store.Addr), books)),
	}
	edge := caddy.Start(t, with(secret, through(store.Addr), "ledger none"))
	for _, hub := range hubs {
		hub.AwaitHealth()
	}
	visitors := drive(t, edge)
	for range check.Times(1, 10) {
		for _, hub := range hubs {
			visitors.more(500)
			hub.Signal(syscall.SIGSTOP)
			visitors.more(300)
			hub.Signal(syscall.SIGCONT)
		}
		t.Logf("caught up after %s", caughtUp(t, edge, hubs[0]))
	}
	tokens := visitors.stop()
	check.Acked(t, tokens, hubs[0], hubs[1], edge)
	for _, hub := range hubs {
		applied := hub.Metrics()["caddy_affiliate_applied_sessions_total"]
		t.Logf("%s applied %.0f sessions", hub.URL, applied)
		if applied == 0 {
			t.Error("one hub did all the work")
		}
	}
}

// A hub dies after its COMMIT and before it could tell Redis, and no click comes any more: the next hub has to tell, and
// the edge to forget.
func TestHubKilledBeforePublishing(t *testing.T) {
	store := servers.Redis(t)
	dsn := servers.SharedPostgres(t).Database(t)
	line := servers.Proxy(t, store.Addr)
	const soon = "journal ./affiliate {\nretain 1s\n}"
	hub := caddy.Start(t, with(secret, soon, through(line.Addr), "ledger postgres "+dsn))
	edge := caddy.Start(t, with(secret, soon, through(store.Addr), "ledger none"))
	conn := connect(t, dsn)
	var tokens []load.Token
	for range check.Times(1, 10) {
		hub.AwaitHealth()
		tokens = append(tokens, clicks(edge).For(500*time.Millisecond).Tokens...)
		origin := origins(t, edge)[0]
		cursor := func() int { return number(t, conn, "SELECT max(cursor) FROM origin WHERE name = $1", origin) }
		await(t, "the hub to have nothing to do", func() bool { return cursor() == int(journalled(edge)) })

		// The last records wait for the hub, all of them. It is held up within their transaction until Redis has gone.
		hub.Signal(syscall.SIGSTOP)
		tokens = append(tokens, clicks(edge).For(200*time.Millisecond).Tokens...)
		edge.Term()
		lock, err := conn.Begin(t.Context())
		must(t, err)
		_, err = lock.Exec(t.Context(), "LOCK TABLE session IN EXCLUSIVE MODE")
		must(t, err)
		hub.Signal(syscall.SIGCONT)
		await(t, "the hub to be in the middle of a transaction", func() bool {
			return number(t, lock.Conn(), "SELECT count(*) FROM pg_locks WHERE relation = 'session'::regclass AND NOT granted") > 0
		})
		line.BlackHole()
		before := cursor()
		must(t, lock.Rollback(t.Context()))
		await(t, "the hub to commit", func() bool { return cursor() > before })
		hub.Kill()
		line.Cut() // what it has sent into the black hole is gone with it
		line.Restore()

		committed := cursor()
		if told, _ := store.Client().HGet(t.Context(), cursorOf(origin), "cursor").Int(); told >= committed {
			t.Errorf("Redis was told of %d before the hub died; the ledger is at %d", told, committed)
		}
		hub.Restart()
		awaitKey(t, store, origin, "cursor", committed)
		awaitKey(t, store, origin, "settled", committed) // so that the edge hears of it as soon as it asks
		edge.Restart()
		await(t, "the edge to forget the origin", func() bool { return !slices.Contains(origins(t, edge), origin) })
	}
	hub.AwaitHealth()
	check.Acked(t, tokens, hub, edge)
}

// An edge without books learns its links from Redis, and knows them still when it starts while Redis is down.
func TestEdgeStartsWithoutRedis(t *testing.T) {
	store := servers.Redis(t)
	hub := caddy.Start(t, with(secret, through(store.Addr), embedded))
	edge := caddy.Start(t, strings.Replace(with(secret, through(store.Addr), "ledger none"), "link demo", "", 1))
	await(t, "the link to reach the edge", func() bool {
		snapshot, err := os.ReadFile(filepath.Join(edge.Dir, "affiliate", "links.jsonl"))
		return err == nil && strings.Contains(string(snapshot), `"demo"`)
	})
	var tokens []load.Token
	for range check.Times(1, 10) {
		edge.Kill()
		store.Kill()
		edge.Restart()
		clicked := clicks(edge).For(time.Second)
		unnoticed(t, "clicks without Redis", clicked)
		if len(clicked.Tokens) == 0 {
			t.Error("the edge does not know its link")
		}
		tokens = append(tokens, clicked.Tokens...)
		store.Restart()
		check.Acked(t, tokens, hub, edge)
	}
}

// connect opens a connection of the test's own.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// number asks a question that has a number for an answer; no answer is 0.
func number(t *testing.T, conn *pgx.Conn, question string, args ...any) int {
	t.Helper()
	var n *int
	must(t, conn.QueryRow(t.Context(), question, args...).Scan(&n))
	if n == nil {
		return 0
	}
	return *n
}
