package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
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
	{"a lease that ends", testLease},
	{"a node that starts again", testReclaim},
	{"what was claimed and not sent", testRelease},
	{"skipped and refused for good", testNoWord},
	{"one after the other", testLanes},
	{"a conversion after its session", testSessionLanes},
	{"an older copy tells again, under the same ids", testDeliveriesAfterRollback},
	{"retry, and a range", testRetry},
	{"retry what waits, and not what is being sent", testHurry},
	{"pause, disable, go on", testPause},
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

func (s *shop) claim(limit int) []tracker.Delivery {
	s.Helper()
	return must(s.ClaimDeliveries(s.Context(), s.network, sink, time.Minute, limit))(s)
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

func testLease(t *testing.T, db Database) {
	s := routed(t, db)
	s.report(s.sale("1", 1000))
	first := s.claim(10)
	s.pass(time.Minute - time.Millisecond)
	if early := s.claim(10); len(early) > 0 {
		t.Fatalf("claimed within the lease: %+v", early)
	}
	s.pass(time.Millisecond)
	again := s.also(db).claim(10)
	if len(again) != 1 || again[0].ID != first[0].ID || again[0].Attempts != 2 {
		t.Fatalf("first %+v, after the lease %+v", first, again)
	}
}

// testReclaim has two nodes, of which one starts again.
func testReclaim(t *testing.T, db Database) {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{
		{Destination: sink, Network: s.network, Kinds: tracker.EventKinds, Ordered: true},
		{Destination: "other", Network: s.network, Kinds: []tracker.EventKind{tracker.EventConversion}},
	})
	for i := range 4 {
		s.report(s.sale(fmt.Sprint(i), 1000))
	}
	reclaim := func(node *shop) {
		t.Helper()
		if err := node.ReclaimDeliveries(s.Context(), s.network, sink, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	s.UseNode("first")
	second := s.also(db)
	second.UseNode("second")
	if _, err := s.ClaimDeliveries(s.Context(), s.network, "other", time.Minute, 10); err != nil {
		t.Fatal(err)
	}
	failed, sent, mine, theirs := s.claim(1), s.claim(1), s.claim(1), second.claim(1)
	s.finish(tracker.DeliveryDue, 5*time.Second, failed...)
	s.finish(tracker.DeliverySent, 0, sent...)
	approved := tracker.StatusApproved
	must(s.UpdateConversion(s.Context(), s.network, mine[0].Subject, tracker.ConversionUpdate{Status: &approved}))(s)

	reclaim(second.also(db)) // a node without a name of its own
	s.pass(time.Second)
	if early := s.claim(10); len(early) > 0 {
		t.Fatalf("a node that had claimed nothing makes due %+v", early)
	}
	again := s.also(db)
	again.UseNode("first")
	reclaim(again)
	if got := again.claim(10); len(got) != 1 || got[0].ID != mine[0].ID || got[0].Attempts != 2 || got[0].Step != 1 {
		t.Fatalf("the node that starts again gets %+v, not %+v", got, mine)
	}
	if left := must(again.ClaimDeliveries(s.Context(), s.network, "other", time.Minute, 10))(s); len(left) > 0 {
		t.Errorf("of another destination are due %+v", left)
	}
	s.pass(time.Minute)
	taken := second.claim(10)
	reclaim(again) // too late: the other node has taken it over
	if len(taken) != 3 || len(again.claim(10)) > 0 {
		t.Errorf("after the leases %d are taken over, and are due again", len(taken))
	}
	reclaim(second)
	if got := again.claim(10); len(got) != 3 || !slices.ContainsFunc(got, func(d tracker.Delivery) bool { return d.ID == theirs[0].ID }) {
		t.Errorf("then %+v are due", got)
	}
}

func testRelease(t *testing.T, db Database) {
	s := routed(t, db)
	for i := range 3 {
		s.report(s.sale(fmt.Sprint(i), 1000))
	}
	release := func(unsent ...tracker.Delivery) {
		t.Helper()
		if err := s.ReleaseDeliveries(s.Context(), s.network, unsent); err != nil {
			t.Fatal(err)
		}
	}
	first := s.claim(3)
	release(first[:2]...)
	release(first[:2]...) // again
	again := s.claim(3)
	if len(again) != 2 || again[0].Attempts != 1 || again[0].Step != 1 || again[1].Attempts != 1 {
		t.Fatalf("after it was given back %+v is due", again)
	}
	s.pass(time.Minute)
	another := s.also(db).claim(3)
	release(append(first, again...)...)
	if left := s.claim(3); len(another) != 3 || len(left) > 0 {
		t.Errorf("another hub has claimed %+v, and this one then %+v", another, left)
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

func testSessionLanes(t *testing.T, db Database) {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{{Destination: sink, Network: s.network, Kinds: tracker.EventKinds, Ordered: true, BySession: true}})
	batch := Sessions(1, 1)
	batch[0].Session.Network, batch[0].Session.Code = s.network, "ann"
	apply(t, s.Ledger, newOrigin(), batch)
	n := s.sale("1", 1000)
	n.Evidence, n.OccurredAt = tracker.Evidence{Session: batch[0].Session.ID}, batch[0].Session.Time.Add(time.Second)
	s.report(n)
	session := s.claim(10)
	if len(session) != 1 || session[0].Kind != tracker.EventSession {
		t.Fatalf("first goes %+v", session)
	}
	s.finish(tracker.DeliveryDue, time.Hour, session...)
	if overtaken := s.claim(10); len(overtaken) > 0 {
		t.Fatalf("the session is overtaken by %+v", overtaken)
	}
	s.pass(time.Hour)
	s.finish(tracker.DeliverySent, 0, s.claim(10)...)
	if sale := s.claim(10); len(sale) != 1 || sale[0].Kind != tracker.EventConversion {
		t.Errorf("then goes %+v", sale)
	}
}

func testLanes(t *testing.T, db Database) {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{{Destination: sink, Network: s.network, Kinds: tracker.EventKinds, Ordered: true}})
	sale, other := s.report(s.sale("1", 1000)), s.report(s.sale("2", 1000))
	approved := tracker.StatusApproved
	must(s.UpdateConversion(s.Context(), s.network, sale.ID, tracker.ConversionUpdate{Status: &approved}))(s)
	first := s.claim(10)
	subjects := []string{}
	for _, d := range first {
		subjects = append(subjects, d.Subject)
	}
	if len(first) != 2 || !slices.Contains(subjects, sale.ID) || !slices.Contains(subjects, other.ID) {
		t.Fatalf("first go %+v", first)
	}
	s.finish(tracker.DeliveryDue, time.Hour, first...)
	if overtaken := s.claim(10); len(overtaken) > 0 {
		t.Fatalf("overtaken by %+v", overtaken)
	}
	s.pass(time.Hour)
	s.finish(tracker.DeliveryDead, 0, s.claim(10)...)
	second := s.claim(10)
	if len(second) != 1 || second[0].Subject != sale.ID || second[0].N != 2 {
		t.Errorf("then goes %+v", second)
	}
}

func testClaimTogether(t *testing.T, db Database) {
	s := routed(t, db)
	const sales, hubs = 200, 4
	for i := range sales {
		s.report(s.sale(fmt.Sprint(i), 1000))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var all sync.WaitGroup
	for range hubs {
		hub := s.also(db)
		all.Go(func() {
			for {
				got, err := hub.ClaimDeliveries(t.Context(), s.network, sink, time.Minute, 7)
				if err != nil || len(got) == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				for _, d := range got {
					seen[d.ID]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if left := s.claim(sales); len(seen)+len(left) != sales {
		t.Errorf("%d deliveries were claimed, and %d are left", len(seen), len(left))
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

func testRetry(t *testing.T, db Database) {
	s := routed(t, db)
	for i := range 3 {
		s.report(s.sale(fmt.Sprint(i), 1000))
		s.pass(time.Hour)
	}
	all := s.claim(10)
	if len(all) != 3 {
		t.Fatalf("claimed %+v", all)
	}
	s.finish(tracker.DeliveryDead, 0, all[0], all[1])
	s.finish(tracker.DeliverySent, 0, all[2])
	if n := must(s.RetryDeliveries(s.Context(), s.network, tracker.DeliveryFilter{
		MinCreated: all[1].CreatedAt, MaxCreated: all[1].CreatedAt}))(s); n != 1 {
		t.Errorf("%d of the range are due again", n)
	}
	s.pass(time.Second)
	again := s.claim(10)
	if len(again) != 1 || again[0].ID != all[1].ID || again[0].Step != 1 || again[0].Attempts != 2 {
		t.Errorf("due again is %+v", again)
	}
	s.finish(tracker.DeliverySent, 0, again...)
	s.pass(time.Second)
	if n := must(s.RetryDeliveries(s.Context(), s.network, tracker.DeliveryFilter{State: tracker.DeliverySent}))(s); n != 2 {
		t.Errorf("%d of the sent are due again", n)
	}
	var invalid tracker.Invalid
	if _, err := s.RetryDeliveries(s.Context(), s.network, tracker.DeliveryFilter{State: tracker.DeliveryGone}); !errors.As(err, &invalid) {
		t.Errorf("to retry what is gone gives %v", err)
	}
}

func testHurry(t *testing.T, db Database) {
	s := routed(t, db)
	s.report(s.sale("waits", 1000))
	s.finish(tracker.DeliveryDue, time.Hour, s.claim(10)...)
	s.report(s.sale("is being sent", 1000))
	flying := s.claim(10)
	s.pass(time.Second)
	if n := must(s.RetryDeliveries(s.Context(), s.network, tracker.DeliveryFilter{State: tracker.DeliveryDue}))(s); n != 1 {
		t.Errorf("%d of what is due are hurried", n)
	}
	hurried := s.claim(10)
	if len(flying) != 1 || len(hurried) != 1 || hurried[0].ID == flying[0].ID || hurried[0].Step != 2 || hurried[0].Attempts != 2 {
		t.Errorf("being sent is %+v, hurried %+v", flying, hurried)
	}
}

func testPause(t *testing.T, db Database) {
	s := routed(t, db)
	may := func(want bool) {
		t.Helper()
		if got, _, err := s.MayDeliver(s.Context(), s.network, sink, ""); err != nil || got != want {
			t.Errorf("it may deliver: %t, %v", got, err)
		}
	}
	pause := func(paused bool) {
		t.Helper()
		if err := s.PauseDestination(s.Context(), s.network, sink, paused); err != nil {
			t.Fatal(err)
		}
	}
	may(true)
	pause(true)
	may(false)
	pause(false)
	may(true)
	for i, want := range []bool{true, false} {
		if got := must(s.DisableDestination(s.Context(), s.network, sink))(s); got != want {
			t.Errorf("call %d disables it: %t", i+1, got)
		}
	}
	may(false)
	if state := must(s.DestinationState(s.Context(), s.network, sink))(s); state.DisabledAt == nil || state.Paused {
		t.Errorf("it is %+v", state)
	}
	pause(false)
	may(true)
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
