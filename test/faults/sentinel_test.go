package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// Behind Sentinels the master is killed, and the next one stops to answer and comes to itself when another is the master: a
// replica takes over, whatever it lacks, and nobody has to tell the edge or the hub where Redis is now.
func TestSentinelFailover(t *testing.T) {
	master := servers.Redis(t)
	stores := map[string]*servers.RedisServer{master.Addr: master}
	for range 2 {
		replica := master.Replica(t)
		stores[replica.Addr] = replica
	}
	sentinels := servers.Sentinels(t, master, 3)
	edge, hub := joined(t, "redis "+strings.Join(sentinels.Addrs, " ")+" {\nmaster "+sentinels.Name+"\n}")
	visitors := drive(t, edge)
	for range check.Times(1, 10) {
		for _, fault := range []struct {
			name    string
			do, end func(*servers.RedisServer)
		}{
			{"killed", (*servers.RedisServer).Kill, (*servers.RedisServer).Restart}, // it comes back empty, and is made a replica
			{"frozen", (*servers.RedisServer).Stop, (*servers.RedisServer).Cont},    // it still takes itself for the master
		} {
			visitors.more(300)
			sentinels.AwaitReplica()
			was, began := sentinels.Master(), time.Now()
			fault.do(stores[was])
			await(t, "a replica to be the master", func() bool { return sentinels.Master() != was })
			promoted := time.Since(began).Round(time.Millisecond)
			fault.end(stores[was])
			visitors.more(300)
			t.Logf("%s: another master after %s, caught up %s after that", fault.name, promoted, caughtUp(t, edge, hub))
		}
	}
	tokens := visitors.stop()
	check.Acked(t, tokens, hub, edge)
}
