package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var deliveryTests = []test{
	{"each event once for each destination that wants it", testDeliveries},
	{"only what a route asks for", testRoutes},
	{"by what they are about", testDeliveriesAbout},
	{"a repeated report tells nobody", testRepeatsTellNobody},
	{"attempts, states and health", testOutcomes},
	{"skipped and refused for good", testNoWord},
	{"an older copy tells again, under the same ids", testDeliveriesAfterRollback},
	{"what may not be shared", testNotShared},
	{"an erased person", testErasedDeliveries},
	{"other networks", testDeliveryTenancy},
	{"forgetting", testForgetDeliveries},
}

const sink = "sink"

// routed is a shop with one destination that takes everything.
func routed(t *testing.T, db Database) *shop {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{{Destination: sink, Network: s.network, Kinds: tracker.EventKinds}})
	return s
}

// finish ends an attempt at each delivery.
func (s *shop) finish(state tracker.DeliveryState, due time.Duration, deliveries ...tracker.Delivery) {
	s.Helper()
	var outcomes []tracker.DeliveryOutcome
	for _, d := range deliveries {
		o := tracker.DeliveryOutcome{Delivery: d, State: state, DueAt: s.clock().Add(due), Attempt: tracker.Attempt{
			Time: s.clock(), DurationUS: 1500, Status: 200, Answer: "fine",
		}}
		if state != tracker.DeliverySent {
			o.Attempt.Status, o.Attempt.Error, o.Attempt.Answer = 500, "the endpoint answered 500", "bad\x00\xff"
		}
		outcomes = append(outcomes, o)
	}
	if err := s.FinishDeliveries(s.Context(), s.network, sink, outcomes); err != nil {
		s.Fatal(err)
	}
}

func (s *shop) deliveries(f tracker.DeliveryFilter) []tracker.Delivery {
	s.Helper()
	all, next, err := s.Deliveries(s.Context(), s.network, f, tracker.Page{Limit: tracker.MaxPage})
	if err != nil || next != "" {
		s.Fatalf("%d deliveries, then %q, %v", len(all), next, err)
	}
	return all
}

func (s *shop) event(d tracker.Delivery) tracker.Event {
	s.Helper()
	e, there := s.findEvent(d)
	if !there {
		s.Fatalf("there is nothing to send of %+v", d)
	}
	return e
}

// findEvent returns what a delivery is about; false: there is nothing to send any more.
func (s *shop) findEvent(d tracker.Delivery) (tracker.Event, bool) {
	s.Helper()
	e, there := must(s.DeliveryEvents(s.Context(), []tracker.Delivery{d}))(s)[d.ID]
	return e, there
}

func kindsOf(deliveries []tracker.Delivery) map[tracker.EventKind]int {
	count := map[tracker.EventKind]int{}
	for _, d := range deliveries {
		count[d.Kind]++
	}
	return count
}

func testDeliveries(t *testing.T, db Database) {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{
		{Destination: sink, Network: s.network, Kinds: tracker.EventKinds},
		{Destination: "other", Network: s.network, Kinds: tracker.EventKinds},
		{Destination: "elsewhere", Network: "elsewhere", Kinds: tracker.EventKinds},
	})
	batch := Sessions(1, 3)
	for i := range batch {
		batch[i].Session.Network, batch[i].Session.Code = s.network, "ann"
	}
	apply(t, s.Ledger, newOrigin(), batch)
	sale := s.report(s.sale("1", 1000))
	approved := tracker.StatusApproved
	must(s.UpdateConversion(s.Context(), s.network, sale.ID, tracker.ConversionUpdate{Status: &approved}))(s)
	s.refund("r1", "1", 100)
	answer, _, err := s.CreateCustomer(s.Context(), tracker.NewCustomer{Network: s.network, ExternalID: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	customer := decode[tracker.Customer](s, answer)
	s.pass(time.Second)
	must(s.UpdateCustomer(s.Context(), s.network, customer.ID, func(f *tracker.CustomerFields) error {
		f.Label = "gold"
		return nil
	}))(s)
	if _, _, err := s.AddTransaction(s.Context(), tracker.NewTransaction{Network: s.network, CustomerExternalID: "c1",
		TransactionFields: tracker.TransactionFields{ExternalID: "t1", Currency: "EUR", Deposit: 500}}); err != nil {
		t.Fatal(err)
	}
	made := must(s.CreateAffiliate(s.Context(), s.network, tracker.AffiliateFields{Name: "Cleo"}))(s)

	want := map[tracker.EventKind]int{
		tracker.EventSession: 3, tracker.EventConversion: 1, tracker.EventConversionChanged: 2, tracker.EventCustomer: 1,
		tracker.EventCustomerChanged: 1, tracker.EventTransaction: 1, tracker.EventAffiliate: 1,
	}
	for _, destination := range []string{sink, "other"} {
		got := kindsOf(s.deliveries(tracker.DeliveryFilter{Destination: destination}))
		for kind, n := range want {
			if got[kind] != n {
				t.Errorf("%s is told of %s %d times, want %d", destination, kind, got[kind], n)
			}
		}
	}
	if left := s.deliveries(tracker.DeliveryFilter{Destination: "elsewhere"}); len(left) > 0 {
		t.Errorf("another network's destination is told of %v", left)
	}
	for _, d := range s.claim(100) {
		e := s.event(d)
		if e.ID != d.ID || e.Kind != d.Kind || e.Subject != d.Subject {
			t.Errorf("delivery %+v is of event %+v", d, e)
		}
		switch d.Kind {
		case tracker.EventSession:
			if e.Session == nil || e.Session.ID.String() != d.Subject || e.Link == nil || e.Link.Code != "ann" {
				t.Errorf("a session's event is %+v", e)
			}
		case tracker.EventConversion, tracker.EventConversionChanged:
			if e.Conversion == nil || e.Conversion.ID != sale.ID || len(e.Conversion.History) != 3 {
				t.Errorf("a conversion's event is %+v", e)
			}
		case tracker.EventTransaction:
			if e.Transaction == nil || e.Customer == nil || e.Customer.Label != "gold" {
				t.Errorf("a transaction's event is %+v", e)
			}
		case tracker.EventAffiliate:
			if e.Affiliate == nil || e.Affiliate.ID != made.ID {
				t.Errorf("an affiliate's event is %+v", e)
			}
		}
	}
	if again := s.claim(100); len(again) > 0 {
		t.Errorf("what is being sent is claimed again: %v", again)
	}
}

func testRoutes(t *testing.T, db Database) {
	s := newShop(t, db)
	route := tracker.Route{Destination: sink, Network: s.network, Kinds: []tracker.EventKind{tracker.EventConversion}}
	route.Campaigns, route.Statuses = []string{"sales"}, []tracker.ConversionStatus{tracker.StatusApproved}
	s.UseRoutes([]tracker.Route{route})
	s.report(s.sale("pending", 1000))
	approved := s.sale("approved", 1000)
	approved.Status = tracker.StatusApproved
	want := s.report(approved)
	bob := s.sale("bob", 1000)
	bob.Status, bob.Evidence.Token = tracker.StatusApproved, s.token(s.click("bob"))
	s.report(bob)
	batch := Sessions(1, 2)
	for i := range batch {
		batch[i].Session.Network, batch[i].Session.Code = s.network, "ann"
	}
	apply(t, s.Ledger, newOrigin(), batch)
	if got := s.deliveries(tracker.DeliveryFilter{}); len(got) != 1 || got[0].Subject != want.ID {
		t.Errorf("the route gets %+v", got)
	}
}

// testDeliveriesAbout has several events in one millisecond, of things with a time in their ids and of one with a number.
func testDeliveriesAbout(t *testing.T, db Database) {
	s := routed(t, db)
	first, second := s.report(s.sale("1", 1000)), s.report(s.sale("2", 1000))
	s.pass(time.Hour)
	approved := tracker.StatusApproved
	must(s.UpdateConversion(s.Context(), s.network, first.ID, tracker.ConversionUpdate{Status: &approved}))(s)
	made := must(s.CreateAffiliate(s.Context(), s.network, tracker.AffiliateFields{Name: "Cleo"}))(s)
	for subject, want := range map[string]int{
		first.ID: 2, second.ID: 1, fmt.Sprint(made.ID): 1, fmt.Sprint(made.ID + 1): 0, "none": 0, tracker.NewSessionID(s.clock()).String(): 0,
	} {
		got := s.deliveries(tracker.DeliveryFilter{Subject: subject})
		if len(got) != want || slices.ContainsFunc(got, func(d tracker.Delivery) bool { return d.Subject != subject }) {
			t.Errorf("about %s are %+v, want %d", subject, got, want)
		}
	}
}

func testRepeatsTellNobody(t *testing.T, db Database) {
	s := routed(t, db)
	n := s.sale("1", 1000)
	s.report(n)
	for range 3 {
		if _, replayed, err := s.CreateConversion(s.Context(), n); err != nil || !replayed {
			t.Fatal(replayed, err)
		}
	}
	n.Amount, n.Commissions = 2000, nil
	if _, _, err := s.CreateConversion(s.Context(), n); !errors.Is(err, tracker.ErrConflict) {
		t.Fatal(err)
	}
	if got := s.deliveries(tracker.DeliveryFilter{}); len(got) != 1 {
		t.Errorf("one sale makes %d deliveries: %+v", len(got), got)
	}
}

func testOutcomes(t *testing.T, db Database) {
	s := routed(t, db)
	s.report(s.sale("1", 1000))
	first := s.claim(10)
	if len(first) != 1 || first[0].Attempts != 1 || first[0].Step != 1 {
		t.Fatalf("claimed %+v", first)
	}
	s.finish(tracker.DeliveryDue, 5*time.Second, first...)
	if early := s.claim(10); len(early) > 0 {
		t.Fatalf("sent before its time: %+v", early)
	}
	state := must(s.DestinationState(s.Context(), s.network, sink))(s)
	if state.FailingSince == nil || state.LastSuccessAt != nil || state.Due != 1 || state.OldestDueAt == nil {
		t.Errorf("after a failure the destination is %+v", state)
	}
	failing := *state.FailingSince
	s.pass(5 * time.Second)
	s.finish(tracker.DeliveryDue, 0, s.claim(10)...)
	if state = must(s.DestinationState(s.Context(), s.network, sink))(s); !state.FailingSince.Equal(failing) {
		t.Errorf("it has failed since %v, not %v", failing, state.FailingSince)
	}
	third := s.claim(10)
	s.finish(tracker.DeliverySent, 0, third...)
	state = must(s.DestinationState(s.Context(), s.network, sink))(s)
	if state.FailingSince != nil || state.LastSuccessAt == nil || state.Due != 0 {
		t.Errorf("after a success the destination is %+v", state)
	}
	got := must(s.Delivery(s.Context(), s.network, third[0].ID))(s)
	if got.State != tracker.DeliverySent || got.Attempts != 3 || len(got.Log) != 3 {
		t.Fatalf("the delivery is %+v", got)
	}
	for i, a := range got.Log {
		if a.N != i+1 || a.DurationUS != 1500 || (a.Error == "") != (i == 2) || (a.Status == 200) != (i == 2) {
			t.Errorf("attempt %d is %+v", i+1, a)
		}
	}
	s.finish(tracker.DeliveryDead, 0, third...) // comes too late: another hub was there
	if got = must(s.Delivery(s.Context(), s.network, third[0].ID))(s); got.State != tracker.DeliverySent || len(got.Log) != 3 {
		t.Errorf("a late outcome makes of it %+v", got)
	}
}

func testNoWord(t *testing.T, db Database) {
	s := routed(t, db)
	for i := range 2 {
		s.report(s.sale(fmt.Sprint(i), 1000))
	}
	both := s.claim(2)
	skipped := tracker.DeliveryOutcome{Delivery: both[0], State: tracker.DeliverySent, Skipped: true}
	if err := s.FinishDeliveries(s.Context(), s.network, sink, []tracker.DeliveryOutcome{skipped}); err != nil {
		t.Fatal(err)
	}
	s.finish(tracker.DeliveryDead, 0, both[1])
	state := must(s.DestinationState(s.Context(), s.network, sink))(s)
	if state.FailingSince != nil || state.LastSuccessAt != nil || state.Due != 0 || state.Dead != 1 {
		t.Errorf("the destination is %+v", state)
	}
}

func testErasedDeliveries(t *testing.T, db Database) {
	s := routed(t, db)
	jane, john := s.plant("jane"), s.plant("john")
	before := kindsOf(s.deliveries(tracker.DeliveryFilter{}))
	for _, d := range s.claim(100) {
		if d.Subject == jane.click.Session.String() || d.Kind == tracker.EventConversion {
			s.finish(tracker.DeliverySent, 0, d)
		}
	}
	s.wantErased(tracker.Subject{Visitor: jane.visitor}, wholly)
	after := map[tracker.DeliveryState]map[tracker.EventKind]int{}
	for _, state := range []tracker.DeliveryState{tracker.DeliveryDue, tracker.DeliverySent, tracker.DeliveryGone} {
		after[state] = kindsOf(s.deliveries(tracker.DeliveryFilter{State: state}))
	}
	for _, kind := range []tracker.EventKind{tracker.EventSession, tracker.EventCustomer, tracker.EventTransaction} {
		if gone := after[tracker.DeliveryGone][kind]; before[kind] == 0 || 2*gone != before[kind] {
			t.Errorf("of %d %s %d are gone", before[kind], kind, gone)
		}
	}
	if sales := after[tracker.DeliverySent][tracker.EventConversion]; sales == 0 || sales != before[tracker.EventConversion] {
		t.Errorf("of %d sales %d are sent", before[tracker.EventConversion], sales)
	}
	for _, d := range s.deliveries(tracker.DeliveryFilter{}) {
		johns := d.Subject == john.click.Session.String()
		for _, a := range must(s.Delivery(s.Context(), s.network, d.ID))(s).Log {
			if a.Answer != "" && d.State == tracker.DeliveryGone {
				t.Errorf("of an erased %s there is the answer %q", d.Kind, a.Answer)
			}
			if a.Answer == "" && johns {
				t.Errorf("another person's %s has lost its answer", d.Kind)
			}
		}
	}
}

func testDeliveriesAfterRollback(t *testing.T, db Database) {
	routes := []tracker.Route{{Destination: sink, Network: "default", Kinds: tracker.EventKinds}}
	l := db.Open(t)
	addLink(t, l, ledger.NewLink{Code: "p", Affiliate: "P"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	older := db.Copy(t)
	origin, batch := newOrigin(), Sessions(1, 4)
	for i := range batch {
		batch[i].Session.Network, batch[i].Session.Code = "default", "p"
	}
	var ids [2][]string
	for i, one := range []Database{db, older} {
		l := open(t, one)
		l.UseRoutes(routes)
		apply(t, l, origin, batch)
		all, _, err := l.Deliveries(t.Context(), "default", tracker.DeliveryFilter{}, tracker.Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			ids[i] = append(ids[i], d.ID)
		}
		slices.Sort(ids[i])
	}
	if len(ids[0]) != 4 || !slices.Equal(ids[0], ids[1]) {
		t.Errorf("first %v, after the rollback %v", ids[0], ids[1])
	}
}

func testNotShared(t *testing.T, db Database) {
	s := routed(t, db)
	batch := Sessions(1, 2)
	for i := range batch {
		batch[i].Session.Network, batch[i].Session.Code = s.network, "ann"
	}
	private := batch[0].Session
	private.NoShare = true
	apply(t, s.Ledger, newOrigin(), batch)
	if got := s.deliveries(tracker.DeliveryFilter{}); len(got) != 1 || got[0].Subject != batch[1].Session.ID.String() {
		t.Errorf("forwarded is %+v", got)
	}
	n := s.sale("1", 1000)
	n.Evidence = tracker.Evidence{Session: private.ID}
	n.OccurredAt = private.Time.Add(time.Second)
	sale := s.report(n)
	if sale.SessionID != private.ID.String() {
		t.Fatalf("the sale is of session %q", sale.SessionID)
	}
	for _, d := range s.deliveries(tracker.DeliveryFilter{Subject: sale.ID}) {
		if e, there := s.findEvent(d); there {
			t.Errorf("the sale of one who does not want to be shared is read: %+v", e)
		}
	}
}

func testDeliveryTenancy(t *testing.T, db Database) {
	s := routed(t, db)
	s.report(s.sale("1", 1000))
	d := s.deliveries(tracker.DeliveryFilter{})[0]
	if _, err := s.Delivery(s.Context(), "other", d.ID); !errors.Is(err, tracker.ErrNotFound) {
		t.Errorf("another network reads it with %v", err)
	}
	if all, _, err := s.Deliveries(s.Context(), "other", tracker.DeliveryFilter{}, tracker.Page{}); err != nil || len(all) > 0 {
		t.Errorf("another network sees %v, %v", all, err)
	}
	d.Network = "other"
	if e, there := s.findEvent(d); there {
		t.Errorf("another network's event is read: %+v", e)
	}
}

func testForgetDeliveries(t *testing.T, db Database) {
	s := routed(t, db)
	for i := range 3 {
		s.report(s.sale(fmt.Sprint(i), 1000))
	}
	all := s.claim(10)
	s.finish(tracker.DeliverySent, 0, all[0])
	s.finish(tracker.DeliveryDead, 0, all[1])
	s.pass(time.Hour)
	if n := must(s.ForgetDeliveries(s.Context(), s.clock()))(s); n != 1 {
		t.Errorf("%d deliveries are forgotten", n)
	}
	if left := s.deliveries(tracker.DeliveryFilter{}); len(left) != 2 {
		t.Errorf("left are %+v", left)
	}
}
