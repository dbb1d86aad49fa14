package ledgertest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

var poisonTests = []test{
	{"one in 500", func(t *testing.T, db Database) { Poison(t, db, 500, 321) }},
	{"first, last and neighbours", func(t *testing.T, db Database) { Poison(t, db, 64, 1, 2, 33, 64) }},
	{"alone", func(t *testing.T, db Database) { Poison(t, db, 1, 1) }},
	{"a code that no link may have", testPoisonCode},
	{"among tombstones, damage and overlap", testPoisonMixed},
}

// Poison applies n sessions of which those with the given numbers have a value that every engine refuses: a time before
// 1970. The others must land.
func Poison(t *testing.T, db Database, n int, seqs ...uint64) {
	t.Helper()
	PoisonBy(t, db, func(s *ledger.Session) { s.Time = time.UnixMilli(-1) }, n, seqs...)
}

// PoisonBy is Poison with another value that the engine refuses; spoil sets it.
func PoisonBy(t *testing.T, db Database, spoil func(s *ledger.Session), n int, seqs ...uint64) {
	t.Helper()
	l, origin := open(t, db), newOrigin()
	all := Sessions(1, n)
	var good []ledger.Record
	for _, r := range all {
		if slices.Contains(seqs, r.Seq) {
			spoil(r.Session)
		} else {
			good = append(good, r)
		}
	}
	bad := len(seqs)
	wantApplied(t, l, origin, all, ledger.Applied{Cursor: uint64(n), Sessions: n - bad, Quarantined: bad})
	wantBooks(t, l, origin, ledger.Origin{Cursor: uint64(n), Applied: uint64(n - bad), Quarantined: uint64(bad)})
	wantOnce(t, l, good)
	kept := quarantine(t, l, origin)
	if len(kept) != bad {
		t.Fatalf("%d records are in quarantine, want %d", len(kept), bad)
	}
	for i, q := range kept {
		if q.Seq != seqs[i] || q.Lost || q.Reason == "" || !bytes.Equal(q.Raw, all[q.Seq-1].Raw) {
			t.Errorf("number %d is kept as %+v", seqs[i], q)
		}
	}
}

// testPoisonCode is about the link that a session needs: it is refused before the session is.
func testPoisonCode(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	all := Sessions(1, 5)
	all[1].Session.Code = ""
	all[3].Session.Code = strings.Repeat("x", 65)
	all[4].Session.Network = ""
	wantApplied(t, l, origin, all, ledger.Applied{Cursor: 5, Sessions: 2, Quarantined: 3})
	links, err := l.Links(t.Context(), "")
	if err != nil || len(links) != 2 {
		t.Fatalf("%d links were made, want 2 (%v)", len(links), err)
	}
}

func testPoisonMixed(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	all := Sessions(1, 30)
	apply(t, l, origin, all[:4])
	all[9] = ledger.Record{Seq: 10, Raw: []byte("?"), Reason: "damaged"}
	all[14].Session.Time = time.UnixMilli(-1)
	all[19] = ledger.Record{Seq: 20, From: 18, Lost: true, Reason: "unreadable"}
	batch := slices.Concat(all[2:17], all[19:30])
	want := ledger.Applied{Cursor: 30, Sessions: 30 - 4 - 1 - 1 - 3, Quarantined: 2, Lost: 3, Dropped: 2}
	wantApplied(t, l, origin, batch, want)
	wantBooks(t, l, origin, ledger.Origin{Cursor: 30, Applied: 25, Quarantined: 2, Lost: 3})
	if kept := quarantine(t, l, origin); len(kept) != 3 || kept[0].Seq != 10 || kept[1].Seq != 15 || kept[2].Seq != 20 {
		t.Fatalf("the quarantine has %+v", kept)
	}
}
