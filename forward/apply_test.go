package forward

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"

func openJournal(t *testing.T, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func openLedger(t *testing.T) *ledger.Ledger {
	t.Helper()
	return openLedgerAt(t, filepath.Join(t.TempDir(), "ledger.db"))
}

func openLedgerAt(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	sqlitetest.Place(t, path)
	l, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// appendAll appends the payloads and waits until they are durable.
func appendAll(t *testing.T, j *journal.Journal, payloads ...[]byte) {
	t.Helper()
	for _, p := range payloads {
		ticket, err := j.Append(p)
		if err == nil {
			err = ticket.Wait(10 * time.Second)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func click(code string) tracker.Session {
	return tracker.Session{
		ID: tracker.NewSessionID(time.Now()), Network: "default", Code: code, Time: time.Now(), Class: tracker.ClassHuman,
		Visitor: tracker.NewVisitorID(), UserAgent: chrome, Query: "via=" + code + "&s2=blue%20sky&irclickid=xyz", Route: "/",
	}
}

func newApplier(t *testing.T, j *journal.Journal, l *ledger.Ledger) *Applier {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	a, err := NewApplier(FromJournal(j, l, log), l, time.Hour, log)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sessions(t *testing.T, l *ledger.Ledger) map[string]ledger.Session {
	t.Helper()
	found := map[string]ledger.Session{}
	err := l.Sessions(t.Context(), "", 0, func(s ledger.Session) error {
		if _, twice := found[s.ID.String()]; twice {
			return fmt.Errorf("session %s is there twice", s.ID)
		}
		found[s.ID.String()] = s
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAJournalledClickIsBookedWithWhatItsCaptureSays(t *testing.T) {
	j, l := openJournal(t, t.TempDir()), openLedger(t)
	want := click("demo")
	appendAll(t, j, want.AppendRecord(nil))
	if _, err := newApplier(t, j, l).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, ok := sessions(t, l)[want.ID.String()]
	if !ok {
		t.Fatal("the session is not in the ledger")
	}
	live, _ := j.Live()
	switch {
	case got.Browser != "Chrome 130" || got.OS != "Linux" || got.Device != "Other":
		t.Errorf("the user agent was read as %q, %q, %q", got.Browser, got.OS, got.Device)
	case got.SubIDs["sub2"] != "blue sky" || got.ClickIDs["irclickid"] != "xyz":
		t.Errorf("sub-ids %v, click ids %v", got.SubIDs, got.ClickIDs)
	case got.Origin != live || got.Seq != 1:
		t.Errorf("booked under %s %d, written as %s 1", got.Origin, got.Seq, live)
	case got.Query != want.Query || got.Visitor != want.Visitor || got.Class != want.Class:
		t.Errorf("booked as %+v, captured as %+v", got.Session, want)
	}
}

func TestWhatCannotBeReadIsKeptAndTheRestGoesOn(t *testing.T) {
	j, l := openJournal(t, t.TempDir()), openLedger(t)
	before, after := click("demo"), click("demo")
	foreign := append([]byte{99}, "a record of a later version"...)
	unknown := tracker.Record{Version: tracker.RecordVersion, Fields: []tracker.Field{{Name: tracker.FieldKind, Value: "later"}}}
	appendAll(t, j, before.AppendRecord(nil), foreign, unknown.Append(nil), tracker.AppendLost(nil, 4, "bad sector"), after.AppendRecord(nil))
	if _, err := newApplier(t, j, l).Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := sessions(t, l); len(found) != 2 {
		t.Errorf("%d sessions in the ledger, want both around what cannot be read", len(found))
	}
	live, _ := j.Live()
	row, err := l.Origin(t.Context(), live)
	if err != nil {
		t.Fatal(err)
	}
	if row.Cursor != 5 || row.Applied != 2 || row.Quarantined != 2 || row.Lost != 1 {
		t.Errorf("the origin stands at %+v; want cursor 5 = 2 applied + 2 quarantined + 1 lost", row)
	}
}

func TestTwoAppliersAndRestartsBookEachClickOnce(t *testing.T) {
	j, l := openJournal(t, t.TempDir()), openLedger(t)
	want := map[string]bool{}
	for round := range 5 {
		for range 40 {
			s := click(fmt.Sprint("code", round))
			want[s.ID.String()] = true
			appendAll(t, j, s.AppendRecord(nil))
		}
		// Fresh ones each round remember nothing, like a hub that was killed.
		first, second := newApplier(t, j, l), newApplier(t, j, l)
		for _, a := range []*Applier{first, second, first} {
			if _, err := a.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := a.Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	found := sessions(t, l)
	for id := range want {
		if _, ok := found[id]; !ok {
			t.Errorf("session %s is missing", id)
		}
	}
	if len(found) != len(want) {
		t.Errorf("%d sessions, want %d", len(found), len(want))
	}
}

func TestAnotherLedgerIsServedButNothingIsForgottenForIt(t *testing.T) {
	j, first, second := openJournal(t, t.TempDir()), openLedger(t), openLedger(t)
	s := click("demo")
	appendAll(t, j, s.AppendRecord(nil))
	live, _ := j.Live()
	for _, l := range []*ledger.Ledger{first, second} {
		a := newApplier(t, j, l)
		if _, err := a.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(sessions(t, l)) != 1 {
			t.Error("the session did not reach the ledger")
		}
	}
	if j.LedgerID() != first.ID() {
		t.Errorf("the journal is pinned to %q, its first ledger is %q", j.LedgerID(), first.ID())
	}
	source := FromJournal(j, second, slog.New(slog.DiscardHandler))
	if err := source.Applied(t.Context(), Standing{live, 1, 1}); err != nil {
		t.Fatal(err)
	}
	if state, err := j.State(live); err != nil || state.Base != 0 {
		t.Errorf("the journal forgot up to %d for a ledger that is not its own (%v)", state.Base, err)
	}
}

func TestRunBooksWithinASecond(t *testing.T) {
	j, l := openJournal(t, t.TempDir()), openLedger(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	a := newApplier(t, j, l)
	go func() { a.Run(ctx); close(done) }()
	s := click("demo")
	appendAll(t, j, s.AppendRecord(nil))
	for deadline := time.Now().Add(time.Minute); len(sessions(t, l)) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the session did not arrive")
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	<-done
}

// An origin of which a crash left only a torn record has nothing to apply, and its folder goes.
func TestAnOriginWithoutRecordsGoes(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "origins", tracker.NewSessionID(time.Now()).String())
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "00000000000000000001.seg"), []byte("\x00\x00\x00\x09torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := openJournal(t, dir)
	if err := newApplier(t, j, openLedger(t)).Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if live, _ := j.Live(); !slices.Equal(j.Origins(), []string{live}) {
		t.Fatalf("%d origins are left, want the live one", len(j.Origins()))
	}
}
