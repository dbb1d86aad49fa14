package forward

import (
	"context"
	"net/netip"
	"reflect"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Outlet is a destination as it is configured.
type Outlet struct {
	tracker.Route
	To          Destination
	Allow       []netip.Prefix // networks, beside the public ones, that it may connect to
	Concurrency int            // attempts under way; 0: DefaultConcurrency
	Rate        float64        // attempts per second; 0: no limit
}

// Same reports whether a deliverer of o serves next as well.
func (o Outlet) Same(next Outlet) bool {
	o.To, next.To = nil, nil // each configuration makes its own
	return reflect.DeepEqual(o, next)
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
