package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func open(t *testing.T, c Config) *Engine {
	t.Helper()
	if c.Ledger.Kind == "" || c.Ledger.Kind == LedgerSQLite {
		sqlitetest.Place(t, cmp.Or(c.Ledger.Path, filepath.Join(c.Dir, "ledger.db")))
	}
	e := New()
	if err := e.Open(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// closeEngine closes the engine. Of a disk that takes its time no test may fail: what it does has had its effect.
func closeEngine(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Close(); err != nil && !errors.Is(err, ErrSlowClose) {
		t.Fatal(err)
	}
}

// testTime is how long these tests wait for what happens sooner or later: longer than any machine stands still.
const testTime = time.Minute

// eventually polls until ok holds: everything behind an engine happens in the background.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testTime); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func record(code string) []byte {
	s := tracker.Session{
		ID: tracker.NewSessionID(time.Now()), Network: "default", Code: code, Time: time.Now(), Class: tracker.ClassHuman,
	}
	return s.AppendRecord(nil)
}

func appendOne(t *testing.T, e *Engine, code string) {
	t.Helper()
	keep(t, e, record(code))
}

func countSessions(t *testing.T, e *Engine) (n int) {
	t.Helper()
	l, err := e.Ledger()
	if err != nil {
		return 0
	}
	if err := l.Sessions(t.Context(), "", 0, func(ledger.Session) error { n++; return nil }); err != nil {
		return 0
	}
	return n
}

func TestRecordsSurviveRestartsAndTheBooksBalance(t *testing.T) {
	c := Config{Dir: t.TempDir(), Links: []ledger.NewLink{{Network: "default", Code: "demo"}}}
	for restart := range 3 {
		e := open(t, c)
		for range 10 {
			appendOne(t, e, "demo")
		}
		want := 10 * (restart + 1)
		if restart < 2 { // the last but one closes before anything needs to have been applied
			closeEngine(t, e)
			continue
		}
		eventually(t, "applying what three processes recorded", func() bool { return countSessions(t, e) == want })
		audit, err := e.Audit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var issued, applied uint64
		for _, o := range audit.Origins {
			issued, applied = issued+o.Issued, applied+o.Applied
		}
		if !audit.Balanced || issued != 30 || applied != 30 {
			t.Errorf("the audit says %+v", audit)
		}
	}
}

func TestALockHeldElsewhereIsWaitedFor(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	first := open(t, c)
	second := open(t, c)
	if _, err := second.Append(record("demo"), time.Millisecond); !errors.Is(err, ErrStarting) {
		t.Fatalf("appending beside the process that holds the journal: %v, want ErrStarting", err)
	}
	h := second.Health(t.Context())
	if h.Status != StatusStarting || !strings.HasPrefix(h.Journal.Detail, "another process holds the journal's folder "+c.Dir+": ") {
		t.Errorf("its health is %+v", h)
	}
	closeEngine(t, first)
	appendOneEventually(t, second)
	if h := second.Health(t.Context()); h.Journal != (Part{Status: StatusOK}) {
		t.Errorf("with the journal open its health is %+v", h)
	}
}

func appendOneEventually(t *testing.T, e *Engine) {
	t.Helper()
	eventually(t, "opening the journal", func() bool {
		ticket, err := e.Append(record("demo"), 0)
		return err == nil && ticket.Wait(testTime) == nil
	})
}

// A journal without room withholds every token, which the operator has to be told.
func TestAFullJournalIsDegraded(t *testing.T) {
	e := open(t, Config{Dir: t.TempDir(), MaxBytes: 128 << 10})
	if h := e.Health(t.Context()); h.Journal.Status != StatusOK {
		t.Fatalf("an empty journal's health is %+v", h)
	}
	eventually(t, "reaching the cap", func() bool {
		ticket, err := e.Append(make([]byte, 10<<10), 0)
		if err == nil {
			err = ticket.Wait(testTime)
		}
		return errors.Is(err, journal.ErrFull)
	})
	if h := e.Health(t.Context()); h.Status != StatusDegraded || h.Journal.Status != StatusDegraded {
		t.Errorf("a full journal's health is %+v", h)
	}
}

func TestWhatTheOperatorMustMendIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"a file in the folder's place": {Dir: file},
		"a folder below a file":        {Dir: filepath.Join(file, "journal")},
		"no folder":                    {},
		"no room":                      {Dir: t.TempDir(), MaxBytes: 1},
		"no retention":                 {Dir: t.TempDir(), Retain: time.Millisecond},
		"an edge without redis":        {Dir: t.TempDir(), Ledger: Ledger{Kind: LedgerNone}},
		"postgres without address":     {Dir: t.TempDir(), Ledger: Ledger{Kind: LedgerPostgres}},
		"a ledger of another kind":     {Dir: t.TempDir(), Ledger: Ledger{Kind: "oracle"}},
	} {
		e := New()
		if err := e.Open(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
		e.Close()
	}
}

func TestAConfigurationThatNeedsARestartIsRefusedAndTheOldGoesOn(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	e := open(t, c)
	moved := Config{Dir: t.TempDir()}
	for _, err := range []error{e.Check(moved), e.Apply(moved)} {
		if err == nil || !strings.Contains(err.Error(), "needs a restart") {
			t.Errorf("moving the journal: %v", err)
		}
	}
	appendOne(t, e, "demo")
}

func TestLinksFollowTheConfigurationAndTheOperator(t *testing.T) {
	c := Config{Dir: t.TempDir(), Links: []ledger.NewLink{{Network: "default", Code: "Stay"}, {Network: "default", Code: "leave"}}}
	e := open(t, c)
	if e.Links().Lookup("default", "stay") == nil {
		t.Fatal("a link of the configuration is not known at once")
	}
	active := func(code string) bool {
		l := e.Links().Lookup("default", code)
		return l != nil && l.Active
	}
	eventually(t, "writing the links to the ledger", func() bool { l := e.Links().Lookup("default", "stay"); return l != nil && l.ID != 0 })

	l, err := e.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddLink(t.Context(), ledger.NewLink{Code: "added"}); err != nil {
		t.Fatal(err)
	}
	if err := e.RefreshLinks(t.Context()); err != nil || !active("added") {
		t.Fatalf("a link is not live at once on the node that took it: %v", err)
	}
	if _, err := l.SetLinkActive(t.Context(), "default", "stay", false); err != nil {
		t.Fatal(err)
	}

	c.Links = c.Links[:1]
	if err := e.Apply(c); err != nil {
		t.Fatal(err)
	}
	eventually(t, "disabling a link that left the configuration", func() bool { return !active("leave") })
	if active("stay") || !active("added") {
		t.Error("a reload undid what the operator did")
	}
}

func TestLinksAreKnownWhileTheLedgerIsAway(t *testing.T) {
	dir := t.TempDir()
	e := open(t, Config{Dir: dir})
	eventually(t, "opening the ledger", func() bool { _, err := e.Ledger(); return err == nil })
	l, _ := e.Ledger()
	if _, err := l.AddLink(t.Context(), ledger.NewLink{Code: "demo", Affiliate: "Ann"}); err != nil {
		t.Fatal(err)
	}
	if err := e.RefreshLinks(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeEngine(t, e)

	away := Config{Dir: dir, Ledger: Ledger{Kind: LedgerPostgres, DSN: "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"}}
	e = open(t, away)
	if l := e.Links().Lookup("default", "DEMO"); l == nil || l.Affiliate != "Ann" {
		t.Fatalf("after a restart without its ledger the node knows %+v", l)
	}
	appendOne(t, e, "demo")
	if _, err := e.Ledger(); !errors.Is(err, ErrLedgerAway) {
		t.Errorf("asking for the ledger: %v, want ErrLedgerAway", err)
	}
	if h := e.Health(t.Context()); h.Status != StatusDegraded || h.Journal.Status != StatusOK {
		t.Errorf("its health is %+v", h)
	}
}

func TestADamagedSnapshotIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, snapshotName), []byte(`{"links": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	e := open(t, Config{Dir: dir, Links: []ledger.NewLink{{Network: "default", Code: "demo"}}})
	eventually(t, "writing a good snapshot", func() bool {
		s, damaged, err := readSnapshot(dir)
		return err == nil && damaged == 0 && len(s.Links) == 1
	})
	if e.Links().Lookup("default", "demo") == nil {
		t.Error("the configuration's link is not known")
	}
}

// Close and Apply wait for the workers, so what a worker does may not wait for the lock that they hold.
func TestAnAuditNeedsNoLock(t *testing.T) {
	e := open(t, Config{Dir: t.TempDir()})
	eventually(t, "opening the ledger", func() bool { _, err := e.Ledger(); return err == nil })
	e.mu.Lock()
	defer e.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		_, err := e.Audit(context.Background())
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(testTime):
		t.Error("an audit waits for a change of configuration")
	}
}

func TestCloseTwiceAndAppendAfterwards(t *testing.T) {
	e := open(t, Config{Dir: t.TempDir()})
	for range 2 {
		closeEngine(t, e)
	}
	if _, err := e.Append(record("demo"), 0); err == nil {
		t.Error("a closed engine took a record")
	}
}

func TestAClickBeforeTheStartWaitsForTheLinks(t *testing.T) {
	dir, e := t.TempDir(), New()
	t.Cleanup(func() { e.Close() })
	found := make(chan *tracker.Link)
	go func() {
		e.AwaitLinks(testTime)
		found <- e.Links().Lookup("default", "demo")
	}()
	if err := e.Open(Config{Dir: dir, Links: []ledger.NewLink{{Network: "default", Code: "demo"}}}); err != nil {
		t.Fatal(err)
	}
	if <-found == nil {
		t.Error("the link was not known when the wait ended")
	}
}

func TestNewLinksOfAReloadWorkWhileTheLedgerIsAway(t *testing.T) {
	c := Config{Dir: t.TempDir(), Ledger: Ledger{Kind: LedgerPostgres, DSN: "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"}}
	e := open(t, c)
	c.Links = []ledger.NewLink{{Network: "default", Code: "fresh"}}
	if err := e.Apply(c); err != nil {
		t.Fatal(err)
	}
	if e.Links().Lookup("default", "fresh") == nil {
		t.Error("a link that came with a reload is not known")
	}
}

func TestOnlyWhatAnOperatorMendsRefusesAConfiguration(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.EACCES: false, syscall.ENOTDIR: false, syscall.ENAMETOOLONG: false,
		syscall.ENOSPC: true, syscall.EIO: true, syscall.EROFS: true, syscall.ESTALE: true, syscall.ETIMEDOUT: true, journal.ErrLocked: true,
	} {
		if got := passing(fmt.Errorf("opening: %w", err)); got != want {
			t.Errorf("passing(%v) is %v", err, got)
		}
	}
}
