package faults

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// Three edges ship through a Redis Cluster of three masters. While visitors come, the slot of an origin moves to another
// master key by key, and so does that of the list of origins; then a master is killed and comes back empty.
func TestCluster(t *testing.T) {
	nodes := servers.RedisCluster(t, 3)
	addrs := []string{nodes[0].Addr, nodes[1].Addr, nodes[2].Addr}
	cluster := "redis " + strings.Join(addrs, " ") + " {\ncluster\n}"
	edge, hub := joined(t, cluster)
	edges := []*caddy.Process{edge}
	for range 2 {
		edges = append(edges, caddy.Start(t, with(secret, cluster, "ledger none")))
	}
	var others []*load.Run
	for _, e := range edges[1:] {
		others = append(others, load.Load{URL: e.URL + "/?via=demo", Rate: 100}.Start())
	}
	visitors := drive(t, edge)
	for range check.Times(1, 10) {
		visitors.more(300)
		for _, key := range []string{eventsOf(origins(t, edge)[0]), "affiliate:origins"} {
			at, _ := servers.Shard(t, nodes, key)
			move := servers.MoveSlot(t, nodes, key)
			visitors.more(100)
			moved := move.Keys()
			visitors.more(200)
			move.Done()
			t.Logf("the slot of %s has moved from master %d with %d keys: caught up after %s", kindOf(key), at, moved, caughtUp(t, edge, hub))
		}

		at, _ := servers.Shard(t, nodes, eventsOf(origins(t, edge)[0]))
		nodes[at].Kill()
		visitors.more(300)
		nodes[at].Restart()
		t.Logf("master %d was killed and is back empty: caught up after %s", at, caughtUp(t, edge, hub))
	}
	tokens := visitors.stop()
	for _, run := range others {
		result := run.Stop()
		unnoticed(t, "clicks on another edge", result)
		tokens = append(tokens, result.Tokens...)
	}
	check.Acked(t, tokens, hub, edges...)
	inCluster(t, addrs, edges)
}

// kindOf is the key without the origin's name.
func kindOf(key string) string {
	if strings.HasSuffix(key, ":events") {
		return "a stream"
	}
	return key
}

// inCluster fails the test unless the origin of each edge is announced.
func inCluster(t *testing.T, addrs []string, edges []*caddy.Process) {
	t.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	defer client.Close()
	names, err := client.ZRange(t.Context(), "affiliate:origins", 0, -1).Result()
	must(t, err)
	for _, e := range edges {
		if origin := origins(t, e)[0]; !slices.Contains(names, origin) {
			t.Errorf("origin %s is not announced among %v", origin, names)
		}
	}
}
