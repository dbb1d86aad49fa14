package forward

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// desk is a destination that is told of sessions, by a deliverer on real books, on a clock that stands still while anything runs.
type desk struct {
	*testing.T
	path      string
	books     *ledger.Ledger
	deliverer *Deliverer
	outlet    Outlet
	log       bytes.Buffer

	mu     sync.Mutex
	answer func(sent) error // what the endpoint thinks of an event; nil: it takes all
	sent   []sent
	busy   int // attempts under way
	most   int // of them at once
}

// sent is an attempt as the endpoint sees it.
type sent struct {
	id string
	at time.Time
	n  int // 1, 2, 3 … of this id
}

// onDesk runs a test in a time of its own.
func onDesk(t *testing.T, test func(d *desk), change ...func(*Outlet)) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{T: t, path: filepath.Join(t.TempDir(), "ledger.db")}
		d.books = openLedgerAt(t, d.path)
		d.outlet = Outlet{To: d, Route: tracker.Route{Destination: "desk", Network: "default", Kinds: d.Kinds()}}
		for _, c := range change {
			c(&d.outlet)
		}
		d.books.UseRoutes([]tracker.Route{d.outlet.Route})
		d.deliverer = d.hub()
		test(d)
	})
}

// hub is a deliverer, as a later process of the same node has it.
func (d *desk) hub() *Deliverer { return d.hubWith(d.books) }

// otherHub is a deliverer, as another node has it.
func (d *desk) otherHub() *Deliverer { return d.hubWith(openLedgerAt(d.T, d.path)) }

func (d *desk) hubWith(books DeliveryBooks) *Deliverer {
	hub := NewDeliverer(d.outlet, books, slog.New(slog.NewTextHandler(&d.log, nil)))
	hub.breaker = newBreaker(d.Host())
	return hub
}

func (d *desk) Kinds() []tracker.EventKind { return []tracker.EventKind{tracker.EventSession} }
func (d *desk) Host() string               { return "desk.example" }

func (d *desk) Send(ctx context.Context, _ *Client, e tracker.Event) (Answer, error) {
	d.mu.Lock()
	s := sent{id: e.ID, at: time.Now(), n: 1}
	for _, before := range d.sent {
		if before.id == e.ID {
			s.n++
		}
	}
	d.sent = append(d.sent, s)
	d.busy++
	d.most = max(d.most, d.busy)
	answer := d.answer
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.busy--
		d.mu.Unlock()
	}()
	if answer == nil {
		return Answer{Status: 200}, nil
	}
	err := answer(s)
	if errors.Is(err, errHang) {
		<-ctx.Done()
		return Answer{}, ctx.Err()
	}
	if err != nil {
		return Answer{Status: 500}, err
	}
	return Answer{Status: 200}, nil
}

var (
	errBroken = errors.New("the endpoint answered 500")
	errHang   = errors.New("the endpoint does not answer")
)

// happen lets n sessions land in the books.
func (d *desk) happen(n int) {
	d.Helper()
	land(d.T, d.books, n)
}

// live lets the deliverer work for that long; it looks at most so often.
func (d *desk) live(span, often time.Duration) {
	d.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); {
		if rest := d.deliverer.step(d.Context()); rest > 0 {
			time.Sleep(max(rest, often))
		}
	}
}

// run lets a deliverer run, as a process does, until the function that it returns is called.
func (d *desk) run(hub *Deliverer) (stop func()) {
	ctx, end := context.WithCancel(d.Context())
	ended := make(chan struct{})
	go func() { hub.Run(ctx); close(ended) }()
	return func() { end(); <-ended }
}

// attempts is how many there have been.
func (d *desk) attempts() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.sent)
}

// states counts the deliveries by state.
func (d *desk) states() map[tracker.DeliveryState]int {
	d.Helper()
	count := map[tracker.DeliveryState]int{}
	for _, one := range d.deliveries() {
		count[one.State]++
	}
	return count
}

func (d *desk) deliveries() (all []tracker.Delivery) {
	d.Helper()
	page := tracker.Page{Limit: tracker.MaxPage}
	for {
		rows, next, err := d.books.Deliveries(d.Context(), "default", tracker.DeliveryFilter{}, page)
		if err != nil {
			d.Fatal(err)
		}
		if all = append(all, rows...); next == "" {
			return all
		}
		page.After = next
	}
}

func (d *desk) want(state tracker.DeliveryState, n int) {
	d.Helper()
	if got := d.states(); got[state] != n || len(d.deliveries()) != n {
		d.Errorf("the deliveries are %v; want %d, all %s", got, n, state)
	}
}

// only returns the delivery that there is, with its attempts.
func (d *desk) only() tracker.Delivery {
	d.Helper()
	all := d.deliveries()
	if len(all) != 1 {
		d.Fatalf("there are %d deliveries", len(all))
	}
	one, err := d.books.Delivery(d.Context(), "default", all[0].ID)
	if err != nil {
		d.Fatal(err)
	}
	return one
}

func TestEachEventIsSentOnce(t *testing.T) {
	onDesk(t, func(d *desk) {
		const events = 700 // more than one batch, fewer each time
		d.happen(events)
		stop := d.run(d.deliverer)
		time.Sleep(time.Minute)
		stop()
		d.want(tracker.DeliverySent, events)
		for _, s := range d.sent {
			if s.n > 1 {
				d.Errorf("%s was sent %d times", s.id, s.n)
			}
		}
		if len(d.sent) != events || d.most > DefaultConcurrency {
			d.Errorf("%d attempts for %d events, %d at once", len(d.sent), events, d.most)
		}
	})
}
