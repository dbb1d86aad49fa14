package sqlite

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/ledgertest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// What was erased, and what was forgotten for its age, is not in the ledger's files any more, its log included.
func TestErasedBytesAreGone(t *testing.T) {
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "ledger.db"))
	defer l.Close()
	erased, old, kept := ledgertest.Sessions(1, 1000), ledgertest.Sessions(1001, 3000), ledgertest.Sessions(4001, 1000)
	visitor := tracker.NewVisitorID()
	for i := range erased {
		erased[i].Session.Visitor, erased[i].Session.IP, erased[i].Session.UserAgent = visitor, "192.0.2.99", "erased agent"
	}
	for i := range old {
		old[i].Session.Time, old[i].Session.IP = old[i].Session.Time.AddDate(-1, 0, 0), "192.0.2.77"
	}
	for i := range kept {
		kept[i].Session.IP = "192.0.2.200"
	}
	all := append(append(erased, old...), kept...)
	if _, err := l.Apply(t.Context(), "origin", all); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Forget(t.Context(), tracker.Retention{IP: time.Since(kept[0].Session.Time) + 24*time.Hour}); err != nil {
		t.Fatal(err)
	}
	done, err := l.Erase(t.Context(), tracker.DefaultNetwork, tracker.Subject{Visitor: visitor})
	if err != nil || done.Sessions != 1000 {
		t.Fatalf("erased %+v, %v", done, err)
	}
	var files []byte
	for _, name := range []string{"ledger.db", "ledger.db-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, data...)
	}
	for _, text := range []string{"192.0.2.99", "192.0.2.77", "erased agent", visitor.String()} {
		if n := bytes.Count(files, []byte(text)); n > 0 {
			t.Errorf("%q is there %d times", text, n)
		}
	}
	if !bytes.Contains(files, []byte("192.0.2.200")) {
		t.Error("what nobody erased is gone as well")
	}
}

// The hash of a content that told of somebody would tell of them as well, to whoever tries out what the content was; and an
// affiliate's sub-id may be theirs, in each of the sums that are made of it. Answers that no repeat gets any more have notes.
func TestErasedContentsLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "ledger.db"))
	defer l.Close()
	link, err := l.AddLink(t.Context(), ledger.NewLink{Network: tracker.DefaultNetwork, Code: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	touch := tracker.Touch{Session: tracker.NewSessionID(now), Code: link.Code, Time: now}
	evidence := tracker.Evidence{
		Token: &tracker.Token{Network: tracker.DefaultNetwork, Visitor: tracker.NewVisitorID(), First: touch, Last: touch},
	}
	sale := tracker.NewConversion{
		Network: tracker.DefaultNetwork, ExternalID: "1", Type: tracker.TypeLead, Amount: 100, Currency: "EUR", Name: "Jane",
		Evidence: evidence, IdempotencyKey: "first try", Actor: "key",
	}
	refund := tracker.NewRefund{
		Network: tracker.DefaultNetwork, ExternalID: "r", ConversionType: tracker.TypeLead, ConversionExternalID: "1", Amount: 10,
		Currency: "EUR", Note: "Jane's",
	}
	customer := tracker.NewCustomer{Network: tracker.DefaultNetwork, ExternalID: "c", Evidence: evidence}
	customer.Username = "jane"
	money := tracker.NewTransaction{Network: tracker.DefaultNetwork, CustomerExternalID: "c"}
	money.ExternalID, money.Type, money.Currency, money.Deposit, money.Note = "t", "deposit", "EUR", 1, "Jane's"
	report := func() {
		t.Helper()
		_, _, err := l.CreateConversion(t.Context(), sale)
		if err == nil {
			_, _, err = l.RefundConversion(t.Context(), refund)
		}
		if err == nil {
			_, _, err = l.CreateCustomer(t.Context(), customer)
		}
		if err == nil {
			_, _, err = l.AddTransaction(t.Context(), money)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	click := ledgertest.Record(1, link.Code)
	click.Session.ID, click.Session.Time, click.Session.Visitor = touch.Session, now, evidence.Token.Visitor
	click.Session.SubIDs = map[string]string{"sub1": "an id of Jane's"}
	if _, err := l.Apply(t.Context(), "origin", []ledger.Record{click}); err != nil {
		t.Fatal(err)
	}
	report()
	booked, _, err := l.Conversions(t.Context(), tracker.DefaultNetwork, tracker.ConversionFilter{}, tracker.Page{})
	if err != nil || len(booked) != 1 {
		t.Fatalf("booked are %+v, %v", booked, err)
	}
	approved := tracker.StatusApproved // which leaves a sum of nothing behind
	_, err = l.UpdateConversion(t.Context(), tracker.DefaultNetwork, booked[0].ID,
		tracker.ConversionUpdate{Status: &approved, Note: "a note on Jane"})
	if err != nil {
		t.Fatal(err)
	}
	again := sale
	again.Name, again.IdempotencyKey, again.Duplicates = "Jane again", "", tracker.DuplicateUpdate
	if _, _, err := l.CreateConversion(t.Context(), again); err != nil { // whose answer has the note
		t.Fatal(err)
	}
	hashes := []string{"an id of Jane's", "a note on Jane", "Jane again"}
	for _, content := range []interface {
		Check() error
		ContentHash() string
	}{&sale, &refund, &customer, &money} {
		if err := content.Check(); err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, content.ContentHash())
	}
	count := func() (n int) {
		t.Helper()
		db, err := sql.Open("sqlite", readerDSN(filepath.Join(dir, "ledger.db")))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRow(`SELECT count(*) FROM idempotency`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ledger.db", "ledger.db-wal"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, hash := range hashes {
				n += bytes.Count(data, []byte(hash))
			}
		}
		return n
	}
	if count() < 5 {
		t.Fatal("hashes are kept otherwise than this test knows")
	}
	if _, err := l.Erase(t.Context(), tracker.DefaultNetwork, tracker.Subject{Visitor: evidence.Token.Visitor}); err != nil {
		t.Fatal(err)
	}
	if n := count(); n > 0 {
		t.Errorf("%d hashes, idempotency keys and texts are left", n)
	}
	sale.IdempotencyKey = ""
	report()
	if n := count(); n > 0 {
		t.Errorf("%d hashes are there again", n)
	}
}
