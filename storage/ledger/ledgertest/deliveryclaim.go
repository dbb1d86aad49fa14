package ledgertest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var deliveryClaimTests = []test{
	{"a lease that ends", testLease},
	{"a node that starts again", testReclaim},
	{"what was claimed and not sent", testRelease},
	{"one after the other", testLanes},
	{"a conversion after its session", testSessionLanes},
}

func (s *shop) claim(limit int) []tracker.Delivery {
	s.Helper()
	return must(s.ClaimDeliveries(s.Context(), s.network, sink, time.Minute, limit))(s)
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
