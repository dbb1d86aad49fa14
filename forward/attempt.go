package forward

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// verdict is what an attempt means for what comes after it.
type verdict int

const (
	attempted   verdict = iota
	unsent              // no attempt was made
	cutShort            // nobody knows whether the endpoint took it: it is sent again, by the node's next process
	goneForGood         // the endpoint wants no more of anything
)

// errUnreadable is the error of an attempt at what the books cannot tell; the log has their own.
var errUnreadable = errors.New("the books could not tell what it is about; the log says why")

// handle makes an attempt at a delivery, if there is something to send.
func (d *Deliverer) handle(
	starting, sending context.Context, delivery tracker.Delivery, c contents,
) (tracker.DeliveryOutcome, verdict) {
	event, there := c.events[delivery.ID]
	switch {
	case there:
		return d.attempt(starting, sending, delivery, event)
	case c.unreadable != nil:
		return d.outcome(delivery, time.Now(), 0, Answer{}, errUnreadable), attempted
	}
	return d.gone(delivery), attempted
}

// attempt makes one attempt, unless there is no time left for it, or the endpoint is to be left alone. It begins before starting
// ends, and is over when sending does.
func (d *Deliverer) attempt(
	starting, sending context.Context, delivery tracker.Delivery, event tracker.Event,
) (o tracker.DeliveryOutcome, v verdict) {
	if d.limiter.Wait(starting) != nil || d.held.Load() != nil {
		return o, unsent
	}
	done, err := d.breaker.Allow()
	if err != nil {
		return o, unsent
	}
	began := time.Now()
	answer, err := d.send(sending, event)
	took := time.Since(began)
	if err != nil && sending.Err() != nil {
		done(errNoWord)
		return d.cut(delivery, began, took), cutShort
	}
	done(word(answer, err))
	return d.outcome(delivery, began, took, answer, err), d.heed(err)
}

// cut is the outcome of an attempt that the end of the process has cut short.
func (d *Deliverer) cut(delivery tracker.Delivery, began time.Time, took time.Duration) tracker.DeliveryOutcome {
	return tracker.DeliveryOutcome{Delivery: delivery, State: tracker.DeliveryDue, DueAt: time.Now(), Cut: true, Attempt: tracker.Attempt{
		Time: began.UTC(), DurationUS: took.Microseconds(), Error: tracker.CutShort,
	}}
}

// gone is the outcome of a delivery that has nothing to send any more.
func (d *Deliverer) gone(delivery tracker.Delivery) tracker.DeliveryOutcome {
	count(d.outlet.Destination, tracker.DeliveryGone, nil)
	return tracker.DeliveryOutcome{Delivery: delivery, State: tracker.DeliveryGone, Attempt: tracker.Attempt{
		Time: time.Now().UTC(), Error: "what it was about was erased, or is not to be shared",
	}}
}

// send calls the destination, whose code may be a stranger's.
func (d *Deliverer) send(ctx context.Context, event tracker.Event) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	gauge := inFlight.WithLabelValues(d.outlet.Destination)
	gauge.Inc()
	began := time.Now()
	defer func() {
		gauge.Dec()
		attemptSeconds.WithLabelValues(d.outlet.Destination).Observe(time.Since(began).Seconds())
		if recover() != nil { // what it says may be a secret
			d.log().Error("a destination panicked", "destination", d.outlet.Destination, "stack", string(debug.Stack()))
			answer, err = Answer{}, errors.New("the destination panicked; the log says where")
		}
	}()
	return d.outlet.To.Send(ctx, d.client, event)
}

// heed does what a failure asks of the whole destination.
func (d *Deliverer) heed(err error) verdict {
	var f *Failure
	if !errors.As(err, &f) {
		return attempted
	}
	if f.Throttled {
		d.holdFor(min(max(f.RetryAfter, throttleWait), maxRetryAfter), f)
	}
	if f.Gone {
		d.holdFor(throttleWait, f) // the rest of the batch stays here
		return goneForGood
	}
	return attempted
}

// outcome says what becomes of a delivery after an attempt.
func (d *Deliverer) outcome(
	delivery tracker.Delivery, at time.Time, took time.Duration, answer Answer, err error,
) tracker.DeliveryOutcome {
	o := tracker.DeliveryOutcome{Delivery: delivery, State: tracker.DeliverySent, Attempt: attemptOf(at, took, answer, err)}
	switch {
	case err == nil:
		o.Ref = answer.Ref
	case errors.Is(err, ErrSkip):
		o.Skipped, o.Attempt.Error, o.Attempt.Answer = true, "", "skipped: "+ErrSkip.Error()
	default:
		o.State, o.DueAt = after(delivery.Step, err)
	}
	count(d.outlet.Destination, o.State, err)
	return o
}

// after is what a failed attempt makes of a delivery: due again, or dead.
func after(step int, err error) (tracker.DeliveryState, time.Time) {
	var f Failure
	if known := (*Failure)(nil); errors.As(err, &known) {
		f = *known
	}
	wait, again := next(step, f.RetryAfter)
	if f.Permanent || !again {
		return tracker.DeliveryDead, time.Time{}
	}
	return tracker.DeliveryDue, time.Now().Add(wait)
}

// attemptOf is an attempt as the log keeps it.
func attemptOf(at time.Time, took time.Duration, answer Answer, err error) tracker.Attempt {
	a := tracker.Attempt{
		Time: at.UTC(), DurationUS: took.Microseconds(), Status: answer.Status, Answer: string(answer.Body[:min(len(answer.Body), keptAnswer)]),
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}
