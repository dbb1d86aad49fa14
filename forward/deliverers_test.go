package forward

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// onDesks runs a test of the deliverers of a process. They are closed at its end.
func onDesks(t *testing.T, test func(d *desk, all *Deliverers)) {
	onDesk(t, func(d *desk) {
		all := NewDeliverers(d.books)
		test(d, all)
		all.Close(d.Context())
	})
}

func (d *desk) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&d.log, nil)) }

// slowly lets each attempt take that long.
func slowly(took time.Duration) func(sent) error {
	return func(sent) error { time.Sleep(took); return nil }
}

// A change of configuration cuts no attempt short and sends nothing twice: what is under way ends while the successor works.
func TestWhatIsUnderWayOutlivesAChange(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		d.answer = slowly(14 * time.Second)
		d.happen(20)
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(5 * time.Second)
		begun := d.attempts()
		d.outlet.Fingerprint = "another secret"
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(5 * time.Second)
		if now := d.attempts(); begun != DefaultConcurrency || now <= begun && d.states()[tracker.DeliveryDue] == 0 {
			d.Errorf("%d attempts before the change, %d after", begun, now)
		}
		time.Sleep(2 * time.Minute)
		d.want(tracker.DeliverySent, 20)
		if len(d.sent) != 20 {
			d.Errorf("%d attempts for 20 events", len(d.sent))
		}
	})
}

// One whose settings stay is not disturbed by a change of another, and an outlet that goes is not sent to any more.
func TestOnlyWhatChangesIsRestarted(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		other := d.outlet
		other.Destination = "other"
		all.Use([]Outlet{d.outlet, other}, d.logger())
		key := tracker.DestinationName{Network: "default", Name: "desk"}
		before := all.working[key]
		other.Concurrency = 2
		all.Use([]Outlet{d.outlet, other}, d.logger())
		if all.working[key] != before {
			d.Error("it was restarted")
		}
		all.Use([]Outlet{other}, d.logger())
		time.Sleep(time.Second)
		d.happen(3)
		time.Sleep(time.Minute)
		if d.attempts() > 0 {
			d.Errorf("%d attempts at a destination that is not configured any more", d.attempts())
		}
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(time.Minute)
		d.want(tracker.DeliverySent, 3)
	})
}

// To finish waits for what is under way, however slow, and begins nothing.
func TestFinishWaitsForWhatIsUnderWay(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		d.answer = slowly(10 * time.Second)
		d.happen(20)
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(time.Second)
		all.Finish()
		if got := d.states(); got[tracker.DeliverySent] != DefaultConcurrency || d.attempts() != DefaultConcurrency {
			d.Errorf("%d attempts, the deliveries are %v", d.attempts(), got)
		}
	})
}

// What the end of the process cuts short is in the log of attempts.
func TestACutAttemptIsLogged(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		d.answer = func(sent) error { return errHang }
		d.happen(1)
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(3 * time.Second)
		began := time.Now()
		all.Close(d.Context())
		one := d.only()
		if len(one.Log) != 1 || one.Log[0].Error != tracker.CutShort || one.Log[0].DurationUS < 3e6 || one.State != tracker.DeliveryDue {
			d.Errorf("it is %+v", one)
		}
		if took := time.Since(began); took > sendGrace+50*time.Millisecond {
			d.Errorf("it took %s to end", took)
		}
		if strings.Contains(d.log.String(), "fail") {
			d.Errorf("the log is %s", d.log.String())
		}
	})
}

// Deliveries of a destination that is not configured stay in the gauges, and are told of once.
func TestWhatIsNotConfiguredIsStillSeen(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		d.happen(3)
		all.Use(nil, d.logger())
		time.Sleep(time.Minute)
		synctest.Wait()
		if due, _ := metric(t, "caddy_affiliate_deliveries_due", "desk"); due != 3 {
			d.Errorf("the gauge says %v are due", due)
		}
		if age, _ := metric(t, "caddy_affiliate_delivery_oldest_due_seconds", "desk"); age < 30 || age > 60 {
			d.Errorf("the oldest has waited for %v seconds", age)
		}
		if n := bytes.Count(d.log.Bytes(), []byte("is not configured on this node")); n != 1 {
			d.Errorf("%d warnings: %s", n, d.log.String())
		}
		if _, err := d.books.DropDeliveries(d.Context(), "default", "desk"); err != nil {
			d.Fatal(err)
		}
		time.Sleep(2 * gaugeEvery)
		synctest.Wait()
		if n, there := metric(t, "caddy_affiliate_deliveries_due", "desk"); there {
			d.Errorf("without deliveries and without a configuration it is in the gauges, with %v", n)
		}
	})
}

// Books whose host has gone without a word keep nobody waiting for ever.
func TestFinishDoesNotWaitForBooksThatDoNotAnswer(t *testing.T) {
	onDesk(t, func(d *desk) {
		all := NewDeliverers(muteBooks{d.books})
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(time.Second)
		began := time.Now()
		all.Finish()
		if took := time.Since(began); took > lease {
			d.Errorf("it took %s to end", took)
		}
	})
}

// muteBooks answer nothing until nobody asks any more.
type muteBooks struct{ *ledger.Ledger }

func (muteBooks) MayDeliver(ctx context.Context, _, _, _ string) (bool, time.Time, error) {
	<-ctx.Done()
	return false, time.Time{}, ctx.Err()
}

// One that outlives a change of the configuration logs where the new one says.
func TestADelivererLogsWhereTheLatestConfigurationSays(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		var later bytes.Buffer
		all.Use([]Outlet{d.outlet}, d.logger())
		all.Use([]Outlet{d.outlet}, slog.New(slog.NewTextHandler(&later, nil)))
		d.answers(func(sent) error { return errBroken })
		d.happen(1)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if !strings.Contains(later.String(), "deliveries fail") || strings.Contains(d.log.String(), "deliveries fail") {
			d.Errorf("the old log is %s, the new one %s", d.log.String(), later.String())
		}
	})
}

// Of an endpoint to which nothing is sent any more no gauge says that it is left alone, though deliveries wait for it.
func TestTheGaugeOfABreakerGoesWithTheConfiguration(t *testing.T) {
	onDesks(t, func(d *desk, all *Deliverers) {
		d.outlet.To = alone{d, tracker.NewVisitorID().String()}
		d.answer = func(sent) error { return errBroken }
		d.happen(20)
		all.Use([]Outlet{d.outlet}, d.logger())
		time.Sleep(gaugeEvery + time.Second)
		synctest.Wait()
		if open, _ := metric(t, "caddy_affiliate_delivery_breaker_open", "desk"); open != 1 {
			d.Fatalf("the gauge says %v", open)
		}
		all.Use(nil, d.logger())
		time.Sleep(gaugeEvery + time.Second)
		synctest.Wait()
		if open, there := metric(t, "caddy_affiliate_delivery_breaker_open", "desk"); there {
			d.Errorf("the gauge says %v", open)
		}
		if _, there := metric(t, "caddy_affiliate_deliveries_due", "desk"); !there {
			d.Error("the deliveries that wait are not in the gauges")
		}
	})
}
