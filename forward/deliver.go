package forward

import (
	"context"
	"errors"
	"log/slog"
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
	// sendGrace is how long attempts under way go on when the deliverer has to end.
	sendGrace = 150 * time.Millisecond
	// rateSpan is how much of what its rate lets a destination take is claimed at once.
	rateSpan = 10 * time.Second
	// finishTime bounds the booking of outcomes, also when the process ends.
	finishTime = 5 * time.Second
	// disableAfter is how long there may be nothing but failures before a destination is disabled.
	disableAfter = 120 * time.Hour
	// maxBatch is the most that is claimed at once.
	maxBatch = 512
	// DefaultConcurrency is how many attempts a destination has under way.
	DefaultConcurrency = 8
)

// DeliveryBooks is what the deliverer asks of the ledger.
type DeliveryBooks interface {
	ClaimDeliveries(ctx context.Context, network, destination string, lease time.Duration, limit int) ([]tracker.Delivery, error)
	ReclaimDeliveries(ctx context.Context, network, destination string, lease time.Duration) error
	ReleaseDeliveries(ctx context.Context, network string, unsent []tracker.Delivery) error
	FinishDeliveries(ctx context.Context, network, destination string, outcomes []tracker.DeliveryOutcome) error
	DeliveryEvents(ctx context.Context, deliveries []tracker.Delivery) (map[string]tracker.Event, error)
	MayDeliver(ctx context.Context, network, destination, fingerprint string) (may bool, failingSince time.Time, err error)
	HoldDestination(ctx context.Context, network, destination string, h tracker.Hold) error
	DisableDestination(ctx context.Context, network, destination string) (bool, error)
}

// Deliverer sends what is due to one destination. It claims, sends and books batch by batch: what it has sent is booked before
// it claims more, and what was not booked is sent again, under the same id: by this node when it starts again, by others when the
// lease has ended. One destination has one deliverer in a process, so a dead endpoint keeps none but its own.
type Deliverer struct {
	outlet     Outlet // with defaults
	configured Outlet
	books      DeliveryBooks
	client     *Client
	limiter    *rate.Limiter
	breaker    *gobreaker.TwoStepCircuitBreaker[any]
	logger     atomic.Pointer[slog.Logger] // the latest configuration's

	batch  int                          // how many to claim
	away   bool                         // the books are, and the log says so
	left   *leftBehind                  // by an earlier process
	held   atomic.Pointer[tracker.Hold] // what the endpoint has asked for, until the books know it
	retire context.CancelFunc           // lets Run end when what is under way has ended
	done   context.Context              // ends when it is called
}

// leftBehind is what an earlier process of this node has left of a destination. It is taken back once, by whichever of the
// process's deliverers comes first: a later one must not take what the one before it still has under way.
type leftBehind struct {
	mu   sync.Mutex
	back bool
}

// NewDeliverer returns a deliverer that does not run yet.
func NewDeliverer(o Outlet, books DeliveryBooks, logger *slog.Logger) *Deliverer {
	configured := o
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	limit := rate.Inf
	if o.Rate > 0 {
		limit = rate.Limit(o.Rate)
	}
	d := &Deliverer{
		outlet: o, configured: configured, books: books, client: NewClient(o.Allow), limiter: rate.NewLimiter(limit, 1),
		breaker: breakers.of(o.To.Host()), batch: o.Concurrency, left: &leftBehind{},
	}
	d.logger.Store(logger)
	d.done, d.retire = context.WithCancel(context.Background())
	return d
}

// Run delivers until ctx ends. Attempts under way then have a moment to end; what they were about is sent again, under the same
// id, where they do not. After retire it begins no attempt, and ends with the last that is under way.
func (d *Deliverer) Run(ctx context.Context) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(d.done, stop)()
	for working.Err() == nil {
		if rest := d.step(ctx); rest > 0 {
			pause(working, rest)
		}
	}
	d.client.Close()
}

// step delivers one batch and returns how long to wait before the next.
func (d *Deliverer) step(ctx context.Context) time.Duration {
	limit := d.limit()
	if limit == 0 {
		return awayWait
	}
	if err := d.noteHold(ctx); err != nil {
		d.report(ctx, err)
		return awayWait
	}
	may, failingSince, err := d.books.MayDeliver(ctx, d.outlet.Network, d.outlet.Destination, d.outlet.Fingerprint)
	if d.report(ctx, err); err != nil || !may {
		return awayWait
	}
	claimed, err := d.claim(ctx, limit)
	if d.report(ctx, err); err != nil {
		return awayWait
	}
	if len(claimed) == 0 {
		return idleWait
	}
	started := time.Now()
	events, err := d.books.DeliveryEvents(ctx, claimed)
	d.report(ctx, err)
	done := results{unsent: claimed}
	if !errors.Is(err, tracker.ErrAway) && ctx.Err() == nil {
		done = d.deliver(ctx, claimed, contents{events, err}, started)
	}
	d.book(ctx, done)
	d.judge(ctx, done, failingSince)
	d.adapt(len(claimed), time.Since(started))
	if len(done.outcomes) == 0 {
		return awayWait // nothing could be sent: not to claim and release in a circle
	}
	return 0
}

// claim claims what is due. Before the first time it takes back what an earlier process of the node has left, since it was killed,
// or its attempts were cut short.
func (d *Deliverer) claim(ctx context.Context, limit int) ([]tracker.Delivery, error) {
	d.left.mu.Lock()
	defer d.left.mu.Unlock()
	if !d.left.back {
		if err := d.books.ReclaimDeliveries(ctx, d.outlet.Network, d.outlet.Destination, lease); err != nil {
			return nil, err
		}
		d.left.back = true
	}
	return d.books.ClaimDeliveries(ctx, d.outlet.Network, d.outlet.Destination, lease, limit)
}

// limit is how many to claim: none while the endpoint is left alone, and one to try it again. Of what a process had claimed that is
// killed nobody knows what was sent. A destination that must not be told twice is not to doubt more than was under way.
func (d *Deliverer) limit() int {
	switch d.breaker.State() {
	case gobreaker.StateOpen:
		return 0
	case gobreaker.StateHalfOpen:
		return 1
	}
	most := d.batch
	if d.outlet.Remembers {
		most = min(most, d.outlet.Concurrency)
	}
	if d.outlet.Rate > 0 {
		most = min(most, 1+int(d.outlet.Rate*rateSpan.Seconds()))
	}
	return most
}

// adapt lets batches grow while they are quick, so that each transaction books many, and shrink before a slow endpoint lets one
// outlive its lease.
func (d *Deliverer) adapt(claimed int, took time.Duration) {
	switch {
	case took > lease/12:
		d.batch = d.outlet.Concurrency
	case took < time.Second && claimed == d.batch:
		d.batch = min(2*d.batch, max(maxBatch, d.outlet.Concurrency))
	}
}

// log is the latest configuration's logger.
func (d *Deliverer) log() *slog.Logger { return d.logger.Load() }

// report logs that the books are away, and that they are back.
func (d *Deliverer) report(ctx context.Context, err error) {
	switch {
	case err == nil && d.away:
		d.away = false
		d.log().Info("deliveries go on: the ledger is back", "destination", d.outlet.Destination)
	case err != nil && !d.away && ctx.Err() == nil:
		d.away = true
		d.log().Error("deliveries wait for the ledger", "destination", d.outlet.Destination, "error", err)
	}
}

// contents is what the deliveries of a batch are about, by their ids, and why some are missing that should not be.
type contents struct {
	events     map[string]tracker.Event
	unreadable error
}

// results is what came of a batch.
type results struct {
	outcomes []tracker.DeliveryOutcome
	unsent   []tracker.Delivery
	gone     bool // the endpoint wants no more of anything
}

// deliver sends a batch. What it cannot begin in time, so that the lease outlives the attempt, it leaves unsent.
func (d *Deliverer) deliver(
	ctx context.Context, claimed []tracker.Delivery, c contents, started time.Time,
) (done results) {
	starting, cancel := context.WithDeadline(ctx, started.Add(lastStart))
	defer cancel()
	defer context.AfterFunc(d.done, cancel)()
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() {
		pause(sending, sendGrace)
		cut()
	})()

	var mu sync.Mutex
	work := make(chan tracker.Delivery)
	var senders sync.WaitGroup
	for range min(d.outlet.Concurrency, len(claimed)) {
		senders.Go(func() {
			for delivery := range work {
				outcome, verdict := d.handle(starting, sending, delivery, c)
				mu.Lock()
				done.note(delivery, outcome, verdict)
				mu.Unlock()
			}
		})
	}
	for _, delivery := range claimed {
		work <- delivery
	}
	close(work)
	senders.Wait()
	return done
}

func (r *results) note(delivery tracker.Delivery, outcome tracker.DeliveryOutcome, v verdict) {
	switch v {
	case unsent:
		r.unsent = append(r.unsent, delivery)
	case goneForGood:
		r.gone = true
		fallthrough
	case attempted, cutShort:
		r.outcomes = append(r.outcomes, outcome)
	}
}

// book books what came of a batch, also when ctx has ended, and gives back what was not sent.
func (d *Deliverer) book(ctx context.Context, done results) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	err := d.books.FinishDeliveries(ctx, d.outlet.Network, d.outlet.Destination, done.outcomes)
	if err == nil {
		err = d.books.ReleaseDeliveries(ctx, d.outlet.Network, done.unsent)
	}
	if err == nil {
		err = d.noteHold(ctx)
	}
	if err != nil {
		d.log().Error("what became of deliveries could not be booked; they are sent again under the same ids",
			"destination", d.outlet.Destination, "deliveries", len(done.outcomes)+len(done.unsent), "error", err)
	}
}

// judge disables the destination if its endpoint wants no more, or if a batch was nothing but failures and so was everything for
// long before it.
func (d *Deliverer) judge(ctx context.Context, done results, failingSince time.Time) {
	failed, sent, dead, last := false, false, 0, ""
	for _, o := range done.outcomes {
		sent = sent || o.State == tracker.DeliverySent && !o.Skipped
		switch {
		case o.State == tracker.DeliveryDead:
			dead, last = dead+1, o.Attempt.Error
		case o.State == tracker.DeliveryDue && !o.Cut:
			failed, last = true, o.Attempt.Error
		}
	}
	if dead > 0 {
		d.log().Warn("deliveries are given up; `caddy affiliate delivery list --state dead` shows them",
			"destination", d.outlet.Destination, "deliveries", dead, "last_error", last)
	}
	switch {
	case failed && !sent && failingSince.IsZero():
		d.log().Warn("deliveries fail and are tried again", "destination", d.outlet.Destination, "last_error", last)
	case sent && !failingSince.IsZero():
		d.log().Info("deliveries are taken again", "destination", d.outlet.Destination)
	}
	if d.retired() {
		return // its successor may send elsewhere, and finds out for itself
	}
	switch {
	case done.gone:
		d.disable(ctx, "its endpoint answers 410, gone")
	case failed && !sent && !failingSince.IsZero() && time.Since(failingSince) >= disableAfter:
		d.disable(ctx, "it has known nothing but failures for "+disableAfter.String())
	}
}

// disable stops the destination on all hubs. Of several hubs one tells of it.
func (d *Deliverer) disable(ctx context.Context, why string) {
	first, err := d.books.DisableDestination(ctx, d.outlet.Network, d.outlet.Destination)
	d.report(ctx, err)
	if err == nil && first {
		destinationsDisabled.WithLabelValues(d.outlet.Destination).Inc()
		d.log().Error("a destination is disabled: "+why+"; nothing is lost, and `caddy affiliate delivery resume` lets it go on",
			"destination", d.outlet.Destination, "network", d.outlet.Network)
	}
}
