package forward

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func TestTheLadder(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.answer = func(sent) error { return errBroken }
		d.happen(1)
		d.live(10*time.Minute, time.Second)
		d.live(96*time.Hour, time.Minute)
		if len(d.sent) != MaxAttempts {
			d.Fatalf("%d attempts", len(d.sent))
		}
		for i, s := range d.sent[1:] {
			want := ladder[i+1]
			if waited := s.at.Sub(d.sent[i].at); waited < want*79/100 || waited > want*121/100+time.Minute {
				d.Errorf("attempt %d came %s after the one before, want %s and a fifth more or less", i+2, waited, want)
			}
			if s.id != d.sent[0].id {
				d.Errorf("attempt %d has another id", i+2)
			}
		}
		one := d.only()
		if one.State != tracker.DeliveryDead || len(one.Log) != MaxAttempts {
			d.Errorf("in the end it is %+v", one)
		}
		for i, a := range one.Log {
			if a.N != i+1 || a.Status != 500 || a.Error != errBroken.Error() {
				d.Errorf("attempt %d is %+v", i+1, a)
			}
		}
	})
}

func TestNextIsWithinAFifthOfTheLadder(t *testing.T) {
	lowest, highest := time.Duration(1<<62), time.Duration(0)
	for range 1000 {
		wait, again := next(3, 0)
		if !again {
			t.Fatal("the third attempt is the last one")
		}
		lowest, highest = min(lowest, wait), max(highest, wait)
	}
	if lowest < 24*time.Minute || highest > 36*time.Minute || highest-lowest < 6*time.Minute {
		t.Errorf("after the third attempt it waits from %s to %s", lowest, highest)
	}
	for asked, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, 1000 * time.Hour: 24 * time.Hour} {
		if wait, _ := next(1, asked); wait != want {
			t.Errorf("asked for %s it waits %s, want %s", asked, wait, want)
		}
	}
	if _, again := next(MaxAttempts, 0); again {
		t.Error("there is an attempt after the last one")
	}
}

func TestRetryAfterIsHonouredByTheWholeDestination(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.answer = func(s sent) error {
			if s.n == 1 {
				return &Failure{Err: errBroken, Throttled: true, RetryAfter: time.Hour}
			}
			return nil
		}
		d.happen(1)
		began := time.Now()
		d.live(time.Minute, time.Second)
		d.answer = nil
		d.happen(20)
		d.live(2*time.Hour, time.Second)
		for _, s := range d.sent[1:] {
			if s.at.Sub(began) < time.Hour {
				d.Errorf("an attempt came after %s of an hour", s.at.Sub(began))
			}
		}
		d.want(tracker.DeliverySent, 21)
	})
}

func TestAThrottlingEndpointGetsAPauseAndTheRestCountsNoAttempt(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(20)
		d.deliverer.batch = 20
		d.answer = func(sent) error { return &Failure{Err: errBroken, Throttled: true} }
		d.deliverer.step(d.Context())
		if len(d.sent) != 1 {
			d.Fatalf("%d attempts reached it though the first was answered 429", len(d.sent))
		}
		counted := 0
		for _, one := range d.deliveries() {
			counted += one.Attempts
		}
		if counted != 1 {
			d.Errorf("%d attempts are counted", counted)
		}
		d.answer = nil
		d.live(throttleWait-time.Second, time.Second)
		if len(d.sent) != 1 {
			d.Errorf("it got %d more attempts within its pause", len(d.sent)-1)
		}
		d.live(time.Minute, time.Second)
		d.want(tracker.DeliverySent, 20)
	}, func(o *Outlet) { o.Concurrency = 1 })
}

func TestABrokenEndpointIsLeftAloneAndTriedOnceAWhile(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(500)
		d.answer = func(sent) error { return errBroken }
		d.live(10*time.Minute, time.Second)
		// Those under way when it breaks, and then one each half a minute.
		if most := 2*DefaultConcurrency + 21; len(d.sent) > most || len(d.sent) < 15 {
			d.Errorf("a dead endpoint got %d attempts in ten minutes, want at most %d", len(d.sent), most)
		}
		d.answer = nil
		d.live(time.Minute, time.Second)
		if sent := d.states()[tracker.DeliverySent]; sent < 450 {
			d.Errorf("a minute after it works again %d of 500 are sent", sent)
		}
		d.live(3*time.Hour, time.Minute)
		d.want(tracker.DeliverySent, 500)
	})
}

func TestAnEndpointThatThinksIsNotBroken(t *testing.T) {
	onDesk(t, func(d *desk) {
		refused := 0
		d.answer = func(sent) error { refused++; return Permanent(errBroken) }
		d.deliverer.outlet.To = answering{d, 422}
		d.happen(50)
		d.live(time.Minute, time.Second)
		if refused != 50 {
			d.Errorf("after %d refusals the rest waits", refused)
		}
		d.want(tracker.DeliveryDead, 50)
		state, err := d.books.DestinationState(d.Context(), "default", "desk")
		if err != nil || state.FailingSince != nil || state.Dead != 50 {
			d.Errorf("the destination is %+v, %v", state, err)
		}
	}, func(o *Outlet) { o.Concurrency = 1 })
}

// answering is the desk with another status of its failures.
type answering struct {
	*desk
	status int
}

func (a answering) Send(ctx context.Context, c *Client, e tracker.Event) (Answer, error) {
	answer, err := a.desk.Send(ctx, c, e)
	answer.Status = a.status
	return answer, err
}

func TestGoneEndpointDisablesAtOnceAndSaysSoOnce(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(100)
		d.answer = func(sent) error { return &Failure{Err: errBroken, Gone: true} }
		other := d.hub()
		for range 20 {
			d.deliverer.step(d.Context())
			other.step(d.Context())
			time.Sleep(10 * time.Second)
		}
		if attempts := len(d.sent); attempts > 2*DefaultConcurrency {
			d.Errorf("after 410 it got %d attempts", attempts)
		}
		d.wantNotices(1)
		d.want(tracker.DeliveryDue, 100)
		d.answer = nil
		if err := d.books.PauseDestination(d.Context(), "default", "desk", false); err != nil {
			d.Fatal(err)
		}
		d.live(time.Hour, time.Second)
		d.want(tracker.DeliverySent, 100)
	})
}

func (d *desk) wantNotices(n int) {
	d.Helper()
	if got := strings.Count(d.log.String(), "a destination is disabled"); got != n {
		d.Errorf("%d notices, want %d:\n%s", got, n, d.log.String())
	}
}

// Five days of nothing but failures: the destination is disabled once, with one notice, nothing is lost, and what was given up
// is sent again by its range.
func TestFiveDaysOfOutage(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.answer = func(sent) error { return errBroken }
		other := d.hub()
		began := time.Now()
		events := 0
		for time.Since(began) < disableAfter+time.Hour {
			if time.Since(began) >= time.Duration(events)*2*time.Hour { // the last one when the days are over
				d.happen(1)
				events++
			}
			d.deliverer.step(d.Context())
			other.step(d.Context())
			time.Sleep(5 * time.Minute)
		}
		d.wantNotices(1)
		count := d.states()
		if count[tracker.DeliveryDue]+count[tracker.DeliveryDead] != events || count[tracker.DeliveryDead] == 0 {
			d.Errorf("after %d events the deliveries are %v", events, count)
		}
		before := len(d.sent)
		d.answer = nil
		d.live(24*time.Hour, time.Hour)
		if len(d.sent) != before {
			d.Errorf("a disabled destination got %d attempts", len(d.sent)-before)
		}
		d.replay(began, count[tracker.DeliveryDead])
		d.live(30*time.Hour, 5*time.Minute)
		d.want(tracker.DeliverySent, events)
		d.wantNotices(1)
	})
}

// replay lets the destination go on, and makes due what was given up since then.
func (d *desk) replay(since time.Time, want int) {
	d.Helper()
	if err := d.books.PauseDestination(d.Context(), "default", "desk", false); err != nil {
		d.Fatal(err)
	}
	n, err := d.books.RetryDeliveries(d.Context(), "default", tracker.DeliveryFilter{
		Destination: "desk", MinCreated: since, MaxCreated: time.Now(),
	})
	if err != nil || n != int64(want) {
		d.Errorf("%d of %d dead deliveries are due again, %v", n, want, err)
	}
}

func TestAFailureNowAndThenDisablesNothing(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.answer = func(s sent) error {
			if s.n == 1 {
				return errBroken
			}
			return nil
		}
		for range 30 { // each week one event, whose first attempt fails
			d.happen(1)
			d.live(time.Minute, time.Second)
			time.Sleep(7 * 24 * time.Hour)
		}
		d.wantNotices(0)
		d.want(tracker.DeliverySent, 30)
	})
}

func TestAnEventLongAfterAFailedOneIsTried(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.answer = func(sent) error { return errBroken }
		d.happen(1)
		d.live(100*time.Hour, time.Minute)
		time.Sleep(30 * 24 * time.Hour)
		d.answer = nil
		d.happen(1)
		d.live(time.Minute, time.Second)
		d.wantNotices(0)
		if d.states()[tracker.DeliverySent] != 1 {
			d.Errorf("the deliveries are %v", d.states())
		}
	})
}

func TestWhatIsNotToBeSharedIsNotSent(t *testing.T) {
	onDesk(t, func(d *desk) {
		s := click("demo")
		record := ledger.Record{Seq: 1, Session: &ledger.Session{Session: s}}
		if _, err := d.books.Apply(d.Context(), tracker.NewSessionID(time.Now()).String(), []ledger.Record{record}); err != nil {
			d.Fatal(err)
		}
		if _, err := d.books.Erase(d.Context(), "default", tracker.Subject{Visitor: s.Visitor}); err != nil {
			d.Fatal(err)
		}
		d.live(time.Minute, time.Second)
		if len(d.sent) > 0 {
			d.Errorf("what was erased was sent: %+v", d.sent)
		}
		d.want(tracker.DeliveryGone, 1)
	})
}

func TestWhatADestinationSkipsShowsNothingOfItsEndpoint(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(1)
		d.answer = func(sent) error { return errBroken }
		d.live(time.Second, time.Second)
		d.answer = func(sent) error { return fmt.Errorf("no link: %w", ErrSkip) }
		d.happen(1)
		d.live(time.Minute, time.Second)
		d.want(tracker.DeliverySent, 2)
		state, err := d.books.DestinationState(d.Context(), "default", "desk")
		if err != nil || state.FailingSince == nil || state.LastSuccessAt != nil {
			d.Errorf("the destination is %+v, %v", state, err)
		}
		breaker := newBreaker("x")
		for range breakAfter - 1 {
			done, _ := breaker.Allow()
			done(errBroken)
		}
		done, _ := breaker.Allow()
		done(word(Answer{}, ErrSkip))
		done, _ = breaker.Allow()
		done(word(Answer{}, errBroken))
		if _, err := breaker.Allow(); err == nil {
			d.Error("a skipped event hides the failures around it from the breaker")
		}
	})
}

func TestADestinationThatPanicsFailsAlone(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(1)
		d.answer = func(s sent) error {
			if s.n == 1 {
				panic("the token is s3cret")
			}
			return nil
		}
		d.live(time.Minute, time.Second)
		one := d.only()
		if one.State != tracker.DeliverySent || len(one.Log) != 2 || !strings.Contains(one.Log[0].Error, "panicked") {
			d.Errorf("after a panic the delivery is %+v", one)
		}
		if strings.Contains(d.log.String(), "s3cret") || !strings.Contains(d.log.String(), "panicked") {
			d.Errorf("the log is %s", d.log.String())
		}
	})
}

func TestTheLedgerAwayIsWaitedFor(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(30)
		books := &awayBooks{Ledger: d.books, away: true}
		d.deliverer.books = books
		d.live(time.Hour, time.Second)
		if len(d.sent) > 0 || strings.Count(d.log.String(), "wait for the ledger") != 1 {
			d.Errorf("%d attempts; the log is %s", len(d.sent), d.log.String())
		}
		books.away, books.deaf = false, true
		d.live(lease/2, time.Second)
		first := len(d.sent)
		books.deaf = false
		d.live(2*lease, time.Second)
		d.want(tracker.DeliverySent, 30)
		if first == 0 || len(d.sent) != first+30 {
			d.Errorf("%d attempts whose outcomes were not booked, %d in all", first, len(d.sent))
		}
	}, func(o *Outlet) { o.Concurrency = 30 })
}

// One event that cannot be read keeps no other waiting.
func TestWhatCannotBeReadFailsAlone(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(20)
		d.deliverer.books = &tornBooks{d.books, d.deliveries()[7].ID}
		d.live(time.Minute, time.Second)
		count := d.states()
		if count[tracker.DeliverySent] != 19 || count[tracker.DeliveryDue] != 1 || strings.Count(d.log.String(), "torn") == 0 {
			d.Errorf("the deliveries are %v; the log is %s", count, d.log.String())
		}
	})
}

// tornBooks are books that cannot read one event.
type tornBooks struct {
	*ledger.Ledger
	torn string
}

func (b *tornBooks) DeliveryEvents(ctx context.Context, deliveries []tracker.Delivery) (map[string]tracker.Event, error) {
	found, err := b.Ledger.DeliveryEvents(ctx, deliveries)
	if _, there := found[b.torn]; there {
		delete(found, b.torn)
		err = errors.New("the page is torn")
	}
	return found, err
}

// awayBooks are books that cannot be reached, or that hear no outcomes.
type awayBooks struct {
	*ledger.Ledger
	away, deaf bool
}

var errAway = errors.New("the database is away")

func (b *awayBooks) MayDeliver(ctx context.Context, network, destination, fingerprint string) (bool, time.Time, error) {
	if b.away {
		return false, time.Time{}, errAway
	}
	return b.Ledger.MayDeliver(ctx, network, destination, fingerprint)
}

func (b *awayBooks) FinishDeliveries(ctx context.Context, network, destination string, o []tracker.DeliveryOutcome) error {
	if b.deaf {
		return errAway
	}
	return b.Ledger.FinishDeliveries(ctx, network, destination, o)
}

func TestWhatADeadHubHasClaimedIsSentUnderTheSameID(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(3)
		claimed, err := d.books.ClaimDeliveries(d.Context(), "default", "desk", lease, 10)
		if err != nil || len(claimed) != 3 {
			d.Fatal(claimed, err)
		}
		d.deliverer = d.otherHub()
		d.live(lease-time.Second, time.Second)
		if len(d.sent) > 0 {
			d.Errorf("%d attempts within another hub's lease", len(d.sent))
		}
		d.live(time.Minute, time.Second)
		for _, c := range claimed {
			if !strings.Contains(fmt.Sprint(d.sent), c.ID) {
				d.Errorf("%s was not sent", c.ID)
			}
		}
		d.want(tracker.DeliverySent, 3)
	})
}

// Of an endpoint that fails, what the hub had claimed keeps its place on the ladder however often the hub is killed.
// countingBooks count the transactions that a destination makes.
type countingBooks struct {
	*ledger.Ledger
	writes int
}

func (b *countingBooks) ClaimDeliveries(
	ctx context.Context, network, destination string, lease time.Duration, limit int,
) ([]tracker.Delivery, error) {
	b.writes++
	return b.Ledger.ClaimDeliveries(ctx, network, destination, lease, limit)
}

func (b *countingBooks) FinishDeliveries(ctx context.Context, network, destination string, o []tracker.DeliveryOutcome) error {
	b.writes++
	return b.Ledger.FinishDeliveries(ctx, network, destination, o)
}

func (b *countingBooks) ReleaseDeliveries(ctx context.Context, network string, unsent []tracker.Delivery) error {
	if len(unsent) > 0 {
		b.writes++
	}
	return b.Ledger.ReleaseDeliveries(ctx, network, unsent)
}

// The books have one writer, for which a dead endpoint must not stand in line more often than it is tried.
func TestADeadEndpointAsksLittleOfTheBooks(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(1000)
		d.answer = func(sent) error { return errHang }
		books := &countingBooks{Ledger: d.books}
		d.deliverer = d.hubWith(books)
		const span = 10 * time.Minute
		d.live(span, 0)
		tries := int(span/(breakTime+requestTime)) + 1
		if d.attempts() < tries/2 || books.writes > 2*tries+2 {
			d.Errorf("%d attempts and %d transactions for %d tries", d.attempts(), books.writes, tries)
		}
	})
}

func TestAHubThatStartsAgainDoesNotWaitForItself(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(3)
		for range MaxAttempts {
			claimed, err := d.books.ClaimDeliveries(d.Context(), "default", "desk", lease, 10)
			if err != nil || len(claimed) != 3 {
				d.Fatal(claimed, err)
			}
			if err := d.books.ReclaimDeliveries(d.Context(), "default", "desk", lease); err != nil {
				d.Fatal(err)
			}
		}
		if _, err := d.books.ClaimDeliveries(d.Context(), "default", "desk", lease, 10); err != nil {
			d.Fatal(err)
		}
		d.answer = func(s sent) error {
			if s.n == 1 {
				return errBroken
			}
			return nil
		}
		d.deliverer = d.hub()
		d.live(time.Second, 0)
		if len(d.sent) != 3 {
			d.Errorf("%d attempts within a second", len(d.sent))
		}
		d.live(10*time.Second, 0)
		d.want(tracker.DeliverySent, 3)
	})
}

func TestHubsWithASlowEndpointSendNothingTwice(t *testing.T) {
	onDesk(t, func(d *desk) {
		const events = 400
		d.happen(events)
		var slow atomic.Int64
		slow.Store(int64(10 * time.Millisecond))
		d.answer = func(sent) error { time.Sleep(time.Duration(slow.Load())); return nil }
		stopped := []func(){d.run(d.deliverer), d.run(d.otherHub())}
		time.Sleep(200 * time.Millisecond) // batches have grown
		slow.Store(int64(14 * time.Second))
		time.Sleep(20 * time.Minute)
		for _, stop := range stopped {
			stop()
		}
		d.want(tracker.DeliverySent, events)
		if len(d.sent) != events {
			d.Errorf("%d attempts for %d events", len(d.sent), events)
		}
	})
}

func TestTheRateIsKept(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(100)
		d.live(time.Minute, 0)
		d.want(tracker.DeliverySent, 100)
		for i := range d.sent[:len(d.sent)-2] {
			if span := d.sent[i+2].at.Sub(d.sent[i].at); span < 999*time.Millisecond {
				d.Errorf("at two per second, three attempts came within %s", span)
			}
		}
		if len(d.sent) != 100 {
			d.Errorf("%d attempts for 100 events", len(d.sent))
		}
	}, func(o *Outlet) { o.Rate = 2 })
}

func TestTheEndWaitsForAMomentOnly(t *testing.T) {
	onDesk(t, func(d *desk) {
		d.happen(20)
		var begun atomic.Int64
		d.answer = func(sent) error {
			if begun.Add(1) <= 4 {
				time.Sleep(sendGrace / 2)
				return nil
			}
			return errHang
		}
		stop := d.run(d.deliverer)
		for d.attempts() < DefaultConcurrency {
			time.Sleep(time.Millisecond)
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took > sendGrace+50*time.Millisecond {
			d.Errorf("it took %s to end", took)
		}
		waiting := map[int]int{}
		for _, one := range d.deliveries() {
			if one.State == tracker.DeliveryDue {
				waiting[one.Attempts]++
			}
			if one.Attempts == 0 && one.DueAt.After(time.Now()) {
				d.Errorf("what was not begun waits: %+v", one)
			}
		}
		hung := int(begun.Load()) - 4
		if sent := d.states()[tracker.DeliverySent]; sent != 4 || waiting[1] != hung || waiting[0] != 16-hung {
			d.Errorf("%d are sent, %d hung; due are, by attempts, %v", sent, hung, waiting)
		}
		d.answer = nil
		d.deliverer = d.hub()
		d.live(lease+time.Second, 0)
		d.want(tracker.DeliverySent, 20)
	})
}
