package ledgertest

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var deliveryHoldTests = []test{
	{"a hold of a destination", testHold},
	{"a hold of other settings, and of a clock that is ahead", testHoldOfOthers},
	{"what was never tried keeps its place", testReleasedPlace},
	{"an outcome of a claim that is not the latest", testFence},
	{"an attempt that was cut short", testCutShort},
	{"since when the oldest waits", testOldestDue},
	{"the last success to the second", testLastSuccess},
}

func (s *shop) state() tracker.DestinationState {
	s.Helper()
	return must(s.DestinationState(s.Context(), s.network, sink))(s)
}

func testHold(t *testing.T, db Database) {
	s := routed(t, db)
	hold := func(span time.Duration, why string) {
		t.Helper()
		if err := s.HoldDestination(s.Context(), s.network, sink, tracker.Hold{Until: s.clock().Add(span), Why: why}); err != nil {
			t.Fatal(err)
		}
	}
	may := func(want bool, why string) {
		t.Helper()
		for _, hub := range []*shop{s, s.also(db)} {
			if got, _, err := hub.MayDeliver(s.Context(), s.network, sink, ""); err != nil || got != want {
				t.Errorf("%s: it may deliver: %t, %v", why, got, err)
			}
		}
		if got := s.state(); (got.HeldUntil == nil) != want || (got.HeldBecause == "") != want {
			t.Errorf("%s: the destination is %+v", why, got)
		}
	}
	may(true, "before")
	hold(time.Hour, "the endpoint answered 429")
	hold(time.Minute, "a shorter one")
	may(false, "held")
	if got := s.state(); !got.HeldUntil.Equal(s.clock().Add(time.Hour)) || got.HeldBecause != "the endpoint answered 429" {
		t.Errorf("it is held until %v: %s", got.HeldUntil, got.HeldBecause)
	}
	s.pass(time.Hour)
	may(true, "after the hold")
	hold(24*time.Hour, "again")
	may(false, "held again")
	if err := s.PauseDestination(s.Context(), s.network, sink, false); err != nil {
		t.Fatal(err)
	}
	may(true, "resumed")
}

// testReleasedPlace has events that fail at once, and one that was claimed with them and never tried.
func testReleasedPlace(t *testing.T, db Database) {
	s := routed(t, db)
	s.report(s.sale("fails", 1000))
	s.finish(tracker.DeliveryDue, 5*time.Second, s.claim(1)...)
	s.report(s.sale("never tried", 1000))
	s.pass(time.Second)
	untried := s.claim(1)
	s.pass(10 * time.Second)
	if err := s.ReleaseDeliveries(s.Context(), s.network, untried); err != nil {
		t.Fatal(err)
	}
	next := s.claim(1)
	if len(next) != 1 || next[0].ID != untried[0].ID || next[0].Attempts != 1 {
		t.Errorf("next is %+v, not what was never tried", next)
	}
}

func testCutShort(t *testing.T, db Database) {
	s := remembering(t, db)
	s.report(s.sale("1", 1000))
	first := s.claim(1)
	err := s.FinishDeliveries(s.Context(), s.network, sink, []tracker.DeliveryOutcome{{
		Delivery: first[0], State: tracker.DeliveryDue, DueAt: s.clock(), Cut: true,
		Attempt: tracker.Attempt{Time: s.clock(), DurationUS: 7, Error: tracker.CutShort},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.state(); got.FailingSince != nil {
		t.Errorf("to be cut short is a failure of the endpoint: %+v", got)
	}
	for n := 2; n <= 4; n++ { // of the third and fourth nobody has booked the attempt before
		got := s.claim(1)
		if len(got) != 1 || got[0].Attempts != n {
			t.Fatalf("claim %d is %+v", n, got)
		}
		if n == 2 && got[0].Step != 1 {
			t.Errorf("an attempt that was cut short brings it nearer to its death: step %d", got[0].Step)
		}
		if !s.event(got[0]).InDoubt {
			t.Errorf("before attempt %d it is in no doubt", n)
		}
		s.pass(time.Minute)
	}
	log := must(s.Delivery(s.Context(), s.network, first[0].ID))(s).Log
	if len(log) != 3 || slices.ContainsFunc(log, func(a tracker.Attempt) bool { return a.Error != tracker.CutShort || a.Time.IsZero() }) {
		t.Errorf("the log of attempts is %+v", log)
	}
}

func testOldestDue(t *testing.T, db Database) {
	s := routed(t, db)
	s.report(s.sale("1", 1000))
	made := s.clock()
	s.pass(time.Hour)
	if got := s.state().OldestDueAt; !got.Equal(made) {
		t.Errorf("it waits since %v, want %v", got, made)
	}
	s.finish(tracker.DeliverySent, 0, s.claim(1)...)
	s.pass(100 * time.Hour)
	asked := s.clock()
	must(s.RetryDeliveries(s.Context(), s.network, tracker.DeliveryFilter{State: tracker.DeliverySent}))(s)
	s.pass(time.Second)
	s.finish(tracker.DeliveryDue, time.Minute, s.claim(1)...)
	s.pass(2 * time.Second)
	if got := s.state().OldestDueAt; got.Before(asked.Add(-time.Second)) || got.After(asked.Add(time.Second)) {
		t.Errorf("what was asked for at %v waits since %v", asked, got)
	}
}

func testLastSuccess(t *testing.T, db Database) {
	s := routed(t, db)
	for i := range 2 {
		s.report(s.sale([]string{"a", "b"}[i], 1000))
		s.pass(2 * time.Second)
		s.finish(tracker.DeliverySent, 0, s.claim(1)...)
		if got := s.state().LastSuccessAt; got == nil || s.clock().Sub(*got) > time.Second {
			t.Errorf("success %d was at %v, and is kept as %v", i+1, s.clock(), got)
		}
	}
}

// testHoldOfOthers has a destination whose settings change, and hubs of which one has a clock that is ahead.
func testHoldOfOthers(t *testing.T, db Database) {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{{Destination: sink, Network: s.network, Kinds: tracker.EventKinds, Fingerprint: "new"}})
	hold := func(by string, span time.Duration) {
		t.Helper()
		h := tracker.Hold{Until: s.clock().Add(span), Why: "the endpoint answered 429", By: by}
		if err := s.HoldDestination(s.Context(), s.network, sink, h); err != nil {
			t.Fatal(err)
		}
	}
	held := func(by string, want bool, why string) {
		t.Helper()
		may, _, err := s.MayDeliver(s.Context(), s.network, sink, by)
		if err != nil || may == want {
			t.Errorf("%s: with the %s settings it may deliver: %t, %v", why, by, may, err)
		}
	}
	hold("old", 24*time.Hour)
	held("old", true, "held")
	held("new", false, "held with other settings")
	if got := s.state(); got.HeldUntil != nil || got.HeldBecause != "" {
		t.Errorf("with other settings it is shown as held: %+v", got)
	}
	hold("new", time.Minute)
	held("new", true, "held by itself, though shorter")
	if got := s.state(); got.HeldUntil == nil || !got.HeldUntil.Equal(s.clock().Add(time.Minute)) {
		t.Errorf("it is shown as held until %v", got.HeldUntil)
	}
	hold("new", 48*time.Hour)
	held("new", false, "by a clock that is ahead")
	hold("new", time.Minute)
	held("new", true, "after that")
	hold("new", 48*time.Hour)
	s.report(s.sale("1", 1000))
	s.finish(tracker.DeliverySent, 0, s.claim(1)...)
	s.pass(30 * time.Hour)
	held("new", false, "when it would begin to count, after a success")
}

// testFence has two hubs with one name, of which one starts again: it takes what the other has under way.
func testFence(t *testing.T, db Database) {
	s := remembering(t, db)
	s.UseNode("both")
	clone := s.also(db)
	clone.UseNode("both")
	// twice is a delivery as the one has claimed it, and then the other.
	twice := func(name string) (older, newer tracker.Delivery) {
		t.Helper()
		s.report(s.sale(name, 1000))
		older = s.claim(1)[0]
		s.pass(time.Second)
		if err := clone.ReclaimDeliveries(s.Context(), s.network, sink, time.Minute); err != nil {
			t.Fatal(err)
		}
		got := clone.claim(1)
		if len(got) != 1 || got[0].ID != older.ID || got[0].Attempts != 2 {
			t.Fatalf("the other has claimed %+v", got)
		}
		return older, got[0]
	}
	read := func(d tracker.Delivery) tracker.Delivery {
		t.Helper()
		return must(s.Delivery(s.Context(), s.network, d.ID))(s)
	}
	older, newer := twice("fails")
	s.finish(tracker.DeliveryDue, time.Hour, older)
	if got := read(older); !got.DueAt.Equal(newer.DueAt) || len(got.Log) != 1 || got.Log[0].N != 1 || got.Log[0].Status != 500 {
		t.Errorf("after the older attempt it is %+v; want it due at %v", got, newer.DueAt)
	}
	s.finish(tracker.DeliveryDead, 0, older)
	if got := read(older); got.State != tracker.DeliveryDue {
		t.Errorf("the older attempt makes it %s", got.State)
	}
	s.finishAs(tracker.DeliverySent, "theirs", newer)
	if got := read(older); got.State != tracker.DeliverySent || len(got.Log) != 2 || got.Log[1].N != 2 || got.Log[1].Error != "" {
		t.Errorf("after the newer attempt it is %+v", got)
	}
	s.finish(tracker.DeliveryDead, 0, older)
	if got := read(older); got.State != tracker.DeliverySent {
		t.Errorf("what was sent is %s after another attempt", got.State)
	}

	older, newer = twice("succeeds")
	s.finish(tracker.DeliveryDead, 0, newer)
	s.finishAs(tracker.DeliverySent, "theirs too", older)
	if got := read(older); got.State != tracker.DeliverySent || len(got.Log) != 2 || got.Log[0].Error != "" || s.event(got).Ref != "theirs too" {
		t.Errorf("after an older attempt that was taken it is %+v", got)
	}
}
