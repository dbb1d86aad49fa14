package forward

import (
	"context"
	"maps"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// gaugeEvery is how often the numbers of what is due and dead are counted for the metrics.
const gaugeEvery = 15 * time.Second

// LeftAlone reports whether this process leaves the host, with its port, alone for a moment, since attempts there have failed.
func LeftAlone(host string) bool { return breakers.of(host).State() == gobreaker.StateOpen }

// look keeps the gauges of the destinations, and of those that are not configured any more and have deliveries. Of these it warns
// once.
func (s *Deliverers) look(ctx context.Context) {
	shown, warned := map[string]bool{}, map[tracker.DestinationName]bool{}
	defer func() { forgetGauges(maps.Keys(shown)) }()
	for ; ctx.Err() == nil; pause(ctx, gaugeEvery) {
		s.mu.Lock()
		working, logger := maps.Clone(s.working), s.logger
		s.mu.Unlock()
		now := map[string]bool{}
		for name, d := range working {
			breakerOpen.WithLabelValues(name.Name).Set(breakerGauge(d.breaker.State()))
			if state, err := s.books.DestinationState(ctx, name.Network, name.Name); err == nil {
				show(state)
			}
			now[name.Name] = true
		}
		known, err := s.books.Destinations(ctx)
		if err != nil {
			continue
		}
		for _, name := range known {
			if now[name.Name] {
				continue
			}
			state, err := s.books.DestinationState(ctx, name.Network, name.Name)
			if err != nil || state.Due+state.Dead == 0 {
				continue
			}
			show(state)
			breakerOpen.DeleteLabelValues(name.Name) // nothing is sent there
			now[name.Name] = true
			if state.Due > 0 && !warned[name] {
				warned[name] = true
				logger.Warn("deliveries wait for a destination that is not configured on this node; `caddy affiliate destination list` "+
					"shows it, and `caddy affiliate delivery drop` gives them up", "destination", name.Name, "network", name.Network)
			}
		}
		maps.DeleteFunc(shown, func(name string, _ bool) bool { return now[name] })
		forgetGauges(maps.Keys(shown))
		shown = now
	}
}

// show sets the gauges of what a destination has in the books.
func show(state tracker.DestinationState) {
	age := time.Duration(0)
	if state.OldestDueAt != nil {
		age = time.Since(*state.OldestDueAt)
	}
	dueDeliveries.WithLabelValues(state.Name).Set(float64(state.Due))
	deadDeliveries.WithLabelValues(state.Name).Set(float64(state.Dead))
	oldestDue.WithLabelValues(state.Name).Set(max(0, age.Seconds()))
}

// breakerGauge is what the gauge says of a breaker: a half-open one tries the endpoint, and is not closed yet.
func breakerGauge(state gobreaker.State) float64 {
	switch state {
	case gobreaker.StateOpen:
		return 1
	case gobreaker.StateHalfOpen:
		return 0.5
	}
	return 0
}
