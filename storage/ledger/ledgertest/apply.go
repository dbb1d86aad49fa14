package ledgertest

import (
	"bytes"
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var applyTests = []test{
	{"a session comes back as it went in", testContent},
	{"overlap is dropped and a hole ends the run", testRun},
	{"a repeated id is counted and kept once", testRepeated},
	{"damaged records go to quarantine", testDamaged},
	{"tombstones count what lies above the cursor", testTombstones},
	{"a failed call changes nothing", testCancelled},
	{"the true session takes the place of one from a token", testReplaced},
	{"conversions land after the sessions", testLandConversions},
	{"conversions that cannot be booked go to quarantine", testRefusedConversions},
	{"origins", testOrigins},
}

func testContent(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	link, err := l.AddLink(t.Context(), ledger.NewLink{Code: "Demo", Affiliate: "Demo Partner"})
	if err != nil {
		t.Fatal(err)
	}
	full, bare := Record(1, "demo"), ledger.Record{Seq: 2, Session: &ledger.Session{}}
	full.Session.UserAgent, full.Session.Query = `naïve "agent" \ 🦊'; --`, "a=%00&b=\\u0000"
	full.Session.SubIDs["sub2"] = `<"&>` + "\u2028"
	full.Session.Reconstructed, full.Session.NoShare = true, true
	bare.Session.ID, bare.Session.Network, bare.Session.Code = Record(2, "x").Session.ID, "default", "demo"
	bare.Session.Class, bare.Session.Time = "no_consent", epoch
	wantApplied(t, l, origin, []ledger.Record{full, bare}, ledger.Applied{Cursor: 2, Sessions: 2})

	got := sessions(t, l)
	for i, r := range []ledger.Record{full, bare} {
		want := *r.Session
		want.LinkID, want.Affiliate, want.Origin, want.Seq = link.ID, "Demo Partner", origin, r.Seq
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("session %d came back as\n%+v, want\n%+v", i, got[i], want)
		}
	}
}

func testRun(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	all := Sessions(1, 20)
	wantApplied(t, l, origin, nil, ledger.Applied{})
	wantApplied(t, l, origin, all[1:3], ledger.Applied{Hole: true})
	wantApplied(t, l, origin, all[0:5], ledger.Applied{Cursor: 5, Sessions: 5})
	wantApplied(t, l, origin, all[0:5], ledger.Applied{Cursor: 5, Dropped: 5})
	wantApplied(t, l, origin, all[2:8], ledger.Applied{Cursor: 8, Sessions: 3, Dropped: 3})
	gap := append(append([]ledger.Record{}, all[7:10]...), all[11:20]...)
	wantApplied(t, l, origin, gap, ledger.Applied{Cursor: 10, Sessions: 2, Dropped: 1, Hole: true})
	wantApplied(t, l, origin, all[10:20], ledger.Applied{Cursor: 20, Sessions: 10})
	wantApplied(t, l, origin, all[3:4], ledger.Applied{Cursor: 20, Dropped: 1})
	wantBooks(t, l, origin, ledger.Origin{Cursor: 20, Applied: 20})
	wantOnce(t, l, all)
}

func testRepeated(t *testing.T, db Database) {
	l, first, second := open(t, db), newOrigin(), newOrigin()
	all := Sessions(1, 4)
	all[3].Session.ID = all[2].Session.ID
	wantApplied(t, l, first, all, ledger.Applied{Cursor: 4, Sessions: 3, Repeated: 1})
	wantApplied(t, l, second, all[:2], ledger.Applied{Cursor: 2, Repeated: 2})
	wantBooks(t, l, first, ledger.Origin{Cursor: 4, Applied: 4, Repeated: 1})
	wantBooks(t, l, second, ledger.Origin{Cursor: 2, Applied: 2, Repeated: 2})
	wantOnce(t, l, all[:3])
}

func testDamaged(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	all := Sessions(1, 3)
	raw := []byte{9, 0, 0xff, 'x'}
	all[1] = ledger.Record{Seq: 2, Raw: raw, Reason: "version 9 is not known here\x00\xff"}
	wantApplied(t, l, origin, all, ledger.Applied{Cursor: 3, Sessions: 2, Quarantined: 1})
	wantBooks(t, l, origin, ledger.Origin{Cursor: 3, Applied: 2, Quarantined: 1})
	kept := quarantine(t, l, origin)
	if len(kept) != 1 || kept[0].Seq != 2 || kept[0].From != 2 || kept[0].Lost || !bytes.Equal(kept[0].Raw, raw) {
		t.Fatalf("the quarantine has %+v", kept)
	}
	if want := "version 9 is not known here\uFFFD\uFFFD"; kept[0].Reason != want {
		t.Fatalf("the reason is %q, want %q", kept[0].Reason, want)
	}
}

func testTombstones(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	all := Sessions(1, 20)
	lost := func(from, seq uint64) []ledger.Record {
		return []ledger.Record{{Seq: seq, From: from, Lost: true, Reason: "unreadable"}}
	}
	apply(t, l, origin, all[:3])
	wantApplied(t, l, origin, lost(0, 4), ledger.Applied{Cursor: 4, Lost: 1})
	wantApplied(t, l, origin, lost(2, 8), ledger.Applied{Cursor: 8, Lost: 4})
	wantApplied(t, l, origin, lost(2, 8), ledger.Applied{Cursor: 8, Dropped: 1})
	wantApplied(t, l, origin, lost(10, 12), ledger.Applied{Cursor: 8, Hole: true})
	wantApplied(t, l, origin, lost(30, 9), ledger.Applied{Cursor: 9, Lost: 1})
	wantApplied(t, l, origin, append(lost(10, 12), all[12:15]...), ledger.Applied{Cursor: 15, Lost: 3, Sessions: 3})
	wantBooks(t, l, origin, ledger.Origin{Cursor: 15, Applied: 6, Lost: 9})
	ranges := [][2]uint64{{4, 4}, {5, 8}, {9, 9}, {10, 12}}
	kept := quarantine(t, l, origin)
	if len(kept) != len(ranges) {
		t.Fatalf("the quarantine has %+v", kept)
	}
	for i, q := range kept {
		if !q.Lost || q.From != ranges[i][0] || q.Seq != ranges[i][1] || q.Reason != "unreadable" {
			t.Errorf("tombstone %d is kept as %+v, want %v", i, q, ranges[i])
		}
	}
}

func testCancelled(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	all := Sessions(1, 10)
	apply(t, l, origin, all[:5])
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if done, err := l.Apply(ctx, origin, all[5:]); err == nil || done != (ledger.Applied{}) {
		t.Fatalf("a cancelled call answers %+v, %v", done, err)
	}
	wantBooks(t, l, origin, ledger.Origin{Cursor: 5, Applied: 5})
	wantApplied(t, l, origin, all[5:], ledger.Applied{Cursor: 10, Sessions: 5})
}

func testOrigins(t *testing.T, db Database) {
	l, first, second := open(t, db), newOrigin(), newOrigin()
	if o, err := l.Origin(t.Context(), first); err != nil || o != (ledger.Origin{}) {
		t.Fatalf("an unknown origin is %+v, %v", o, err)
	}
	apply(t, l, first, Sessions(1, 3))
	apply(t, l, second, Sessions(1, 1))
	all, err := l.Origins(t.Context())
	if err != nil || len(all) != 2 || all[0].Name != first || all[1].Name != second || all[0].Cursor != 3 || all[1].Cursor != 1 {
		t.Fatalf("origins are %+v, %v", all, err)
	}
	if all[0].FirstSeen.IsZero() || all[0].LastSeen.Before(all[0].FirstSeen) {
		t.Fatalf("seen from %v to %v", all[0].FirstSeen, all[0].LastSeen)
	}
}

func quarantine(t *testing.T, l *ledger.Ledger, origin string) []ledger.Quarantined {
	t.Helper()
	kept, err := l.Quarantine(t.Context(), origin, 0, 10000)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func testReplaced(t *testing.T, db Database) {
	s := newShop(t, db)
	click := s.click("ann")
	n := s.sale("order", 1000)
	n.Evidence = tracker.Evidence{Token: s.token(click)}
	s.report(n)
	rebuilt := must(s.FindSession(t.Context(), s.network, click.Session))(s)
	if !rebuilt.Reconstructed || s.clicks("") != (tracker.ReportRow{}) {
		t.Fatalf("from a token there is %+v, and clicks %+v", rebuilt, s.clicks(""))
	}
	r, origin := Record(1, "ann"), newOrigin()
	r.Session.ID, r.Session.Time, r.Session.Visitor = click.Session, click.Time, n.Evidence.Token.Visitor
	wantApplied(t, s.Ledger, origin, []ledger.Record{r}, ledger.Applied{Cursor: 1, Sessions: 1})
	wantBooks(t, s.Ledger, origin, ledger.Origin{Cursor: 1, Applied: 1})
	found := must(s.FindSession(t.Context(), s.network, click.Session))(s)
	if found.Reconstructed || found.IP != r.Session.IP || found.Origin != origin || found.Seq != 1 {
		t.Errorf("the true session is %+v", found)
	}
	want := tracker.ReportRow{Clicks: 1, UniqueClicks: 1}
	if got := s.clicks(""); got != want {
		t.Errorf("the clicks are %+v", got)
	}
	again := r
	wantApplied(t, s.Ledger, newOrigin(), []ledger.Record{again}, ledger.Applied{Cursor: 1, Repeated: 1})
	if got := s.clicks(""); got != want {
		t.Errorf("a repeated session was counted: %+v", got)
	}
}

// clicks are the clicks of all links, or of one code, without what the conversions came to.
func (s *shop) clicks(code string) (sum tracker.ReportRow) {
	s.Helper()
	rows := must(s.Report(s.Context(), s.network, tracker.ReportQuery{
		From: epoch.AddDate(0, 0, -100), To: epoch.AddDate(0, 0, 200), By: []tracker.ReportBy{tracker.ByLink},
	}))(s)
	for _, r := range rows {
		if code == "" || r.Code == code {
			sum.Clicks += r.Clicks
			sum.UniqueClicks += r.UniqueClicks
			sum.Bots += r.Bots
			sum.OtherClicks += r.OtherClicks
		}
	}
	return sum
}

// edgeRecord is the record of a conversion that came by the edge, from the visitor who made the click.
func (s *shop) edgeRecord(seq uint64, externalID string, click tracker.Touch) ledger.Record {
	n := s.sale(externalID, 1000)
	n.ID, n.Source, n.Actor, n.OccurredAt = tracker.NewSessionID(s.clock()).String(), tracker.SourceHeader, tracker.ActorEdge, s.clock()
	n.Evidence = tracker.Evidence{Cookie: s.token(click)}
	return ledger.Record{Seq: seq, Conversion: &n, Raw: n.AppendRecord(nil)}
}

// testLandConversions has a conversion come before the session that it names, as two edges' clocks may have it.
func testLandConversions(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	click := s.click("ann")
	session := Record(2, "ann")
	session.Session.ID, session.Session.Time = click.Session, click.Time
	first, other := s.edgeRecord(1, "order-1", click), s.edgeRecord(4, "order-1", click)
	other.Conversion.Amount = 2000
	batch := []ledger.Record{first, session, s.edgeRecord(3, "order-1", click), other, s.edgeRecord(5, "order-2", click)}
	wantApplied(t, s.Ledger, origin, batch, ledger.Applied{Cursor: 5, Sessions: 1, Conversions: 2, Replayed: 2})
	wantApplied(t, s.Ledger, origin, batch, ledger.Applied{Cursor: 5, Dropped: 5})
	wantBooks(t, s.Ledger, origin, ledger.Origin{Cursor: 5, Applied: 5})
	if found := must(s.FindSession(t.Context(), s.network, click.Session))(s); found.Reconstructed {
		t.Error("the session was made from the token, and was there")
	}
	all := s.list(tracker.ConversionFilter{}, 0)
	if len(all) != 2 {
		t.Fatalf("there are %d conversions: %+v", len(all), all)
	}
	for _, c := range all {
		s.wantMoney(c, tracker.StatusPending, 1000, 100)
		if c.SessionID != click.Session.String() || c.Source != tracker.SourceHeader {
			t.Errorf("the conversion is %+v", c)
		}
	}
	c := s.stored(first.Conversion.ID)
	if len(c.History) != 2 || c.History[1].Kind != tracker.ChangeRefused {
		t.Errorf("the repeat with other content left the history %+v", c.History)
	}
	s.wantBalanced()
}

func testRefusedConversions(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	click := s.click("ann")
	batch := make([]ledger.Record, 6)
	for i := range batch {
		batch[i] = s.edgeRecord(uint64(i+1), string(rune('a'+i)), click)
	}
	batch[1].Conversion.Amount = -1
	batch[3].Conversion.Currency = "???"
	batch[4].Conversion.ExternalID = ""
	done := ledger.Applied{Cursor: 6, Conversions: 3, Quarantined: 3}
	wantApplied(t, s.Ledger, origin, batch, done)
	wantBooks(t, s.Ledger, origin, ledger.Origin{Cursor: 6, Applied: 3, Quarantined: 3})
	kept := quarantine(t, s.Ledger, origin)
	for i, want := range []struct {
		seq   uint64
		field string
	}{{2, "amount: "}, {4, "currency: "}, {5, "external_id: "}} {
		if q := kept[i]; q.Seq != want.seq || !strings.Contains(q.Reason, want.field) || !bytes.Equal(q.Raw, batch[want.seq-1].Raw) {
			t.Errorf("number %d is kept as %+v", want.seq, q)
		}
	}
	s.wantBalanced()
}
