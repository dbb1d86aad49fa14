package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// With nothing broken a session is in the ledger within a second, by way of journal, Redis and PostgreSQL.
func TestHealthy(t *testing.T) {
	p := caddy.Start(t, with(secret, through(servers.Redis(t).Addr), "ledger postgres "+servers.SharedPostgres(t).Database(t)))
	p.AwaitHealth()
	visitors := drive(t, p)
	var lag []time.Duration
	for range 10 {
		visitors.more(100)
		lag = append(lag, caughtUp(t, p, p))
	}
	tokens := visitors.stop()
	t.Logf("the ledger had all that was durable after %v", lag)
	check.Acked(t, tokens, p)
	if appended(p) != journalled(p) {
		t.Errorf("%.0f records were journalled and %.0f entries appended to streams", journalled(p), appended(p))
	}
}

// Redis is killed and comes back empty.
func TestRedisKilled(t *testing.T) {
	store := servers.Redis(t)
	p := caddy.Start(t, with(secret, through(store.Addr), embedded))
	visitors := drive(t, p)
	for range check.Times(3, 20) {
		visitors.more(100 + rand.IntN(500))
		store.Kill()
		visitors.more(500)
		store.Restart()
		t.Logf("caught up %s after redis was back", caughtUp(t, p, p))
	}
	tokens := visitors.stop()
	check.Acked(t, tokens, p)
}

// A replica whose link was cut is made the master: it lacks the end of the stream, and believes an older cursor.
func TestRedisReplicaPromoted(t *testing.T) {
	master := servers.Redis(t)
	line := servers.Proxy(t, master.Addr)
	edge, hub := apart(t, line.Addr)
	visitors := drive(t, edge)
	for range check.Times(1, 20) {
		link := servers.Proxy(t, master.Addr)
		replica := replicaThrough(t, link)
		visitors.more(300)
		cursor, follower := cursorOf(onlyOrigin(t, master)), replica.Client()
		await(t, "the replica to follow", func() bool { return follower.HExists(t.Context(), cursor, "cursor").Val() })
		link.Cut()
		visitors.more(300)
		behind := positionIn(t, replica)
		await(t, "the master's cursor to move on", func() bool { return positionIn(t, master).cursor > behind.cursor })
		hub.Signal(syscall.SIGSTOP)
		visitors.more(300)
		await(t, "the master's stream to move on", func() bool { return positionIn(t, master).last > behind.last })
		ahead := positionIn(t, master)
		behind = positionIn(t, replica)
		master.Kill()
		replica.Promote()
		line.Switch(replica.Addr)
		hub.Signal(syscall.SIGCONT)
		if behind.last >= ahead.last || behind.cursor >= ahead.cursor {
			t.Errorf("the replica does not lack anything: the master was at %+v, the replica at %+v", ahead, behind)
		}
		t.Logf("the replica lacked %d entries; caught up after %s", ahead.last-behind.last, caughtUp(t, edge, hub))
		master = replica
	}
	tokens := visitors.stop()
	check.Acked(t, tokens, hub, edge)
}

// replicaThrough starts a replica that replicates through the link, and returns when it has what the master had. The master sends
// what comes after that once the replica has acknowledged it, which may take a second.
func replicaThrough(t *testing.T, link *servers.FaultProxy) *servers.RedisServer {
	t.Helper()
	host, port, err := net.SplitHostPort(link.Addr)
	must(t, err)
	replica := servers.Redis(t, "--replicaof", host+" "+port)
	client := replica.Client()
	await(t, "the replica to catch up", func() bool {
		info, err := client.Info(context.Background(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	return replica
}

// position is where the stream ends, and the cursor beside it.
type position struct{ last, cursor int }

func positionIn(t *testing.T, store *servers.RedisServer) (at position) {
	t.Helper()
	client, origin := store.Client(), onlyOrigin(t, store)
	defer client.Close()
	stream, err := client.XInfoStream(t.Context(), eventsOf(origin)).Result()
	must(t, err)
	fmt.Sscanf(stream.LastGeneratedID, "%d-", &at.last)
	at.cursor, err = client.HGet(t.Context(), cursorOf(origin), "cursor").Int()
	must(t, err)
	return at
}

// Somebody takes things out of Redis or puts things in, while records wait there.
func TestRedisDamaged(t *testing.T) {
	store := servers.Redis(t)
	edge, hub := apart(t, store.Addr)
	client := store.Client()

	hub.Signal(syscall.SIGSTOP) // nothing is applied, so an empty Redis is no surprise to the edge
	visitors := drive(t, edge)
	must(t, client.FlushAll(t.Context()).Err())
	visitors.more(200)
	onlyOrigin(t, store) // or the hub would not find what the edge has appended since
	hub.Signal(syscall.SIGCONT)
	t.Logf("FLUSHALL before anything was applied: caught up after %s", caughtUp(t, edge, hub))

	for range check.Times(1, 5) {
		for _, damage := range []struct {
			name string
			do   func(c context.Context, stream string) error
		}{
			{"FLUSHALL", func(c context.Context, _ string) error { return client.FlushAll(c).Err() }},
			{"DEL of the stream", func(c context.Context, stream string) error { return client.Del(c, stream).Err() }},
			{"entries trimmed", func(c context.Context, stream string) error { return client.XTrimMaxLen(c, stream, 100).Err() }},
			{"an entry deleted", func(c context.Context, stream string) error { return deleteOne(c, client, stream) }},
			{"an entry added", func(c context.Context, stream string) error {
				return client.XAdd(c, &redis.XAddArgs{Stream: stream, Values: []string{"who", "a stranger"}}).Err()
			}},
			{"an entry put in the place of the next", func(c context.Context, stream string) error { return foist(c, client, stream) }},
		} {
			before, damaged := resets(edge), hub.Metrics()["caddy_affiliate_relay_damaged_entries_total"]
			hub.Signal(syscall.SIGSTOP)
			visitors.more(500)
			must(t, damage.do(t.Context(), eventsOf(onlyOrigin(t, store))))
			visitors.more(200)
			hub.Signal(syscall.SIGCONT)
			took := caughtUp(t, edge, hub)
			t.Logf("%s: caught up after %s, %.0f streams begun anew, %.0f entries thrown out", damage.name, took,
				resets(edge)-before, hub.Metrics()["caddy_affiliate_relay_damaged_entries_total"]-damaged)
			if resets(edge) == before {
				t.Errorf("%s: the edge did not notice", damage.name)
			}
		}
	}
	tokens := visitors.stop()
	check.Acked(t, tokens, hub, edge)
}

// deleteOne deletes an entry from the middle of the stream.
func deleteOne(ctx context.Context, client redis.UniversalClient, stream string) error {
	entries, err := client.XRangeN(ctx, stream, "-", "+", 50).Result()
	if err != nil {
		return err
	}
	return client.XDel(ctx, stream, entries[len(entries)/2].ID).Err()
}

// foist adds a copy of the first entry under the number that is the edge's next.
func foist(ctx context.Context, client redis.UniversalClient, stream string) error {
	entries, err := client.XRangeN(ctx, stream, "-", "+", 1).Result()
	if err != nil {
		return err
	}
	for {
		info, err := client.XInfoStream(ctx, stream).Result()
		if err != nil {
			return err
		}
		var last int
		fmt.Sscanf(info.LastGeneratedID, "%d-", &last)
		err = client.XAdd(ctx, &redis.XAddArgs{Stream: stream, ID: fmt.Sprintf("%d-0", last+1), Values: entries[0].Values}).Err()
		if err == nil || !strings.Contains(err.Error(), "equal or smaller") { // the edge was faster
			return err
		}
	}
}

// Redis is there and does not do what it is asked.
func TestRedisUnwilling(t *testing.T) {
	store := servers.Redis(t)
	line := servers.Proxy(t, store.Addr)
	edge, hub := apart(t, line.Addr)
	client := store.Client()
	visitors := drive(t, edge)
	for range check.Times(1, 10) {
		store.Stop()
		time.Sleep(10 * time.Second)
		store.Cont()
		t.Logf("stopped for 10 s: caught up after %s", caughtUp(t, edge, hub))

		fillRedis(t, visitors, hub, client)
		t.Logf("out of memory: caught up after %s, with the limit as it was", caughtUp(t, edge, hub))
		must(t, client.ConfigSet(t.Context(), "maxmemory", "0").Err())

		must(t, client.SlaveOf(t.Context(), "127.0.0.1", "1").Err())
		awaitMore(t, edge, `caddy_affiliate_relay_calls_total{operation="append",result="error"}`)
		visitors.more(500)
		must(t, client.SlaveOf(t.Context(), "NO", "ONE").Err())
		t.Logf("READONLY: caught up after %s", caughtUp(t, edge, hub))

		lost := line.Lost()
		line.DropReplies(func(int) bool { return rand.IntN(10) == 0 })
		visitors.more(3000)
		line.DropReplies(nil)
		t.Logf("one reply in ten cut: %d lost, caught up after %s", line.Lost()-lost, caughtUp(t, edge, hub))
	}
	tokens := visitors.stop()
	check.Acked(t, tokens, hub, edge)
}

// fillRedis holds the hub up until Redis, with room for little more than it has, refuses to take more, and there is more to
// ship than Redis would have room for even if it were empty.
func fillRedis(t *testing.T, visitors *traffic, hub *caddy.Process, client redis.UniversalClient) {
	t.Helper()
	info, err := client.InfoMap(t.Context(), "memory").Result()
	must(t, err)
	var used int
	fmt.Sscan(info["Memory"]["used_memory"], &used)
	must(t, client.ConfigSet(t.Context(), "maxmemory", fmt.Sprint(used+1<<20)).Err())
	hub.Signal(syscall.SIGSTOP)
	awaitMore(t, visitors.edge, `caddy_affiliate_relay_calls_total{operation="append",result="full"}`)
	visitors.more(2000)
	hub.Signal(syscall.SIGCONT)
}

// Into a Redis that may evict any key nothing is shipped: an error says so once, the site serves, the journal keeps all.
func TestRedisEvicts(t *testing.T) {
	store := servers.Redis(t)
	client := store.Client()
	p := caddy.New(t, with(secret, through(store.Addr), embedded))
	for n := range check.Times(1, 10) {
		must(t, client.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
		must(t, client.FlushAll(t.Context()).Err())
		p.Restart()
		visitors := drive(t, p)
		visitors.more(1000)
		if keys, err := client.Keys(t.Context(), "affiliate:{*").Result(); err != nil || len(keys) > 0 {
			t.Errorf("redis has %v, %v", keys, err)
		}
		if said := strings.Count(p.Logs(), "redis may evict any key"); said != n+1 {
			t.Errorf("the error was logged %d times in %d lives", said, n+1)
		}
		must(t, client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
		visitors.more(100)
		tokens := visitors.stop()
		check.Acked(t, tokens, p)
		p.Term()
	}
}
