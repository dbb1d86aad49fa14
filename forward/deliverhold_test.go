package forward

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// A firewall before an API answers a few events with a page and 403: they wait for their next attempts, and a good one goes out at
// once.
func TestPoisonEventsHoldUpNoOther(t *testing.T) {
	onDesk(t, func(d *desk) {
		const poison = 32
		d.happen(poison)
		poisoned := map[string]bool{}
		for _, one := range d.deliveries() {
			poisoned[one.ID] = true
		}
		d.deliverer.outlet.To = answering{d, 403}
		page := &Response{Status: 403, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<html>Blocked</html>")}
		d.answer = func(s sent) error {
			if poisoned[s.id] {
				return JudgeKey(page, time.Now())
			}
			return nil
		}
		d.live(time.Second, 0)
		d.happen(1)
		began := time.Now()
		d.live(4*time.Second, 0)
		good := slices.IndexFunc(d.sent, func(s sent) bool { return !poisoned[s.id] })
		if good < 0 || d.sent[good].at.Sub(began) > 2*idleWait {
			d.Errorf("after %d attempts at events that are refused, a good one was not sent at once: %+v", len(d.sent), d.sent[max(good, 0)])
		}
		if got := d.states(); got[tracker.DeliverySent] != 1 || got[tracker.DeliveryDue] != poison {
			d.Errorf("the deliveries are %v", got)
		}
	})
}

// What an endpoint has asked for is known to all hubs, and to those that start later, until somebody lets the destination go on.
func TestAHoldIsKeptInTheBooks(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.answer = func(sent) error { return &Failure{Err: errBroken, Throttled: true, RetryAfter: time.Hour} }
		d.happen(1)
		d.live(time.Second, 0)
		d.answer = nil
		d.happen(5)
		state, err := d.books.DestinationState(d.Context(), "default", "desk")
		if err != nil || state.HeldUntil == nil || time.Until(*state.HeldUntil) < 59*time.Minute || state.HeldBecause != errBroken.Error() {
			d.Fatalf("the destination is %+v, %v", state, err)
		}
		stops := []func(){d.run(d.otherHub()), d.run(d.hub())}
		d.live(time.Minute, time.Second)
		if len(d.sent) != 1 {
			d.Errorf("hubs that did not hear of it made %d attempts", len(d.sent)-1)
		}
		if err := d.books.PauseDestination(d.Context(), "default", "desk", false); err != nil {
			d.Fatal(err)
		}
		d.live(3*time.Second, time.Second)
		for _, stop := range stops {
			stop()
		}
		if got := d.states()[tracker.DeliverySent]; got != 5 {
			d.Errorf("after it was let go on %d of 5 are sent", got)
		}
	})
}

// A hold that the books could not be told of is not forgotten.
func TestAHoldOutlivesTheBooksBeingAway(t *testing.T) {
	onDesk(t, func(d *desk) {
		books := &holdless{Ledger: d.books, away: true}
		d.deliverer.books = books
		d.answer = func(sent) error { return &Failure{Err: errBroken, Throttled: true, RetryAfter: time.Hour} }
		d.happen(1)
		d.live(time.Minute, time.Second)
		d.answer = nil
		d.happen(3)
		books.away = false
		d.live(50*time.Minute, time.Second)
		if len(d.sent) != 1 {
			d.Errorf("%d attempts within the hold", len(d.sent)-1)
		}
		d.live(30*time.Minute, time.Second)
		d.want(tracker.DeliverySent, 4)
	})
}

// holdless are books that cannot be told of a hold.
type holdless struct {
	*ledger.Ledger
	away bool
}

func (b *holdless) HoldDestination(ctx context.Context, network, name string, h tracker.Hold) error {
	if b.away {
		return errAway
	}
	return b.Ledger.HoldDestination(ctx, network, name, h)
}

// What a deliverer hears that only ends what it has under way is the old endpoint's word, and binds its successor to nothing.
func TestAnOldEndpointDoesNotStopTheNewOne(t *testing.T) {
	for name, f := range map[string]Failure{
		"gone":      {Err: errBroken, Gone: true},
		"throttled": {Err: errBroken, Throttled: true, RetryAfter: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			onDesks(t, func(d *desk, all *Deliverers) {
				d.answer = func(sent) error { time.Sleep(10 * time.Second); return &f }
				d.happen(1)
				all.Use([]Outlet{d.outlet}, d.logger())
				time.Sleep(5 * time.Second)
				d.answers(nil)
				d.outlet.Concurrency = 3
				all.Use([]Outlet{d.outlet}, d.logger())
				time.Sleep(10 * time.Second)
				state, err := d.books.DestinationState(d.Context(), "default", "desk")
				if err != nil || state.DisabledAt != nil || state.HeldUntil != nil {
					d.Errorf("it is %+v, %v", state, err)
				}
				d.happen(3)
				time.Sleep(5 * time.Second)
				if got := d.states(); got[tracker.DeliverySent] < 3 {
					d.Errorf("the deliveries are %v", got)
				}
			})
		})
	}
}

// A pause that the old endpoint has asked for ends with the settings that lead there.
func TestOtherSettingsEndAHold(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		d.answer = func(sent) error { return &Failure{Err: errBroken, Throttled: true, RetryAfter: 24 * time.Hour} }
		d.outlet.Fingerprint = "old"
		d.happen(1)
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(5 * time.Second)
		d.answers(nil)
		d.happen(3)
		time.Sleep(time.Minute)
		if d.attempts() != 1 {
			d.Errorf("%d attempts in the pause", d.attempts()-1)
		}
		d.outlet.Fingerprint = "new"
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(5 * time.Second)
		if got := d.states(); got[tracker.DeliverySent] != 3 {
			d.Errorf("with other settings the deliveries are %v", got)
		}
	})
}
