package engine

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// click appends a click of the visitor, with an address of its own.
func click(t *testing.T, e *Engine, visitor tracker.VisitorID, ip string) {
	t.Helper()
	s := tracker.Session{
		ID: tracker.NewSessionID(time.Now()), Network: "default", Code: "demo", Time: time.Now(), Class: tracker.ClassHuman,
		Visitor: visitor, IP: ip, UserAgent: "agent of " + ip, Query: "via=demo",
	}
	keep(t, e, s.AppendRecord(nil))
}

// keep appends a record and waits until it is on disk.
func keep(t *testing.T, e *Engine, payload []byte) {
	t.Helper()
	ticket, err := e.Append(payload, testTime)
	if err == nil {
		err = ticket.Wait(testTime)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inJournal reports whether the text stands in a file of the journal.
func inJournal(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "origins"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || bytes.Contains(data, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// behind is a ledger whose cursor stands still.
type behind struct {
	ledgerErasures
	stands map[string]uint64 // nil: where it stands
}

func (b *behind) cursors(ctx context.Context, origins []string) (map[string]uint64, error) {
	if b.stands != nil {
		return b.stands, nil
	}
	return b.ledgerErasures.cursors(ctx, origins)
}

func TestErasedVisitorsLeaveTheJournal(t *testing.T) {
	dir := t.TempDir()
	c := Config{Dir: dir, Links: []ledger.NewLink{{Network: "default", Code: "demo"}}}
	e := open(t, c)
	gone, stays := tracker.NewVisitorID(), tracker.NewVisitorID()
	const first, second, others, later = "198.51.100.1", "198.51.100.2", "203.0.113.9", "198.51.100.3"
	click(t, e, gone, first)
	closeEngine(t, e) // into an origin of an earlier process
	e = open(t, c)
	click(t, e, stays, others)
	click(t, e, gone, second)
	eventually(t, "applying", func() bool { return countSessions(t, e) == 3 })
	l, err := e.Ledger()
	if err != nil {
		t.Fatal(err)
	}

	source := &behind{ledgerErasures: ledgerErasures{l}}
	s := scrubber{journal: e.journal.Load(), source: source, log: slog.New(slog.DiscardHandler), erased: map[string]bool{}}
	step := func(what string, left ...string) {
		t.Helper()
		if err := s.step(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, ip := range []string{first, second, others, later} {
			want := false
			for _, one := range left {
				want = want || one == ip
			}
			if inJournal(t, dir, ip) != want {
				t.Errorf("%s: the journal has %s: %v", what, ip, !want)
			}
		}
	}
	step("before anybody is erased", first, second, others)
	if _, err := l.Erase(t.Context(), "default", tracker.Subject{Visitor: gone}); err != nil {
		t.Fatal(err)
	}
	source.stands = map[string]uint64{}
	step("while nothing is applied", first, second, others)
	source.stands = nil
	step("when all is applied", others)
	if inJournal(t, dir, gone.String()) || !inJournal(t, dir, stays.String()) {
		t.Error("the wrong visitor is known")
	}

	click(t, e, gone, later) // their cookie is still there
	eventually(t, "applying", func() bool { return countSessions(t, e) == 4 })
	step("after another click", others)
	if audit, err := e.Audit(t.Context()); err != nil || !audit.Balanced {
		t.Errorf("the audit says %+v, %v", audit, err)
	}
	closeEngine(t, e)
	e = open(t, c)
	eventually(t, "reading what was scrubbed", func() bool {
		audit, err := e.Audit(t.Context())
		return err == nil && audit.Balanced && len(audit.Origins) > 1
	})
}

// A conversion at the edge may name a customer, and no visitor.
func TestErasedCustomersLeaveTheJournal(t *testing.T) {
	dir := t.TempDir()
	e := open(t, Config{Dir: dir, Links: []ledger.NewLink{{Network: "default", Code: "demo"}}})
	eventually(t, "opening the ledger", func() bool { _, err := e.Ledger(); return err == nil })
	l, err := e.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"gone", "stays"} {
		if _, _, err := l.CreateCustomer(t.Context(), tracker.NewCustomer{Network: "default", ExternalID: who + "-customer"}); err != nil {
			t.Fatal(err)
		}
		sale := tracker.NewConversion{
			ID: tracker.NewSessionID(time.Now()).String(), Network: "default", Source: tracker.SourceHeader, ExternalID: "order of " + who,
			Type: tracker.TypeBuy, Amount: 100, Currency: "EUR", Name: who + "-name", OccurredAt: time.Now(),
			Evidence: tracker.Evidence{CustomerExternalID: who + "-customer"},
		}
		keep(t, e, sale.AppendRecord(nil))
	}
	booked := func() []tracker.Conversion {
		rows, _, err := l.Conversions(t.Context(), "default", tracker.ConversionFilter{}, tracker.Page{})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	eventually(t, "applying", func() bool { return len(booked()) == 2 })
	gone, err := l.CustomerByExternalID(t.Context(), "default", "gone-customer", "")
	if err != nil {
		t.Fatal(err)
	}
	if done, err := l.Erase(t.Context(), "default", tracker.Subject{CustomerID: gone.ID}); err != nil || done.Conversions != 1 {
		t.Fatalf("erased %+v, %v", done, err)
	}
	s := scrubber{journal: e.journal.Load(), source: ledgerErasures{l}, log: slog.New(slog.DiscardHandler), erased: map[string]bool{}}
	if err := s.step(t.Context()); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"gone-customer": false, "gone-name": false, "order of gone": true, "stays-customer": true, "stays-name": true,
	} {
		if inJournal(t, dir, text) != want {
			t.Errorf("the journal has %q: %t", text, !want)
		}
	}
}

// A cursor that is ahead of the journal, as a damaged Redis may say, does not keep later records from being looked at.
func TestScrubIsNotMisledByACursor(t *testing.T) {
	dir := t.TempDir()
	e := open(t, Config{Dir: dir, Links: []ledger.NewLink{{Network: "default", Code: "demo"}}})
	gone := tracker.NewVisitorID()
	const first, later = "198.51.100.1", "198.51.100.3"
	click(t, e, gone, first)
	eventually(t, "applying", func() bool { return countSessions(t, e) == 1 })
	l, err := e.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Erase(t.Context(), "default", tracker.Subject{Visitor: gone}); err != nil {
		t.Fatal(err)
	}
	source := &behind{ledgerErasures: ledgerErasures{l}, stands: map[string]uint64{}}
	for _, name := range e.journal.Load().Origins() {
		source.stands[name] = 1 << 40
	}
	s := scrubber{journal: e.journal.Load(), source: source, log: slog.New(slog.DiscardHandler), erased: map[string]bool{}}
	for i, ip := range []string{first, later} {
		if i > 0 {
			click(t, e, gone, ip)
			eventually(t, "applying", func() bool { return countSessions(t, e) == 2 })
		}
		if err := s.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if inJournal(t, dir, ip) {
			t.Errorf("the journal has %s", ip)
		}
	}
}
