package forward

import (
	"context"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// holdFor lets no attempt begin for that long: at once here, and on all hubs as soon as the books know it. A longer hold stays.
func (d *Deliverer) holdFor(t time.Duration, why error) {
	h := &tracker.Hold{Until: time.Now().Add(t), Why: why.Error(), By: d.outlet.Fingerprint}
	for was := d.held.Load(); was == nil || was.Until.Before(h.Until); was = d.held.Load() {
		if d.held.CompareAndSwap(was, h) {
			return
		}
	}
}

// noteHold notes in the books what the endpoint has asked for. From then on they say whether it is time, and somebody may let the
// destination go on before it is. A successor, which may send elsewhere, is not held for what a retired deliverer has heard.
func (d *Deliverer) noteHold(ctx context.Context) error {
	h := d.held.Load()
	if h == nil || d.retired() {
		return nil
	}
	if err := d.books.HoldDestination(ctx, d.outlet.Network, d.outlet.Destination, *h); err != nil {
		return err
	}
	d.held.CompareAndSwap(h, nil)
	return nil
}

// retired reports whether it only ends what it has under way.
func (d *Deliverer) retired() bool { return d.done.Err() != nil }
