//go:build unix

package relay_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
)

func (f fixture) length(key string) int64 {
	f.Helper()
	n, err := f.redis.XLen(f.Context(), key).Result()
	f.must(err)
	return n
}

func TestADamagedEntryIsAHole(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 2)
	f.do("XADD", events, "3-0", "v", "1", "crc", "00000000", "kind", "click")
	f.ship(3, 4, 5)
	f.reads("stops before it", 0, 1, 1, 2)
	if f.length(events) != 4 {
		t.Fatal("the damaged entry is still there")
	}
	f.poll("so the edge sees that one is missing", relay.Answer{Last: 5, First: 1, Len: 4, Cursor: -1, Settled: -1})
	f.reads("it is counted once", 0, 0, 1, 2, 4, 5)
	f.expect("the edge sends the true one", relay.Call{Expected: 5, Reset: true, Entries: entries(1, 5)},
		relay.Answer{OK: true, Last: 5, First: 1, Len: 5, Cursor: -1, Settled: -1})
	f.reads("healed", 0, 0, 1, 2, 3, 4, 5)
}

func TestAnEntryOfAnotherPlaceIsAHole(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 1)
	first := f.do("XRANGE", events, "-", "+").([]any)[0].([]any)
	fields := first[1].([]any) // in their order: only the number refuses it
	f.do(append([]any{"XADD", events, "2-0"}, fields...)...)
	f.reads("the copy does not count", 0, 1, 1)
}

func TestAStrangersEntriesAreRemoved(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 2)
	f.do("XADD", events, "2-1", "x", "y")
	f.do("XADD", events, "*", "x", "y")
	f.reads("they take nobody's place", 0, 2, 1, 2)
	if f.length(events) != 2 {
		t.Fatal("a stranger's entry is still there")
	}
}

func TestAnOldDiskParksWhatOnlyRedisHas(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 8)
	f.commit(3, 0)
	f.do("EXPIRE", events, 1000) // a stranger's
	// An older copy of the disk, which has 1 to 5, begins again.
	f.expect("reset", relay.Call{Expected: 8, Reset: true, Old: true, Entries: entries(4, 5)},
		relay.Answer{OK: true, Last: 5, First: 4, Len: 2, Cursor: 3})
	if names := f.parkedStreams(); len(names) != 1 || f.length(names[0]) != 5 || !f.forever(names[0]) {
		t.Fatalf("parked: %v", names)
	}
	f.reads("both, each number once", 3, 0, 4, 5, 6, 7, 8)
	list, _ := f.few(3, 3)
	if len(list) != 3 || list[2].Seq != 6 {
		t.Fatalf("three of them: %v", list)
	}

	f.commit(6, 0)
	f.must(f.relay.DropParked(t.Context(), origin, 6))
	f.reads("what the cursor has not passed stays", 6, 0, 7, 8)
	f.must(f.relay.DropParked(t.Context(), origin, 8))
	if names := f.parkedStreams(); len(names) != 0 {
		t.Fatalf("still parked: %v", names)
	}
	if f.do("EXISTS", parked) != int64(0) {
		t.Fatal("the index is still there")
	}
}

func TestSeveralParkedStreams(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 4)
	for range 2 {
		for { // two resets in one millisecond: the second is refused rather than overwrite
			a := f.call(relay.Call{})
			if f.call(relay.Call{Expected: a.Last, Reset: true, Old: true, Entries: entries(1, a.Last-1)}).OK {
				break
			}
		}
	}
	if names := f.parkedStreams(); len(names) != 2 {
		t.Fatalf("parked: %v", names)
	}
	f.reads("all of them together", 0, 0, 1, 2, 3, 4)
}

func TestADamagedParkedEntryIsRemoved(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 2)
	f.do("XADD", events, "3-0", "x", "y")
	f.call(relay.Call{Expected: 3, Reset: true, Old: true, Entries: entries(1, 1)})
	f.reads("2 from there, 3 from nowhere", 0, 1, 1, 2)
	f.must(f.relay.DropParked(t.Context(), origin, 2))
	if names := f.parkedStreams(); len(names) != 0 {
		t.Fatalf("held by a damaged entry: %v", names)
	}
}

func TestAnEmptyStreamIsNotParked(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 2)
	f.commit(2, 0)
	f.expect("reset", relay.Call{Expected: 2, Reset: true, Old: true, Entries: entries(1, 2)}, relay.Answer{OK: true, Last: 2, First: 1, Len: 2, Cursor: 2})
	if names := f.parkedStreams(); len(names) != 0 {
		t.Fatalf("parked: %v", names)
	}
}

func TestAdoptFindsWhatNobodyAnnounced(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 3)
	f.expect("parked", relay.Call{Expected: 3, Reset: true, Old: true, Entries: entries(1, 1)}, relay.Answer{OK: true, Last: 1, First: 1, Len: 1, Cursor: -1, Settled: -1})
	f.do("DEL", parked)
	f.do("SET", "affiliate:{other}:events", "no stream")
	f.do("XADD", "affiliate:{no origin}:events", "1-0", "x", "y")
	f.must(f.relay.Announce(t.Context(), "known"))
	_, err := f.relay.Append(t.Context(), relay.Call{Origin: "known", Entries: entries(1, 1)})
	f.must(err)

	adopted, err := f.relay.Adopt(t.Context())
	f.must(err)
	if !slices.Equal(adopted, []string{origin}) {
		t.Fatalf("adopted %v", adopted)
	}
	f.reads("its parked streams too", 0, 0, 1, 2, 3)
	if adopted, err = f.relay.Adopt(t.Context()); err != nil || len(adopted) != 0 {
		t.Fatalf("again: %v, %v", adopted, err)
	}
}

func TestAdoptDropsTheIdle(t *testing.T) {
	f := start(t)
	now := time.Now()
	score := func(ago time.Duration) float64 { return float64(now.Add(-ago).UnixMilli()) }
	f.must(f.redis.ZAdd(t.Context(), "affiliate:origins",
		redis.Z{Member: "young", Score: score(6 * 24 * time.Hour)},
		redis.Z{Member: "idle", Score: score(8 * 24 * time.Hour)},
		redis.Z{Member: "stranger's {member}", Score: 5},
		redis.Z{Member: origin, Score: score(8 * 24 * time.Hour)},
	).Err())
	f.ship(0, 1, 1)
	_, err := f.relay.Adopt(t.Context())
	f.must(err)
	members := f.redis.ZRange(t.Context(), "affiliate:origins", 0, -1).Val()
	slices.Sort(members)
	if !slices.Equal(members, []string{origin, "young"}) {
		t.Fatalf("announced: %v", members)
	}
}

func TestAnnounceUsesTheServersTime(t *testing.T) {
	f := start(t)
	f.must(f.redis.ZAdd(t.Context(), "affiliate:origins", redis.Z{Member: origin, Score: 5}).Err())
	f.must(f.relay.Announce(t.Context(), origin))
	score := f.redis.ZScore(t.Context(), "affiliate:origins", origin).Val()
	at := f.redis.Time(t.Context()).Val().UnixMilli()
	if int64(score) > at || int64(score) < at-10_000 {
		t.Fatalf("score %s at %d", strconv.FormatFloat(score, 'f', 0, 64), at)
	}
}
