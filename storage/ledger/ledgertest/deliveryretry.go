package ledgertest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var deliveryRetryTests = []test{
	{"retry, and a range", testRetry},
	{"retry what waits, and not what is being sent", testHurry},
	{"pause, disable, go on", testPause},
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
