package forward

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// OutletBooks is what Deliverers ask of the ledger.
type OutletBooks interface {
	DeliveryBooks
	DestinationState(ctx context.Context, network, destination string) (tracker.DestinationState, error)
	Destinations(ctx context.Context) ([]tracker.DestinationName, error)
}

// Deliverers are a process's deliverers on one ledger. They live through changes of configuration: one whose own settings stay is
// left alone, and one whose settings change lets what it has under way end while its successor begins.
type Deliverers struct {
	books OutletBooks
	life  context.Context
	end   context.CancelFunc
	all   sync.WaitGroup

	mu      sync.Mutex
	blind   context.CancelFunc // ends the look at the gauges; nil before it has begun
	closed  bool
	logger  *slog.Logger
	working map[tracker.DestinationName]*Deliverer
	left    map[tracker.DestinationName]*leftBehind
}

// NewDeliverers returns deliverers of no outlet yet.
func NewDeliverers(books OutletBooks) *Deliverers {
	s := &Deliverers{books: books, working: map[tracker.DestinationName]*Deliverer{}, left: map[tracker.DestinationName]*leftBehind{}}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Use delivers to these outlets from now on, and to no other. It waits for nothing. After Finish or Close it does nothing.
func (s *Deliverers) Use(outlets []Outlet, logger *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.logger = logger
	next := map[tracker.DestinationName]*Deliverer{}
	for _, o := range outlets {
		name := tracker.DestinationName{Network: o.Network, Name: o.Destination}
		if d := s.working[name]; d != nil && d.configured.Same(o) {
			d.logger.Store(logger)
			next[name] = d
			delete(s.working, name)
			continue
		}
		next[name] = s.begin(name, o)
	}
	for _, d := range s.working {
		d.logger.Store(logger)
		d.retire()
	}
	s.working = next
	if s.blind == nil {
		var looking context.Context
		looking, s.blind = context.WithCancel(s.life)
		s.all.Go(func() { s.look(looking) })
	}
}

// begin lets a deliverer of the outlet run.
func (s *Deliverers) begin(name tracker.DestinationName, o Outlet) *Deliverer {
	d := NewDeliverer(o, s.books, s.logger)
	if s.left[name] == nil {
		s.left[name] = d.left
	}
	d.left = s.left[name]
	s.all.Go(func() { d.Run(s.life) })
	return d
}

// Finish begins no attempt any more, and returns when those under way have ended: after seconds where an endpoint is slow. It does not
// wait for books that do not answer.
func (s *Deliverers) Finish() {
	s.mu.Lock()
	s.closed = true
	for _, d := range s.working {
		d.retire()
	}
	if s.blind != nil {
		s.blind()
	}
	s.mu.Unlock()
	defer time.AfterFunc(requestTime+finishTime, s.end).Stop()
	s.all.Wait()
}

// Close gives what is under way a moment to end, and then cuts it short. It returns when that is booked, or when ctx ends.
func (s *Deliverers) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	ended := make(chan struct{})
	go func() { s.all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
