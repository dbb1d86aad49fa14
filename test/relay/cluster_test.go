//go:build unix

package relay_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// Three masters hold different origins: every script must keep to one slot, and a walk over the keys must see all.
func TestCluster(t *testing.T) {
	var addrs []string
	for _, node := range servers.RedisCluster(t, 3) {
		addrs = append(addrs, node.Addr)
	}
	r := relay.Open(&redis.UniversalOptions{Addrs: addrs})
	defer r.Close()
	var names []string
	var positions []relay.Position
	for i := range 8 {
		name := fmt.Sprintf("origin-%d", i)
		names, positions = append(names, name), append(positions, relay.Position{Origin: name})
		if i%2 == 0 {
			if err := r.Announce(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Append(t.Context(), relay.Call{Origin: name, Entries: entries(1, 3)}); err != nil {
			t.Fatal(err)
		}
		a, err := r.Append(t.Context(), relay.Call{Origin: name, Expected: 3, Reset: true, Old: true, Entries: entries(1, 1)})
		if err != nil || !a.OK {
			t.Fatalf("parking: %+v, %v", a, err)
		}
	}
	adopted, err := r.Adopt(t.Context())
	if err != nil || len(adopted) != 4 {
		t.Fatalf("adopted %v, %v", adopted, err)
	}
	origins, err := r.Origins(t.Context())
	slices.Sort(origins)
	if err != nil || !slices.Equal(origins, names) {
		t.Fatalf("announced %v, %v", origins, err)
	}
	for _, b := range r.ReadAll(t.Context(), positions, 100) {
		if b.Err != nil || len(b.Entries) != 3 || b.Holes != 0 {
			t.Errorf("%s: %d entries, %d holes, %v", b.Origin, len(b.Entries), b.Holes, b.Err)
		}
	}
	for _, name := range names {
		if ok, err := r.PublishPass(t.Context(), name, -1, 3, 2); !ok || err != nil {
			t.Errorf("pass over %s: %v, %v", name, ok, err)
		}
		if err := r.DropParked(t.Context(), name, 3); err != nil {
			t.Error(err)
		}
	}
	keys, err := r.Keys(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if k.Cursor != 3 || k.Settled != 2 {
			t.Errorf("key of %s: %d %d", k.Origin, k.Cursor, k.Settled)
		}
	}
	if err := r.PublishLinks(t.Context(), "ledger", 1, []byte("table")); err != nil {
		t.Error(err)
	}
	if policy, evicts, err := r.Policy(t.Context()); policy != "noeviction" || evicts || err != nil {
		t.Errorf("policy %q %v %v", policy, evicts, err)
	}
}
