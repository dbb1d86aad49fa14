//go:build unix

package servers

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
)

// slots is how many hash slots every Redis Cluster has.
const slots = 16384

// RedisCluster starts a Redis Cluster of that many masters, without replicas, and returns them when they agree.
func RedisCluster(t testing.TB, masters int) []*RedisServer {
	t.Helper()
	nodes := make([]*RedisServer, masters)
	for i := range nodes {
		bus, err := freePort() // the default is 10,000 above the node's own, where outgoing connections are
		if err != nil {
			t.Fatal(err)
		}
		n := Redis(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus))
		nodes[i] = n
		n.do("CLUSTER", "ADDSLOTSRANGE", i*slots/masters, (i+1)*slots/masters-1)
		n.do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		host, port, _ := strings.Cut(n.Addr, ":")
		if i > 0 {
			nodes[0].do("CLUSTER", "MEET", host, port, bus)
		}
	}
	for _, n := range nodes {
		c := n.Client()
		n.must(n.p.await(func() error {
			info, err := c.ClusterInfo(context.Background()).Result()
			if err == nil && !(strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:"+strconv.Itoa(slots))) {
				err = errors.New("the cluster has not formed")
			}
			return err
		}))
	}
	return nodes
}

func (r *RedisServer) do(args ...any) {
	r.t.Helper()
	c := r.Client()
	defer c.Close()
	r.must(c.Do(context.Background(), args...).Err())
}
