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

// Shard returns which of the nodes, all masters of one cluster, has the key's slot, and the slot.
func Shard(t testing.TB, nodes []*RedisServer, key string) (at, slot int) {
	t.Helper()
	c := nodes[0].Client()
	defer c.Close()
	n, err := c.ClusterKeySlot(context.Background(), key).Result()
	must(t, err)
	ranges, err := c.ClusterSlots(context.Background()).Result()
	must(t, err)
	for _, r := range ranges {
		for i, node := range nodes {
			if int(n) >= r.Start && int(n) <= r.End && r.Nodes[0].Addr == node.Addr {
				return i, int(n)
			}
		}
	}
	t.Fatalf("no master has the slot of %s", key)
	return 0, 0
}

// SlotMove is a slot on its way from one master to another while both serve: what has moved is asked for there, what has
// not still here.
type SlotMove struct {
	t        testing.TB
	nodes    []*RedisServer
	from, to *RedisServer
	id       string // of the master that gets the slot
	slot     int
}

// MoveSlot begins to move the key's slot to the master after the one that has it.
func MoveSlot(t testing.TB, nodes []*RedisServer, key string) *SlotMove {
	t.Helper()
	at, slot := Shard(t, nodes, key)
	m := &SlotMove{t: t, nodes: nodes, from: nodes[at], to: nodes[(at+1)%len(nodes)], slot: slot}
	m.id = m.to.id()
	m.to.do("CLUSTER", "SETSLOT", slot, "IMPORTING", m.from.id())
	m.from.do("CLUSTER", "SETSLOT", slot, "MIGRATING", m.id)
	return m
}

// Keys moves the keys that are there now.
func (m *SlotMove) Keys() (moved int) {
	m.t.Helper()
	c := m.from.Client()
	defer c.Close()
	keys, err := c.ClusterGetKeysInSlot(context.Background(), m.slot, 1000).Result()
	must(m.t, err)
	host, port, _ := strings.Cut(m.to.Addr, ":")
	for _, key := range keys {
		m.from.do("MIGRATE", host, port, key, 0, 5000, "REPLACE")
	}
	return len(keys)
}

// Done makes the slot the other master's, after the keys that came meanwhile have moved too.
func (m *SlotMove) Done() {
	m.t.Helper()
	for m.Keys() > 0 {
	}
	m.to.do("CLUSTER", "SETSLOT", m.slot, "NODE", m.id)
	for _, node := range m.nodes {
		node.do("CLUSTER", "SETSLOT", m.slot, "NODE", m.id)
	}
}

func (r *RedisServer) id() string {
	r.t.Helper()
	c := r.Client()
	defer c.Close()
	id, err := c.Do(context.Background(), "CLUSTER", "MYID").Text()
	must(r.t, err)
	return id
}
