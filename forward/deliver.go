package forward

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	// lease is how long other hubs keep off what one has claimed.
	lease = time.Minute
	// lastStart is when, after a claim, no attempt is begun any more: the last one would outlive the lease.
	lastStart = lease - requestTime - 5*time.Second
	// idleWait is the pause after a look that found nothing due.
	idleWait = 250 * time.Millisecond
	// awayWait is the pause while the books cannot be reached, the destination is stopped, or its endpoint is left alone.
	awayWait = time.Second
	// throttleWait is the pause that an endpoint gets which asks for one and does not say how long.
	throttleWait = 5 * time.Second
	// finishTime bounds the booking of outcomes, also when the process ends.
	finishTime = 5 * time.Second
	// disableAfter is how long nothing but failures stops a destination.
	disableAfter = 120 * time.Hour
	// maxBatch is the most that is claimed at once.
	maxBatch = 512
	// DefaultConcurrency is how many attempts a destination has under way.
	DefaultConcurrency = 8
)

// Outlet is a destination as it is configured.
type Outlet struct {
	tracker.Route
	To          Destination
	Fingerprint string         // changes with the configuration of To
	Allow       []netip.Prefix // networks, beside the public ones, that it may connect to
	Concurrency int            // attempts under way; 0: DefaultConcurrency
	Rate        float64        // attempts per second; 0: no limit
}

// DeliveryBooks is what the deliverer asks of the ledger.
type DeliveryBooks interface {
	ClaimDeliveries(ctx context.Context, network, destination string, lease time.Duration, limit int) ([]tracker.Delivery, error)
	ReleaseDeliveries(ctx context.Context, network string, ids []string) error
	FinishDeliveries(ctx context.Context, network, destination string, outcomes []tracker.DeliveryOutcome) error
	DeliveryEvent(ctx context.Context, d tracker.Delivery) (tracker.Event, error)
	MayDeliver(ctx context.Context, network, destination string) (may bool, failingSince time.Time, err error)
	DisableDestination(ctx context.Context, network, destination string) (bool, error)
	DestinationState(ctx context.Context, network, destination string) (tracker.DestinationState, error)
}

// Deliverer sends what is due to one destination. It claims, sends and books batch by batch: what it has sent is booked before
// it claims more, and what was not booked is sent again, under the same id, when the lease has ended. One destination has one
// deliverer in a process, so a dead endpoint keeps none but its own.
type Deliverer struct {
	outlet  Outlet
	books   DeliveryBooks
	client  *Client
	limiter *rate.Limiter
	breaker *gobreaker.TwoStepCircuitBreaker[any]
	logger  *slog.Logger
	now     func() time.Time

	batch  int          // how many to claim
	paused atomic.Int64 // the endpoint wants no attempt before that time, in nanoseconds since 1970
}

// NewDeliverer returns a deliverer that does not run yet.
func NewDeliverer(o Outlet, books DeliveryBooks, logger *slog.Logger) *Deliverer {
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	limit := rate.Inf
	if o.Rate > 0 {
		limit = rate.Limit(o.Rate)
	}
	return &Deliverer{
		outlet: o, books: books, client: NewClient(o.Allow), limiter: rate.NewLimiter(limit, 1),
		breaker: breakers.of(o.To.Host()), logger: logger, now: time.Now, batch: o.Concurrency,
	}
}

// Run delivers until ctx ends. Attempts under way then are waited for no longer than the client lets them be.
func (d *Deliverer) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait(ctx, d.step(ctx))
	}
}

// wait waits, or until ctx ends.
func wait(ctx context.Context, t time.Duration) {
	if t <= 0 {
		return
	}
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// step delivers one batch and returns how long to wait before the next.
func (d *Deliverer) step(ctx context.Context) time.Duration {
	if pause := time.Unix(0, d.paused.Load()).Sub(d.now()); pause > 0 {
		return min(pause, awayWait)
	}
	limit := d.batch
	switch d.breaker.State() {
	case gobreaker.StateOpen:
		return awayWait
	case gobreaker.StateHalfOpen:
		limit = 1
	}
	may, failingSince, err := d.books.MayDeliver(ctx, d.outlet.Network, d.outlet.Destination)
	if err != nil || !may {
		d.away(ctx, err)
		return awayWait
	}
	if !failingSince.IsZero() && d.now().Sub(failingSince) >= disableAfter {
		d.disable(ctx, "it has known nothing but failures for "+disableAfter.String())
		return awayWait
	}
	claimed, err := d.books.ClaimDeliveries(ctx, d.outlet.Network, d.outlet.Destination, lease, limit)
	if err != nil {
		d.away(ctx, err)
		return awayWait
	}
	if len(claimed) == 0 {
		return idleWait
	}
	started := time.Now()
	d.deliver(ctx, claimed, started)
	d.adapt(len(claimed), time.Since(started))
	return 0
}

// adapt lets batches grow while they are quick, so that each transaction books many, and shrink before a slow endpoint lets one
// outlive its lease.
func (d *Deliverer) adapt(claimed int, took time.Duration) {
	switch {
	case took > lease/12:
		d.batch = d.outlet.Concurrency
	case took < time.Second && claimed == d.batch:
		d.batch = min(2*d.batch, maxBatch)
	}
}

// away logs, once a while, that the books are.
func (d *Deliverer) away(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		d.logger.Warn("deliveries wait for the ledger", "destination", d.outlet.Destination, "error", err)
	}
}

// disable stops the destination on all hubs. Of several hubs one tells of it.
func (d *Deliverer) disable(ctx context.Context, why string) {
	first, err := d.books.DisableDestination(ctx, d.outlet.Network, d.outlet.Destination)
	if err != nil {
		d.away(ctx, err)
		return
	}
	if first {
		destinationsDisabled.WithLabelValues(d.outlet.Destination).Inc()
		d.logger.Error("a destination is disabled: "+why+"; nothing is lost, and `caddy affiliate delivery resume` lets it go on",
			"destination", d.outlet.Destination, "network", d.outlet.Network)
	}
}

// deliver sends a batch and books what came of it.
func (d *Deliverer) deliver(ctx context.Context, claimed []tracker.Delivery, started time.Time) {
	var mu sync.Mutex
	var outcomes []tracker.DeliveryOutcome
	var unsent []string
	work := make(chan tracker.Delivery)
	var senders sync.WaitGroup
	for range min(d.outlet.Concurrency, len(claimed)) {
		senders.Go(func() {
			for delivery := range work {
				outcome, sent := d.attempt(ctx, delivery, started)
				mu.Lock()
				if sent {
					outcomes = append(outcomes, outcome)
				} else {
					unsent = append(unsent, delivery.ID)
				}
				mu.Unlock()
			}
		})
	}
	for _, delivery := range claimed {
		work <- delivery
	}
	close(work)
	senders.Wait()
	d.book(ctx, outcomes, unsent)
}

// book books the outcomes, also when ctx has ended, and gives back what was not sent.
func (d *Deliverer) book(ctx context.Context, outcomes []tracker.DeliveryOutcome, unsent []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	err := d.books.FinishDeliveries(ctx, d.outlet.Network, d.outlet.Destination, outcomes)
	if err == nil {
		err = d.books.ReleaseDeliveries(ctx, d.outlet.Network, unsent)
	}
	if err != nil {
		d.logger.Error("what became of deliveries could not be booked; they are sent again under the same ids",
			"destination", d.outlet.Destination, "deliveries", len(outcomes)+len(unsent), "error", err)
	}
}

// attempt makes one attempt, unless there is no time left for it, or the endpoint is left alone.
func (d *Deliverer) attempt(ctx context.Context, delivery tracker.Delivery, claimed time.Time) (o tracker.DeliveryOutcome, sent bool) {
	if d.limiter.Wait(ctx) != nil || time.Since(claimed) > lastStart || time.Unix(0, d.paused.Load()).After(d.now()) {
		return o, false
	}
	event, err := d.books.DeliveryEvent(ctx, delivery)
	if errors.Is(err, tracker.ErrNotFound) {
		return d.outcome(delivery, d.now(), 0, Answer{}, err), true
	}
	if err != nil {
		return o, false
	}
	done, err := d.breaker.Allow()
	if err != nil {
		return o, false
	}
	inFlight.WithLabelValues(d.outlet.Destination).Inc()
	defer inFlight.WithLabelValues(d.outlet.Destination).Dec()
	at, began := d.now(), time.Now()
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTime)
	defer cancel()
	answer, err := d.outlet.To.Send(sending, d.client, event)
	took := time.Since(began)
	attemptSeconds.WithLabelValues(d.outlet.Destination).Observe(took.Seconds())
	if alive(answer, err) || errors.Is(err, ErrSkip) {
		done(nil)
	} else {
		done(err)
	}
	d.heed(ctx, err)
	return d.outcome(delivery, at, took, answer, err), true
}

// heed does what a failure asks of the whole destination.
func (d *Deliverer) heed(ctx context.Context, err error) {
	var f *Failure
	if !errors.As(err, &f) {
		return
	}
	if f.Gone {
		d.disable(ctx, "its endpoint answers 410, gone")
	}
	if f.Throttled {
		d.paused.Store(d.now().Add(max(f.RetryAfter, throttleWait)).UnixNano())
	}
}

// outcome says what becomes of a delivery after an attempt.
func (d *Deliverer) outcome(
	delivery tracker.Delivery, at time.Time, took time.Duration, answer Answer, err error,
) tracker.DeliveryOutcome {
	o := tracker.DeliveryOutcome{ID: delivery.ID, State: tracker.DeliverySent, Attempt: tracker.Attempt{
		Time: at, DurationUS: took.Microseconds(), Status: answer.Status, Answer: string(answer.Body),
	}}
	var f *Failure
	switch {
	case err == nil || errors.Is(err, ErrSkip):
	case errors.Is(err, tracker.ErrNotFound):
		o.State, o.Attempt.Error = tracker.DeliveryGone, "what it was about was erased, or is not to be shared"
	default:
		o.Attempt.Error = err.Error()
		asked := time.Duration(0)
		if errors.As(err, &f) {
			asked = f.RetryAfter
		}
		wait, again := next(delivery.Step, asked)
		if again && (f == nil || !f.Permanent) {
			o.State, o.DueAt = tracker.DeliveryDue, d.now().Add(wait)
		} else {
			o.State = tracker.DeliveryDead
		}
	}
	count(d.outlet.Destination, o.State, err)
	return o
}
