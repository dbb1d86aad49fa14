package ledgertest

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// early is a sale that names a customer who is not registered yet, and tells of them.
func (s *shop) early(externalID, customer string) tracker.NewConversion {
	n := s.sale(externalID, 1000)
	n.Name, n.MetaData = customer+"-lead", json.RawMessage(`{"phone":"`+customer+`-phone"}`)
	n.Evidence = tracker.Evidence{CustomerExternalID: customer, CustomerBrand: "shoes"}
	return n
}

// testErasedBeforeRegistered erases a customer whose sales came before they did: by the API, by the edge, and by a report that
// took the place of another customer's.
func testErasedBeforeRegistered(t *testing.T, db Database) {
	s := newShop(t, db)
	jane, john := &planted{texts: []string{"jane-lead", "jane-phone"}}, &planted{texts: []string{"john-lead", "john-phone"}}
	first := s.report(s.early("early", "jane"))
	edge := s.edgeRecord(1, "at the edge", s.click("ann"))
	edge.Conversion.Name = "jane-lead"
	edge.Conversion.Evidence = tracker.Evidence{CustomerExternalID: "jane", CustomerBrand: "shoes"}
	apply(t, s.Ledger, newOrigin(), []ledger.Record{edge})
	s.report(s.early("johns", "john"))
	taken := s.early("taken over", "john")
	taken.Duplicates = tracker.DuplicateUpdate
	over := s.report(taken)
	taken = s.early("taken over", "jane")
	taken.Amount, taken.Duplicates = 2000, tracker.DuplicateUpdate
	s.report(taken)
	byID := s.early("by id", "john")
	byID.Duplicates = tracker.DuplicateUpdate
	s.report(byID)

	customer := s.addCustomer(s.newCustomer("jane"))
	byID = s.early("by id", "jane")
	byID.Duplicates, byID.Evidence = tracker.DuplicateUpdate, tracker.Evidence{CustomerID: customer.ID}
	moved := s.report(byID)
	subject := tracker.Subject{CustomerID: customer.ID}
	s.wantExported(subject, first.ID, edge.Conversion.ID, over.ID, moved.ID)
	s.wantExported(tracker.Subject{CustomerExternalID: "jane", CustomerBrand: "shoes"}, first.ID, edge.Conversion.ID, over.ID, moved.ID)
	s.wantExported(tracker.Subject{CustomerExternalID: "jane"}) // somebody of another brand
	s.wantErased(subject, tracker.Erasure{Sessions: 1, Conversions: 4, Customers: 1})
	s.wantGone(s.everything(), jane, john)
	answer, replayed, err := s.CreateConversion(t.Context(), s.early("early", "jane"))
	if err != nil || !replayed || strings.Contains(string(answer), "jane") {
		t.Errorf("repeated: %t, %v, %s", replayed, err, answer)
	}
	s.wantErased(subject, tracker.Erasure{})
	s.wantBalanced()
}

// testErasedNeverRegistered erases a customer by the merchant's id whom nobody ever registered.
func testErasedNeverRegistered(t *testing.T, db Database) {
	s := newShop(t, db)
	jane, john := &planted{texts: []string{"jane-lead", "jane-phone"}}, &planted{texts: []string{"john-lead", "john-phone"}}
	s.report(s.early("janes", "jane"))
	s.report(s.early("johns", "john"))
	subject := tracker.Subject{CustomerExternalID: "jane", CustomerBrand: "shoes"}
	s.wantErased(subject, tracker.Erasure{Conversions: 1})
	s.report(s.early("later", "jane"))
	n := s.newCustomer("jane")
	n.Evidence = tracker.Evidence{}
	if c := s.addCustomer(n); !strings.HasPrefix(c.ExternalID, "erased:") {
		t.Errorf("registered later they are %q", c.ExternalID)
	}
	s.wantGone(s.everything(), jane, john)
	s.wantExported(subject)
	s.wantErased(subject, tracker.Erasure{})
	s.wantExported(tracker.Subject{CustomerExternalID: "john", CustomerBrand: "shoes"}, s.list(tracker.ConversionFilter{ExternalID: "johns"}, 0)[0].ID)

	var invalid tracker.Invalid
	for _, two := range []tracker.Subject{
		{CustomerBrand: "shoes"}, {CustomerExternalID: "jane", Visitor: tracker.NewVisitorID()}, {CustomerExternalID: "jane", CustomerID: "x"},
	} {
		if _, err := s.Erase(t.Context(), s.network, two); !errors.As(err, &invalid) {
			t.Errorf("erasing %+v: %v", two, err)
		}
	}
}

// testErasedSessionOfName erases a customer whom nothing but a sale names, which a session brought.
func testErasedSessionOfName(t *testing.T, db Database) {
	s := newShop(t, db)
	at := s.clock().Add(-time.Hour).UTC()
	book := func(who string) tracker.Session {
		session := tracker.Session{ID: tracker.NewSessionID(at), Network: s.network, Code: "ann", Time: at, Class: tracker.ClassHuman,
			Visitor: tracker.NewVisitorID(), UserAgent: who + "-browser", Query: "via=ann&q=" + who + "-query", Referrer: "https://" + who + "-blog.example/"}
		if err := s.AddSession(t.Context(), tracker.BookedSession{Session: session}); err != nil {
			t.Fatal(err)
		}
		n := s.early(who+"s", who)
		n.Evidence.Session = session.ID
		s.report(n)
		return session
	}
	texts := func(who string, session tracker.Session) *planted {
		return &planted{texts: []string{who + "-browser", who + "-query", who + "-blog", who + "-lead", session.Visitor.String()}}
	}
	jane, john := texts("jane", book("jane")), texts("john", book("john"))
	s.wantGone(s.everything(), &planted{}, jane, john)
	subject, kinds := tracker.Subject{CustomerExternalID: "jane", CustomerBrand: "shoes"}, map[string]int{}
	if err := s.Export(t.Context(), s.network, subject, func(kind string, _ any) error {
		kinds[kind]++
		return nil
	}); err != nil || kinds[ledger.KindSession] != 1 || kinds[ledger.KindConversion] != 1 || len(kinds) != 2 {
		t.Errorf("exported were %v, %v", kinds, err)
	}
	s.wantErased(subject, tracker.Erasure{Sessions: 1, Conversions: 1})
	s.wantGone(s.everything(), jane, john)
	s.wantErased(subject, tracker.Erasure{})
}

// testErasedTakesOver lets a report that names somebody who was erased take over a conversion for which a refund waits.
func testErasedTakesOver(t *testing.T, db Database) {
	s := newShop(t, db)
	n := s.early("order-1", "john")
	n.Amount, n.Duplicates = 100, tracker.DuplicateUpdate
	id := s.report(n).ID
	s.wantErased(tracker.Subject{CustomerExternalID: "jane", CustomerBrand: "shoes"}, tracker.Erasure{})
	r := s.newRefund("refund-1", "order-1", 300)
	r.Note = "for jane"
	answer, _, err := s.RefundConversion(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	n = s.early("order-1", "jane")
	n.Duplicates = tracker.DuplicateUpdate
	s.report(n)
	refund := decode[tracker.Refund](s, answer)
	s.wantRefund(refund.ID, 300, 0)
	if got := must(s.Refund(t.Context(), s.network, refund.ID))(s); got.Note != "" {
		t.Errorf("the refund's note is %q", got.Note)
	}
	if h := s.stored(id).History; len(h) != 4 || h[3].Kind != tracker.ChangeRefund || h[3].Note != "" {
		t.Errorf("the history is %+v", h)
	}
}

// wantExported checks which conversions an export has.
func (s *shop) wantExported(subject tracker.Subject, want ...string) {
	s.Helper()
	var got []string
	err := s.Export(s.Context(), s.network, subject, func(kind string, object any) error {
		if kind == ledger.KindConversion {
			got = append(got, object.(tracker.Conversion).ID)
		}
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		s.Errorf("exported of %+v were %v, %v, want %v", subject, got, err, want)
	}
}
