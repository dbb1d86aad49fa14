package ledgertest

import (
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var externalRefTests = []test{
	{"what a destination called it", testExternalRefs},
	{"an attempt of which nothing was heard", testInDoubt},
	{"a person's export", testExportedRefs},
	{"what a destination called the erased", testErasedRefs},
}

// remembering is a shop whose sink is told what it called things; "other" is not.
func remembering(t *testing.T, db Database) *shop {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{
		{Destination: sink, Network: s.network, Kinds: tracker.EventKinds, Remembers: true},
		{Destination: "other", Network: s.network, Kinds: tracker.EventKinds},
	})
	return s
}

// finishAs ends attempts, for which the sink has a name.
func (s *shop) finishAs(state tracker.DeliveryState, ref string, deliveries ...tracker.Delivery) {
	s.Helper()
	var outcomes []tracker.DeliveryOutcome
	for _, d := range deliveries {
		outcomes = append(outcomes, tracker.DeliveryOutcome{Delivery: d, State: state, DueAt: s.clock(), Ref: ref, Attempt: tracker.Attempt{Time: s.clock()}})
	}
	if err := s.FinishDeliveries(s.Context(), s.network, sink, outcomes); err != nil {
		s.Fatal(err)
	}
}

// visit books a session of that visitor.
func (s *shop) visit(visitor tracker.VisitorID) tracker.Session {
	s.Helper()
	batch := Sessions(1, 1)
	batch[0].Session.Network, batch[0].Session.Code, batch[0].Session.Visitor = s.network, "ann", visitor
	batch[0].Session.Time = s.clock().Add(-time.Hour)
	apply(s.T, s.Ledger, newOrigin(), batch)
	return batch[0].Session.Session
}

func testExternalRefs(t *testing.T, db Database) {
	s := remembering(t, db)
	session := s.visit(tracker.NewVisitorID())
	s.finishAs(tracker.DeliverySent, "their session", s.claim(10)...)
	n := s.sale("1", 1000)
	n.Evidence = tracker.Evidence{Session: session.ID}
	sale := s.report(n)
	approved := tracker.StatusApproved
	must(s.UpdateConversion(s.Context(), s.network, sale.ID, tracker.ConversionUpdate{Status: &approved}))(s)
	first := s.claim(10)
	if len(first) != 2 {
		t.Fatalf("claimed %+v", first)
	}
	for _, d := range first {
		if e := s.event(d); e.Ref != "" || e.SessionRef != "their session" || e.InDoubt {
			t.Errorf("before it is taken its event is %+v", e)
		}
	}
	s.finishAs(tracker.DeliveryDue, "their sale", first...) // two of one subject at once
	again := s.also(db)
	again.UseRoutes([]tracker.Route{{Destination: sink, Network: s.network, Kinds: tracker.EventKinds, Remembers: true}})
	for _, d := range s.claim(10) {
		if e := again.event(d); e.Ref != "their sale" || e.SessionRef != "their session" || e.InDoubt {
			t.Errorf("then, on another hub, it is %+v", e)
		}
		s.finishAs(tracker.DeliverySent, "", d)
		if e := s.event(d); e.Ref != "their sale" {
			t.Errorf("who names nothing takes away the name: %q", e.Ref)
		}
	}
	for _, d := range s.deliveries(tracker.DeliveryFilter{Destination: "other"}) {
		if e := s.event(d); e.Ref != "" || e.SessionRef != "" {
			t.Errorf("another destination is told %q and %q", e.Ref, e.SessionRef)
		}
	}
}

func testExportedRefs(t *testing.T, db Database) {
	s := remembering(t, db)
	n := s.sale("1", 1000)
	sale := s.report(n)
	s.finishAs(tracker.DeliverySent, "their sale", s.claim(10)...)
	visitor, err := tracker.ParseVisitorID(sale.VisitorID)
	if err != nil {
		t.Fatal(err)
	}
	var refs []tracker.ExternalRef
	err = s.Export(s.Context(), s.network, tracker.Subject{Visitor: visitor}, func(kind string, object any) error {
		if kind == ledger.KindExternalRef {
			refs = append(refs, object.(tracker.ExternalRef))
		}
		return nil
	})
	if err != nil || len(refs) != 1 || refs[0] != (tracker.ExternalRef{Destination: sink, Subject: sale.ID, Ref: "their sale"}) {
		t.Errorf("exported are %+v, %v", refs, err)
	}
}

func testInDoubt(t *testing.T, db Database) {
	s := remembering(t, db)
	s.report(s.sale("1", 1000))
	next := func(doubt bool, why string) tracker.Delivery {
		t.Helper()
		got := s.claim(10)
		if len(got) != 1 {
			t.Fatalf("%s: claimed %+v", why, got)
		}
		if e := s.event(got[0]); e.InDoubt != doubt {
			t.Errorf("%s: in doubt is %t", why, e.InDoubt)
		}
		return got[0]
	}
	next(false, "the first attempt")
	s.pass(time.Minute)
	d := next(true, "after a hub that was killed")
	s.finishAs(tracker.DeliveryDue, "", d)
	d = next(false, "after one that was booked")
	s.finishAs(tracker.DeliveryDead, "", d)
	must(s.RetryDeliveries(s.Context(), s.network, tracker.DeliveryFilter{Destination: sink}))(s)
	s.pass(time.Second)
	next(false, "by hand")
}

func testErasedRefs(t *testing.T, db Database) {
	s := remembering(t, db)
	visitor, other := tracker.NewVisitorID(), tracker.NewVisitorID()
	session, kept := s.visit(visitor), s.visit(other)
	answer, _, err := s.CreateCustomer(s.Context(), tracker.NewCustomer{Network: s.network, ExternalID: "c1", Evidence: tracker.Evidence{Session: session.ID}})
	if err != nil {
		t.Fatal(err)
	}
	customer := decode[tracker.Customer](s, answer)
	all := s.claim(10)
	s.finishAs(tracker.DeliverySent, "theirs", all...)
	must(s.Erase(s.Context(), s.network, tracker.Subject{Visitor: visitor}))(s)
	for _, d := range all {
		want := ""
		if d.Subject == kept.ID.String() {
			want = "theirs"
		}
		if e, _ := s.findEvent(d); e.Ref != want {
			t.Errorf("after the erasure the %s is called %q (customer %s)", d.Kind, e.Ref, customer.ID)
		}
	}
}
