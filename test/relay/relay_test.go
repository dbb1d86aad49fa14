//go:build unix

// Package relay_test runs storage/relay against a real Redis. The cases of the scripts are those that the protocol's model
// was checked with.
package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	origin = "0199f1a0-0000-7000-8000-000000000001"
	events = "affiliate:{" + origin + "}:events"
	cursor = "affiliate:{" + origin + "}:cursor"
	parked = "affiliate:{" + origin + "}:parked"
)

// fixture is a relay, and a client of its Redis that plays the stranger.
type fixture struct {
	*testing.T
	relay  *relay.Relay
	redis  redis.UniversalClient
	server *servers.RedisServer
}

func start(t *testing.T, args ...string) fixture {
	t.Helper()
	server := servers.Redis(t, args...)
	r := relay.Open(server.Options())
	t.Cleanup(func() { r.Close() })
	return fixture{t, r, server.Client(), server}
}

// payload is the record of that number, the same each time, and not that of another number.
func payload(seq uint64) []byte {
	s := tracker.Session{
		ID: tracker.SessionID{0: byte(seq >> 8), 1: byte(seq), 6: 0x70, 8: 0x80}, Network: "default", Code: "demo",
		Time: time.UnixMilli(1_790_000_000_000 + int64(seq)), Class: tracker.ClassHuman, Host: "shop.example.com", Route: "/",
		Query: fmt.Sprintf("via=demo&n=%d", seq),
	}
	return s.AppendRecord(nil)
}

func entries(from, to uint64) (list []tracker.Entry) {
	for seq := from; seq <= to; seq++ {
		list = append(list, tracker.Entry{Seq: seq, Payload: payload(seq)})
	}
	return list
}

func (f fixture) call(c relay.Call) relay.Answer {
	f.Helper()
	c.Origin = origin
	a, err := f.relay.Append(f.Context(), c)
	if err != nil {
		f.Fatal(err)
	}
	return a
}

// expect makes a call and compares its whole answer but for End, which has a test of its own.
func (f fixture) expect(what string, c relay.Call, want relay.Answer) {
	f.Helper()
	got := f.call(c)
	if got.End = (relay.End{}); got != want {
		f.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func (f fixture) poll(what string, want relay.Answer) {
	f.Helper()
	f.expect(what, relay.Call{}, want)
}

// ship appends entries from … to after expected.
func (f fixture) ship(expected, from, to uint64) {
	f.Helper()
	if a := f.call(relay.Call{Expected: expected, Entries: entries(from, to)}); !a.OK {
		f.Fatalf("shipping %d to %d: %+v", from, to, a)
	}
}

func (f fixture) commit(cursor, settled uint64) {
	f.Helper()
	f.must(f.relay.PublishCommit(f.Context(), origin, cursor, settled))
}

func (f fixture) pass(seen int64, cursor, settled uint64) bool {
	f.Helper()
	ok, err := f.relay.PublishPass(f.Context(), origin, seen, cursor, settled)
	f.must(err)
	return ok
}

func (f fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// do sends a command as a stranger would.
func (f fixture) do(args ...any) any {
	f.Helper()
	reply, err := f.redis.Do(f.Context(), args...).Result()
	if err != nil {
		f.Fatalf("%v: %v", args, err)
	}
	return reply
}

// few reads at most count entries.
func (f fixture) few(after uint64, count int) (entries []tracker.Entry, holes int) {
	f.Helper()
	b := f.relay.ReadAll(f.Context(), []relay.Position{{Origin: origin, After: after}}, count)[0]
	f.must(b.Err)
	return b.Entries, b.Holes
}

// published returns the origin's cursor and settled, -1 for what is absent.
func (f fixture) published() (cursor, settled int64) {
	f.Helper()
	keys, err := f.relay.Keys(f.Context(), []string{origin})
	f.must(err)
	return keys[0].Cursor, keys[0].Settled
}

// read reads all, checks each payload and returns the numbers.
func (f fixture) read(after uint64) (seqs []uint64, holes int) {
	f.Helper()
	list, holes := f.few(after, 1000)
	for _, e := range list {
		if !bytes.Equal(e.Payload, payload(e.Seq)) {
			f.Fatalf("entry %d is %q", e.Seq, e.Payload)
		}
		seqs = append(seqs, e.Seq)
	}
	return seqs, holes
}

// reads compares what a read finds.
func (f fixture) reads(what string, after uint64, holes int, want ...uint64) {
	f.Helper()
	got, gotHoles := f.read(after)
	if !slices.Equal(got, want) || gotHoles != holes {
		f.Fatalf("%s: read %v and %d holes, want %v and %d", what, got, gotHoles, want, holes)
	}
}

func (f fixture) parkedStreams() []string {
	f.Helper()
	names, err := f.redis.Keys(f.Context(), parked+":*").Result()
	f.must(err)
	return names
}

// sevenDays reports whether the key expires in seven days, less the time of the test.
func (f fixture) sevenDays(key string) bool {
	f.Helper()
	ttl, err := f.redis.PTTL(f.Context(), key).Result()
	f.must(err)
	return ttl > 7*24*time.Hour-time.Minute && ttl <= 7*24*time.Hour
}

func (f fixture) forever(key string) bool {
	f.Helper()
	ttl, err := f.redis.PTTL(f.Context(), key).Result()
	f.must(err)
	return ttl == -1
}

func TestRecordsGoThrough(t *testing.T) {
	f := start(t)
	f.must(f.relay.Announce(t.Context(), origin))
	f.ship(0, 1, 5)
	origins, err := f.relay.Origins(t.Context())
	f.must(err)
	if !slices.Equal(origins, []string{origin}) {
		t.Fatalf("announced: %v", origins)
	}
	f.reads("all", 0, 0, 1, 2, 3, 4, 5)
	f.reads("after the cursor", 3, 0, 4, 5)
	f.reads("nothing due", 5, 0)
	list, _ := f.few(1, 2)
	if len(list) != 2 || list[0].Seq != 2 || list[1].Seq != 3 {
		t.Fatalf("two after 1: %v", list)
	}
}

func TestReadAllAnswersEachOriginInItsPlace(t *testing.T) {
	f := start(t)
	for i := range 3 {
		name := fmt.Sprintf("o%d", i)
		_, err := f.relay.Append(t.Context(), relay.Call{Origin: name, Entries: entries(1, uint64(i+1))})
		f.must(err)
	}
	batches := f.relay.ReadAll(t.Context(), []relay.Position{{Origin: "o2"}, {Origin: "nobody"}, {Origin: "o1", After: 1}, {Origin: "o0"}}, 100)
	for i, want := range []int{3, 0, 1, 1} {
		if b := batches[i]; b.Err != nil || len(b.Entries) != want {
			t.Errorf("batch %d: %d entries, %v; want %d", i, len(b.Entries), b.Err, want)
		}
	}
	keys, err := f.relay.Keys(t.Context(), []string{"o1", "nobody"})
	f.must(err)
	want := []relay.Key{{Origin: "o1", Cursor: -1, Settled: -1, First: 1}, {Origin: "nobody", Cursor: -1, Settled: -1}}
	if !slices.Equal(keys, want) {
		t.Errorf("keys %+v", keys)
	}
}

// The entry's fields are a contract with every Redis client, so this test uses none of our own reading.
func TestEntriesAreReadableByAnyClient(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 1)
	list, err := f.redis.XRange(t.Context(), events, "-", "+").Result()
	f.must(err)
	if len(list) != 1 || list[0].ID != "1-0" {
		t.Fatalf("%v", list)
	}
	for name, want := range map[string]string{
		"v": "1", "crc": fmt.Sprintf("%08x", tracker.Checksum(origin, 1, payload(1))),
		"kind": "click", "network": "default", "code": "demo", "class": "human", "time": "1790000000001",
		"host": "shop.example.com", "route": "/", "query": "via=demo&n=1", "id": "00010000-0000-7000-8000-000000000000",
	} {
		if got := list[0].Values[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestBigBatch(t *testing.T) {
	f := start(t)
	var list []tracker.Entry
	for seq := uint64(1); seq <= 5000; seq++ {
		s := tracker.Session{ID: tracker.NewSessionID(time.UnixMilli(1)), Query: strings.Repeat("q", 300), Network: "default", Code: "c"}
		list = append(list, tracker.Entry{Seq: seq, Payload: s.AppendRecord(nil)})
	}
	begin := time.Now()
	f.expect("5,000 entries", relay.Call{Entries: list}, relay.Answer{OK: true, Last: 5000, First: 1, Len: 5000, Cursor: -1, Settled: -1})
	appended := time.Now()
	got, holes := f.few(0, 5000)
	t.Logf("5,000 entries of %d bytes: appended in %v, read in %v", len(list[0].Payload), appended.Sub(begin), time.Since(appended))
	if holes != 0 || !slices.EqualFunc(got, list, func(a, b tracker.Entry) bool { return a.Seq == b.Seq && bytes.Equal(a.Payload, b.Payload) }) {
		t.Fatalf("%d entries came back, %d holes", len(got), holes)
	}
}

func TestLinks(t *testing.T) {
	f := start(t)
	if id, version, err := f.relay.LinksVersion(t.Context()); id != "" || version != 0 || err != nil {
		t.Fatalf("nothing published: %q %d %v", id, version, err)
	}
	if version, table, err := f.relay.Links(t.Context()); version != 0 || table != nil || err != nil {
		t.Fatalf("nothing published: %d %q %v", version, table, err)
	}
	f.do("SET", "affiliate:links", "a stranger's")
	if id, _, err := f.relay.LinksVersion(t.Context()); id != "" || err != nil {
		t.Fatalf("a stranger's value: %q %v", id, err)
	}
	f.must(f.relay.PublishLinks(t.Context(), "ledger-1", 7, []byte("a\x00b")))
	f.must(f.relay.PublishLinks(t.Context(), "ledger-1", 6, []byte("older ledger")))
	id, version, err := f.relay.LinksVersion(t.Context())
	if id != "ledger-1" || version != 6 || err != nil {
		t.Fatalf("published: %q %d %v", id, version, err)
	}
	if version, table, err := f.relay.Links(t.Context()); version != 6 || string(table) != "older ledger" || err != nil {
		t.Fatalf("published: %d %q %v", version, table, err)
	}
}

func TestPolicyThatEvictsIsSeen(t *testing.T) {
	for policy, want := range map[string]bool{"noeviction": false, "volatile-lru": false, "allkeys-lru": true, "allkeys-random": true} {
		f := start(t, "--maxmemory-policy", policy) // no limit set: it may be any day
		got, evicts, err := f.relay.Policy(t.Context())
		if got != policy || evicts != want || err != nil {
			t.Errorf("%s: %q %v %v", policy, got, evicts, err)
		}
	}
}

func TestAFrozenRedisIsGivenUpAtTheDeadline(t *testing.T) {
	f := start(t)
	f.poll("alive", relay.Answer{Cursor: -1, Settled: -1})
	f.server.Stop()
	took := time.Hour
	for range 3 { // a machine that stands still for a moment makes one of them late
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, err := f.relay.Append(ctx, relay.Call{Origin: origin, Entries: entries(1, 1)}); err == nil {
			t.Fatal("a frozen Redis answered")
		}
		took = min(took, time.Since(begin))
	}
	if took > 2*time.Second {
		t.Fatalf("a deadline of 100 ms took %v each time", took)
	}
	f.server.Cont()
	// E6: the late call is done or not; the same again does it once at most.
	f.call(relay.Call{Entries: entries(1, 1)})
	f.reads("once", 0, 0, 1)
	f.poll("once", relay.Answer{Last: 1, First: 1, Len: 1, Cursor: -1, Settled: -1})
}

func TestALostReplyAppendsNothingTwice(t *testing.T) {
	server := servers.Redis(t)
	proxy := servers.Proxy(t, server.Addr)
	r := relay.Open(&redis.UniversalOptions{Addrs: []string{proxy.Addr}})
	defer r.Close()
	f := fixture{t, r, server.Client(), server}
	chance := rand.New(rand.NewPCG(1, 2))
	proxy.DropReplies(func(int) bool { return chance.IntN(4) == 0 })
	var last uint64
	deadline := time.Now().Add(20 * time.Second)
	for last < 50 && time.Now().Before(deadline) {
		a, err := r.Append(t.Context(), relay.Call{Origin: origin, Expected: last, Entries: entries(last+1, last+5)})
		if err == nil {
			last = a.Last
		}
	}
	if last < 50 || proxy.Lost() == 0 {
		t.Fatalf("arrived at %d with %d replies lost", last, proxy.Lost())
	}
	proxy.DropReplies(nil)
	a := f.call(relay.Call{})
	if a.Len != a.Last || a.First != 1 {
		t.Fatalf("entries are doubled or missing: %+v", a)
	}
	if got, holes := f.read(0); uint64(len(got)) != a.Last || holes != 0 {
		t.Fatalf("read %v, %d holes", got, holes)
	}
}
