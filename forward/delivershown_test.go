package forward

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// counted is what a counter of the destination grows by while f runs.
func (d *desk) counted(name string, f func(), labels ...string) float64 {
	before, _ := metric(d.T, name, "desk", labels...)
	f()
	after, _ := metric(d.T, name, "desk", labels...)
	return after - before
}

// Each attempt is counted by what came of it, and timed.
func TestAttemptsAreCounted(t *testing.T) {
	onDesk(t, func(d *desk) {
		const attempts = "caddy_affiliate_delivery_attempts_total"
		live := func(events int, answer func(sent) error) func() {
			return func() {
				d.answer = answer
				d.happen(events)
				d.live(time.Second, 0)
			}
		}
		if n := d.counted(attempts, live(3, nil), "outcome=sent"); n != 3 {
			d.Errorf("3 were sent, %v are counted", n)
		}
		if n := d.counted(attempts, live(2, func(sent) error { return Permanent(errBroken) }), "outcome=dead"); n != 2 {
			d.Errorf("2 are dead, %v are counted", n)
		}
		if n := d.counted(attempts, live(1, func(sent) error { return ErrSkip }), "outcome=skipped"); n != 1 {
			d.Errorf("1 was skipped, %v are counted", n)
		}
		if n := d.counted(attempts, live(1, func(sent) error { return errBroken }), "outcome=retry"); n != 1 {
			d.Errorf("1 is tried again, %v are counted", n)
		}
		if n := d.counted("caddy_affiliate_delivery_attempt_seconds", live(2, nil)); n != 2 {
			d.Errorf("2 attempts, %v are timed", n)
		}
	})
}

// answers changes what the endpoint thinks of events while a deliverer runs.
func (d *desk) answers(answer func(sent) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = answer
}

// The gauges say what is under way, due and dead, and that an endpoint is left alone.
func TestTheGaugesOfADestination(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		gauge := func(name string, want float64) {
			d.Helper()
			if got, _ := metric(d.T, "caddy_affiliate_"+name, "desk"); got != want {
				d.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		d.outlet.To, d.outlet.Concurrency = alone{d, tracker.NewVisitorID().String()}, 3
		d.answer = slowly(10 * time.Second)
		d.happen(7)
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(5 * time.Second)
		gauge("deliveries_in_flight", 3)
		gauge("deliveries_due", 7)
		gauge("delivery_breaker_open", 0)
		d.mu.Lock()
		most := d.most
		d.mu.Unlock()
		if most != 3 {
			d.Errorf("%d attempts are under way at once, want 3", most)
		}
		time.Sleep(time.Minute)
		gauge("deliveries_in_flight", 0)
		gauge("deliveries_due", 0)
		d.answers(func(sent) error { return Permanent(errBroken) })
		d.happen(2)
		time.Sleep(time.Minute)
		gauge("deliveries_dead", 2)
		d.answers(func(sent) error { return errBroken })
		d.happen(20)
		time.Sleep(gaugeEvery + time.Second)
		gauge("delivery_breaker_open", 1)
	})
}

// alone is a desk on a host of its own, whose breaker no other test has seen.
type alone struct {
	*desk
	host string
}

func (a alone) Host() string { return a.host }

// At a rate, no more is claimed than that lets it send in a while, so that other hubs find the rest.
func TestARateBoundsWhatIsClaimed(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(200)
		d.deliverer.batch = maxBatch
		d.deliverer.step(d.Context())
		if most := 1 + int(2*rateSpan.Seconds()); len(d.sent) != most {
			d.Errorf("at 2 per second %d were claimed at once, want %d", len(d.sent), most)
		}
	}, func(o *Outlet) { o.Rate = 2 })
}

// The log says once that a destination fails, when it is taken again, and what is given up.
func TestTheLogOfADestination(t *testing.T) {
	onDesk(t, func(d *desk) {
		said := func(text string, want int) {
			d.Helper()
			if got := strings.Count(d.log.String(), text); got != want {
				d.Errorf("%q is said %d times, want %d:\n%s", text, got, want, d.log.String())
			}
		}
		d.answer = func(sent) error { return errBroken }
		d.happen(1)
		d.live(4*time.Hour, time.Second)
		said("deliveries fail and are tried again", 1)
		said("deliveries are taken again", 0)
		d.answer = nil
		d.live(24*time.Hour, time.Minute)
		said("deliveries are taken again", 1)
		said("deliveries are given up", 0)
		d.answer = func(sent) error { return Permanent(errBroken) }
		d.happen(3)
		d.live(time.Second, 0)
		said("deliveries are given up", 1)
		said("deliveries=3", 1)
	})
}

// Of a destination that must not be told twice no more is claimed than is begun: what was claimed when a process is killed is in doubt.
func TestWhatMayBeInDoubtIsWhatIsUnderWay(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(100)
		d.deliverer.batch = maxBatch
		d.deliverer.step(d.Context())
		if len(d.sent) != DefaultConcurrency {
			d.Errorf("%d were claimed at once, want %d", len(d.sent), DefaultConcurrency)
		}
	}, func(o *Outlet) { o.Remembers = true })
}
