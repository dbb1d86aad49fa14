package forward

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// gaugeEvery is how often the numbers of what is due and dead are counted for the metrics.
const gaugeEvery = 15 * time.Second

// Deliver runs a deliverer for each outlet until ctx ends.
func Deliver(ctx context.Context, outlets []Outlet, books DeliveryBooks, logger *slog.Logger) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, o := range outlets {
		d := NewDeliverer(o, books, logger)
		all.Go(func() { d.Run(ctx) })
		all.Go(func() { d.look(ctx) })
	}
}

// look keeps the gauges of a destination.
func (d *Deliverer) look(ctx context.Context) {
	name := d.outlet.Destination
	defer forgetGauges(name)
	for ctx.Err() == nil {
		open := 0.0
		if d.breaker.State() != gobreaker.StateClosed {
			open = 1
		}
		breakerOpen.WithLabelValues(name).Set(open)
		if s, err := d.books.DestinationState(ctx, d.outlet.Network, name); err == nil {
			age := time.Duration(0)
			if s.OldestDueAt != nil {
				age = time.Since(*s.OldestDueAt)
			}
			dueDeliveries.WithLabelValues(name).Set(float64(s.Due))
			deadDeliveries.WithLabelValues(name).Set(float64(s.Dead))
			oldestDue.WithLabelValues(name).Set(max(0, age.Seconds()))
		}
		pause(ctx, gaugeEvery)
	}
}

// SendTest sends a marked test event, outside of all queues, and returns what came of it.
func SendTest(ctx context.Context, o Outlet, now time.Time) tracker.Attempt {
	event := tracker.Event{
		ID: tracker.NewSessionID(now).String(), Kind: tracker.EventTest, Network: o.Network, Subject: "test", Time: now.UTC(),
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	client := NewClient(o.Allow)
	defer client.Close()
	began := time.Now()
	answer, err := o.To.Send(ctx, client, event)
	a := attemptOf(now, time.Since(began), answer, err)
	a.N = 1
	return a
}
