package ledgertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

var hubTests = []test{
	{"identity", testIdentity},
	{"an older copy heals", testRollback},
}

func testIdentity(t *testing.T, db Database) {
	first := db.Open(t)
	id := first.ID()
	if err := first.Ping(t.Context()); err != nil || id == "" {
		t.Fatalf("ledger %q answers %v", id, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if first.Ping(t.Context()) == nil {
		t.Fatal("a closed ledger answers")
	}
	if again := open(t, db).ID(); again != id {
		t.Fatalf("the id was %s and is %s", id, again)
	}
}

func testOpenAtOnce(t *testing.T, db Database) {
	ids := make([]string, 4)
	var opening sync.WaitGroup
	for i := range ids {
		opening.Go(func() {
			l := db.Open(t)
			ids[i] = l.ID()
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	opening.Wait()
	if slices.Sort(ids); ids[0] == "" || ids[0] != ids[3] {
		t.Fatalf("one database has the ids %q", ids)
	}
}

// testTwoHubs has two hubs read from the cursor on and apply batches of different sizes, as protocol R2 has them do.
func testTwoHubs(t *testing.T, db Database) {
	origin, all := newOrigin(), Sessions(1, 3000)
	sums := make([]ledger.Applied, 2)
	var hubs sync.WaitGroup
	for i := range sums {
		l := open(t, db)
		hubs.Go(func() { sums[i] = work(t, l, origin, all, 150+70*i) })
	}
	hubs.Wait()
	l := open(t, db)
	wantBooks(t, l, origin, ledger.Origin{Cursor: 3000, Applied: 3000})
	wantOnce(t, l, all)
	if n := sums[0].Sessions + sums[1].Sessions; n != 3000 {
		t.Fatalf("the hubs say that they applied %d sessions", n)
	}
}

// work applies all of the origin's records from the ledger's cursor on, and returns the sum of the answers.
func work(t *testing.T, l *ledger.Ledger, origin string, all []ledger.Record, size int) (sum ledger.Applied) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		o, err := l.Origin(t.Context(), origin)
		if err != nil {
			t.Error(err)
			return sum
		}
		if o.Cursor == uint64(len(all)) {
			return sum
		}
		batch := cloned(all[o.Cursor:min(int(o.Cursor)+size, len(all))])
		done, err := l.Apply(t.Context(), origin, batch)
		if err != nil {
			t.Error(err)
			return sum
		}
		if done.Cursor < o.Cursor || done.Hole || done.Repeated > 0 {
			t.Errorf("from %d on: %+v", o.Cursor, done)
			return sum
		}
		sum.Sessions += done.Sessions
	}
	t.Error("the hub does not come to an end")
	return sum
}

// cloned copies the records, since Apply writes into their sessions.
func cloned(records []ledger.Record) []ledger.Record {
	records = slices.Clone(records)
	for i := range records {
		s := *records[i].Session
		records[i].Session = &s
	}
	return records
}

// testUnknownTogether has two hubs apply two origins whose sessions name the same new links in opposite orders.
func testUnknownTogether(t *testing.T, db Database) {
	const n = 200
	var hubs sync.WaitGroup
	for i := range 2 {
		l := open(t, db)
		hubs.Go(func() {
			origin := newOrigin()
			for seq := uint64(1); seq <= n; seq += 10 {
				batch := make([]ledger.Record, 10)
				for j := range batch {
					number := seq + uint64(j)
					if i == 1 {
						number = seq + uint64(9-j)
					}
					batch[j] = Record(seq+uint64(j), fmt.Sprintf("New-%d", number))
				}
				if done, err := l.Apply(t.Context(), origin, batch); err != nil || done.Sessions != 10 {
					t.Errorf("hub %d: %+v, %v", i, done, err)
					return
				}
			}
		})
	}
	hubs.Wait()
	l := open(t, db)
	links, err := l.Links(t.Context(), "default")
	if err != nil || len(links) != n {
		t.Fatalf("%d links were made, want %d (%v)", len(links), n, err)
	}
	if got := len(sessions(t, l)); got != 2*n {
		t.Fatalf("%d sessions are there, want %d", got, 2*n)
	}
}

// testRollback is protocol L3: the ledger comes back older, and the same records are given again from its cursor on.
func testRollback(t *testing.T, db Database) {
	origin, all := newOrigin(), Sessions(1, 100)
	l := db.Open(t)
	apply(t, l, origin, all[:40])
	every, now := time.Hour, epoch
	for range 12 {
		now = now.Add(every)
		writeMark(t, l, now, every, true)
	}
	closeLedger(t, l)
	older := db.Copy(t)

	l = db.Open(t)
	apply(t, l, origin, all[40:])
	id := l.ID()
	addLink(t, l, ledger.NewLink{Code: "forgotten"})
	forgotten := version(t, l)
	closeLedger(t, l)

	l = open(t, older)
	if l.ID() != id {
		t.Fatal("the copy has another id")
	}
	wantBooks(t, l, origin, ledger.Origin{Cursor: 40, Applied: 40})
	wantSettled(t, l, map[string]uint64{origin: 40})
	wantApplied(t, l, origin, all[60:], ledger.Applied{Cursor: 40, Hole: true})
	wantApplied(t, l, origin, all[30:], ledger.Applied{Cursor: 100, Sessions: 60, Dropped: 10})
	wantOnce(t, l, all)
	addLink(t, l, ledger.NewLink{Code: "another"})
	if version(t, l) == forgotten {
		t.Fatal("two states of the links have one version")
	}
}

func closeLedger(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
