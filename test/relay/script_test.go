//go:build unix

package relay_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestPollOfNothing(t *testing.T) {
	start(t).poll("nothing there", relay.Answer{Cursor: -1, Settled: -1})
}

func TestAppendOnlyWhereTheStreamEndsAsExpected(t *testing.T) {
	f := start(t)
	first := relay.Call{Entries: entries(1, 3)}
	f.expect("append 1 to 3", first, relay.Answer{OK: true, Last: 3, First: 1, Len: 3, Cursor: -1, Settled: -1})
	f.expect("the same again", first, relay.Answer{Last: 3, First: 1, Len: 3, Cursor: -1, Settled: -1})
	f.commit(2, 0)
	f.poll("after a commit at 2", relay.Answer{Last: 3, First: 3, Len: 1, Cursor: 2, Settled: 0})
	f.reads("each once", 2, 0, 3)
}

func TestAppendAfterTheCursorWhereTheStreamIsGone(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 5)
	f.commit(5, 5)
	f.do("FLUSHALL")
	f.poll("after FLUSHALL", relay.Answer{Cursor: -1, Settled: -1})
	f.expect("append 6", relay.Call{Entries: entries(6, 6)}, relay.Answer{OK: true, Last: 6, First: 6, Len: 1, Cursor: -1, Settled: -1})
}

// A value's length stands before it in one of four forms; a wrong one would shift all that follows.
func TestValuesOfEveryLengthArrive(t *testing.T) {
	f := start(t)
	var sent []tracker.Entry
	for _, size := range []int{1, 31, 32, 255, 256, 1<<16 - 1, tracker.MaxRecord} {
		sent = append(sent, tracker.Entry{Seq: uint64(len(sent) + 1), Payload: bytes.Repeat([]byte{9}, size)}) // of no known version: sent raw
	}
	last := uint64(len(sent))
	f.expect("all sizes", relay.Call{Entries: sent}, relay.Answer{OK: true, Last: last, First: 1, Len: last, Cursor: -1, Settled: -1})
	got, holes := f.few(0, 1000)
	if !reflect.DeepEqual(got, sent) || holes != 0 {
		t.Fatalf("%d entries came back otherwise than they were sent, or with holes: %d", len(got), holes)
	}
}

// An edge can tell whether the record at the end of the stream is its own, also when a hub has taken it out, as long as nobody
// else has changed anything there.
func TestTheEndOfTheStreamIsKnown(t *testing.T) {
	f := start(t)
	ends := func(what string, want relay.End) {
		t.Helper()
		if got := f.call(relay.Call{}).End; got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	third := relay.End{Genuine: true, ID: tracker.RecordID(payload(3))}
	ends("no stream", relay.End{})
	f.ship(0, 1, 3)
	ends("in the stream", third)
	f.commit(2, 0)
	ends("still in the stream", third)
	f.commit(3, 0)
	ends("applied", third)
	if !f.pass(3, 2, 0) {
		t.Fatal("no pass")
	}
	ends("told of a ledger that came back older", third)
	f.ship(3, 4, 5)
	f.do("XTRIM", events, "MAXLEN", 0)
	ends("trimmed by a stranger, who does not say what", relay.End{})
	f.do("XADD", events, "6-0", "from", "a stranger")
	ends("a stranger's entry", relay.End{})
	f.do("XDEL", events, "6-0")
	ends("and gone again", relay.End{})
	f.do("DEL", cursor, events)
	f.expect("tombstone", relay.Call{Entries: []tracker.Entry{{Seq: 1, Payload: tracker.AppendLost(nil, 1, "unreadable")}}},
		relay.Answer{OK: true, Last: 1, First: 1, Len: 1, Cursor: -1, Settled: -1})
	ends("a tombstone has no id", relay.End{Genuine: true})
}

func TestPassComparesAndMayLower(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 3)
	if !f.pass(-1, 2, 1) {
		t.Fatal("refused where the key is absent, as seen")
	}
	if f.pass(1, 1, 0) {
		t.Fatal("published although the key had moved")
	}
	if f.pass(-1, 1, 0) {
		t.Fatal("published although the key had appeared")
	}
	if !f.pass(2, 1, 0) {
		t.Fatal("did not lower the cursor")
	}
	if cursor, settled := f.published(); cursor != 1 || settled != 1 {
		t.Fatalf("cursor %d, settled %d; settled only rises", cursor, settled)
	}
}

func TestCommitOnlyRaises(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 10)
	f.commit(10, 8)
	f.commit(9, 7)
	f.poll("the slower hub does not lower it", relay.Answer{Last: 10, Cursor: 10, Settled: 8})
}

func TestStrangersDamageShowsAndAResetMendsIt(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 3)
	f.commit(2, 0)
	f.do("XTRIM", events, "MAXLEN", 0)
	f.poll("trimmed", relay.Answer{Last: 3, Cursor: 2})
	f.expect("reset", relay.Call{Expected: 3, Reset: true, Entries: entries(3, 3)}, relay.Answer{OK: true, Last: 3, First: 3, Len: 1, Cursor: 2})
	f.ship(3, 4, 5)
	f.do("XDEL", events, "4-0")
	f.poll("an entry deleted: length is not 5-3+1", relay.Answer{Last: 5, First: 3, Len: 2, Cursor: 2})
	f.do("XADD", events, "*", "x", "y")
	a := f.call(relay.Call{})
	if a.Last < 1_000_000_000_000 || a.Len != 3 {
		t.Fatalf("a stranger's XADD * does not show: %+v", a)
	}
	f.expect("reset over it", relay.Call{Expected: a.Last, Reset: true, Entries: entries(3, 5)},
		relay.Answer{OK: true, Last: 5, First: 3, Len: 3, Cursor: 2})
	f.reads("all is there", 2, 0, 3, 4, 5)
}

func TestAStrangersHighestIDIsComparedExactly(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 1)
	f.do("XADD", events, "18446744073709551615-1", "x", "y")
	a := f.call(relay.Call{})
	if a.Last != 1<<64-1 {
		t.Fatalf("last is %d", a.Last)
	}
	f.expect("a reset that is off by one", relay.Call{Expected: a.Last - 1, Reset: true, Entries: entries(1, 1)},
		relay.Answer{Last: a.Last, First: 1, Len: 2, Cursor: -1, Settled: -1})
	f.expect("reset", relay.Call{Expected: a.Last, Reset: true, Entries: entries(1, 1)},
		relay.Answer{OK: true, Last: 1, First: 1, Len: 1, Cursor: -1, Settled: -1})
}

func TestResetThatComesLateDoesNothing(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 3)
	f.expect("late", relay.Call{Expected: 2, Reset: true, Entries: entries(1, 1)}, relay.Answer{Last: 3, First: 1, Len: 3, Cursor: -1, Settled: -1})
	f.reads("untouched", 0, 0, 1, 2, 3)
}

func TestResetWithoutEntriesOnlyAsks(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 3)
	f.expect("no entries", relay.Call{Expected: 3, Reset: true}, relay.Answer{Last: 3, First: 1, Len: 3, Cursor: -1, Settled: -1})
}

func TestWhatIsDoneExpires(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 5)
	f.commit(3, 3)
	if !f.sevenDays(cursor) || !f.forever(events) {
		t.Fatal("the cursor's key expires in 7 days, a stream with entries never")
	}
	f.commit(5, 5)
	if !f.sevenDays(events) {
		t.Fatal("an empty stream expires in 7 days")
	}
	f.ship(5, 6, 6)
	if !f.forever(events) {
		t.Fatal("an append makes it stay")
	}
}

func TestFullRedisTakesNothingAndCanBeDrained(t *testing.T) {
	f := start(t)
	f.ship(0, 1, 6)
	f.do("CONFIG", "SET", "maxmemory", 1)
	if _, err := f.relay.Append(t.Context(), relay.Call{Origin: origin, Expected: 6, Entries: entries(7, 7)}); !errors.Is(err, relay.ErrFull) {
		t.Fatalf("append: %v, want ErrFull", err)
	}
	f.poll("a poll is answered, nothing was half done", relay.Answer{Last: 6, First: 1, Len: 6, Cursor: -1, Settled: -1})
	f.reads("and all can be read", 0, 0, 1, 2, 3, 4, 5, 6)
	f.must(f.relay.Announce(t.Context(), origin))
	f.commit(6, 0)
	f.poll("drained", relay.Answer{Last: 6, Cursor: 6})
	if !f.pass(6, 5, 0) {
		t.Fatal("no pass out of memory")
	}
	f.do("CONFIG", "SET", "maxmemory", 0)
	f.ship(6, 7, 7)
}

func TestAStrangersValuesCountAsAbsent(t *testing.T) {
	f := start(t)
	for _, key := range []string{events, cursor, parked, "affiliate:origins"} {
		f.do("SET", key, "a stranger's")
	}
	f.poll("strings", relay.Answer{Cursor: -1, Settled: -1})
	f.reads("strings", 0, 0)
	if c, s := f.published(); c != -1 || s != -1 {
		t.Fatalf("%d %d", c, s)
	}
	if origins, err := f.relay.Origins(t.Context()); len(origins) != 0 || err != nil {
		t.Fatalf("%v %v", origins, err)
	}
	f.must(f.relay.DropParked(t.Context(), origin, 1))
	f.must(f.relay.Announce(t.Context(), origin))
	f.ship(0, 1, 3)
	f.commit(1, 1)
	f.expect("an old disk parks over a stranger's index", relay.Call{Expected: 3, Reset: true, Old: true, Entries: entries(2, 2)},
		relay.Answer{OK: true, Last: 2, First: 2, Len: 1, Cursor: 1, Settled: 1})
	f.reads("and all is found", 1, 0, 2, 3)
	if origins, err := f.relay.Origins(t.Context()); len(origins) != 1 || err != nil {
		t.Fatalf("%v %v", origins, err)
	}
}

func TestAStrangersCursorIsReplaced(t *testing.T) {
	for _, junk := range []string{"", "abc", "007", "-5", "1e3", "99999999999999999999", "1000000000000"} {
		f := start(t)
		f.ship(0, 1, 3)
		f.do("HSET", cursor, "cursor", junk, "settled", junk)
		f.poll(junk, relay.Answer{Last: 3, First: 1, Len: 3, Cursor: -1, Settled: -1})
		if !f.pass(-1, 2, 1) {
			t.Errorf("%q: the pass is refused for ever", junk)
		}
		f.poll(junk, relay.Answer{Last: 3, First: 3, Len: 1, Cursor: 2, Settled: 1})
		f.do("HSET", cursor, "cursor", junk)
		f.commit(3, 1)
		f.poll(junk, relay.Answer{Last: 3, Cursor: 3, Settled: 1})
	}
}
