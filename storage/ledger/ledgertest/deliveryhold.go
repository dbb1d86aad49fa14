package ledgertest

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var deliveryHoldTests = []test{
	{"a hold of a destination", testHold},
	{"what was never tried keeps its place", testReleasedPlace},
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
		if err := s.HoldDestination(s.Context(), s.network, sink, s.clock().Add(span), why); err != nil {
			t.Fatal(err)
		}
	}
	may := func(want bool, why string) {
		t.Helper()
		for _, hub := range []*shop{s, s.also(db)} {
			if got, _, err := hub.MayDeliver(s.Context(), s.network, sink); err != nil || got != want {
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
		ID: first[0].ID, State: tracker.DeliveryDue, DueAt: s.clock(), Cut: true,
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
