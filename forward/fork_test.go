package forward

import (
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Only another copy of the process can have written more of a live origin than this one did. A stranger can add to its stream,
// which is then broken and sent again; an older copy of a disk, whose process is gone, has less of an old origin.
func TestWhoHasMoreThanThisProcessWroteIsItsCopy(t *testing.T) {
	genuine := relay.End{Genuine: true}
	for name, c := range map[string]struct {
		told   relay.Answer
		cursor int64
		old    bool
		want   bool
	}{
		"nothing yet":                     {relay.Answer{}, unknown, false, false},
		"all of it, and no more":          {relay.Answer{Last: 5, First: 1, Len: 5, End: genuine}, 0, false, false},
		"a copy's record":                 {relay.Answer{Last: 6, First: 1, Len: 6, End: genuine}, 0, false, true},
		"a copy's record, applied":        {relay.Answer{Last: 6}, 6, false, true},
		"a copy's, and Redis lost it":     {relay.Answer{}, 6, false, true},
		"a copy's, out of a broken run":   {relay.Answer{Last: 9, First: 1, Len: 3, End: genuine}, 0, false, true},
		"a stranger's entry":              {relay.Answer{Last: 6, First: 1, Len: 6}, 0, false, false},
		"a stranger's entry, taken away":  {relay.Answer{Last: 6, First: 1, Len: 5}, 0, false, false},
		"a stranger's entry in no stream": {relay.Answer{Last: 6}, 0, false, false},
		"a stranger's XADD *":             {relay.Answer{Last: strangerID, First: 1, Len: 6, End: genuine}, 0, false, false},
		"an older disk":                   {relay.Answer{Last: 6, First: 1, Len: 6, End: genuine}, 6, true, false},
	} {
		p := &position{stream: c.told, cursor: c.cursor, live: !c.old, polled: true}
		if got := p.beyond(journal.State{Durable: 5, Live: !c.old}); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

// Records move in as many goes as the journal needs to take them, and none of them twice: a tombstone has no id by which the
// ledger could tell.
func TestRecordsMoveOnce(t *testing.T) {
	j, err := journal.Open(t.TempDir(), journal.Options{QueueBytes: 2_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	old, _ := j.Live()
	const n = 20
	want := map[string]bool{}
	for i := range n {
		s := click("demo")
		want[s.ID.String()] = true
		appendAll(t, j, s.AppendRecord(nil), tracker.AppendLost(nil, uint64(2*i+2), "unreadable"))
	}
	refused := 0
	for slices.Contains(j.Origins(), old) {
		more, err := move(j, old)
		switch {
		case err == nil:
		case more && errors.Is(err, journal.ErrQueueFull):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("all of it moved at once")
	}
	live, _ := j.Live()
	entries, err := j.Read(live, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	tombstones := 0
	for _, e := range entries {
		if id := tracker.RecordID(e.Payload); id == "" {
			tombstones++
		} else if !want[id] {
			t.Errorf("session %s is there twice, or a stranger's", id)
		} else {
			delete(want, id)
		}
	}
	if len(want) > 0 || tombstones != n {
		t.Errorf("%d sessions did not move, and %d tombstones are there of %d", len(want), tombstones, n)
	}
}

// Without Redis too all of it reaches the ledger, whose cursor for the origin is of the other copy's records.
func TestACopyMovesItsRecordsWithoutRedis(t *testing.T) {
	for name, others := range map[string]int{"the ledger has more than was written": 4, "it was found out while there was a Redis": 3} {
		t.Run(name, func(t *testing.T) {
			j, l := openJournal(t, t.TempDir()), openLedger(t)
			a := newApplier(t, j, l)
			shared, _ := j.Live()
			var foreign []ledger.Record
			for i := range others {
				s := click("demo")
				foreign = append(foreign, a.agents.decode(shared, tracker.Entry{Seq: uint64(i + 1), Payload: s.AppendRecord(nil)}))
			}
			if _, err := l.Apply(t.Context(), shared, foreign); err != nil {
				t.Fatal(err)
			}
			var own []string
			for range 3 {
				s := click("demo")
				own = append(own, s.ID.String())
				appendAll(t, j, s.AppendRecord(nil))
			}
			if others == 3 {
				if err := j.Disown(shared); err != nil {
					t.Fatal(err)
				}
			}
			source := FromJournal(j, l, slog.New(slog.DiscardHandler))
			if err := source.Applied(t.Context(), Standing{shared, uint64(others), uint64(others)}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := a.Pass(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			booked := sessions(t, l)
			for _, id := range own {
				if _, ok := booked[id]; !ok {
					t.Errorf("session %s is not in the ledger", id)
				}
			}
			if len(booked) != others+len(own) || slices.Contains(j.Origins(), shared) {
				t.Errorf("%d sessions are booked, want %d; the journal has %v, and should be done with %s", len(booked), others+len(own), j.Origins(), shared)
			}
		})
	}
}
