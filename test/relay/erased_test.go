//go:build unix

package relay_test

import (
	"fmt"
	"slices"
	"testing"
)

// Hubs say who was erased, again where Redis has lost it, and edges learn of all of them.
func TestErased(t *testing.T) {
	f := start(t)
	ctx := t.Context()
	if list, err := f.relay.Erased(ctx); err != nil || len(list) != 0 {
		t.Errorf("before anybody is, %q are erased, %v", list, err)
	}
	var all []string
	for n := range 2500 {
		all = append(all, fmt.Sprintf("%064x", n))
	}
	tell := func(hashes []string, want int) {
		t.Helper()
		if err := f.relay.AddErased(ctx, hashes); err != nil {
			t.Fatal(err)
		}
		if n, err := f.relay.CountErased(ctx); err != nil || n != int64(want) {
			t.Errorf("%d are erased, %v, want %d", n, err, want)
		}
	}
	tell(nil, 0)
	tell(all[:1], 1)
	tell(all[:1], 1)
	tell(all, len(all))
	got, err := f.relay.Erased(ctx)
	if slices.Sort(got); err != nil || !slices.Equal(got, all) {
		t.Errorf("%d are erased, %v", len(got), err)
	}
	if err := f.redis.Set(ctx, "affiliate:erased", "a stranger's", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := f.relay.CountErased(ctx); err != nil || n != 0 {
		t.Errorf("a stranger's value counts as %d, %v", n, err)
	}
	if list, err := f.relay.Erased(ctx); err != nil || len(list) != 0 {
		t.Errorf("a stranger's value names %d, %v", len(list), err)
	}
	tell(all, len(all))
}
