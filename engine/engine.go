package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// ErrStarting is returned for a click that came before the journal was open.
var ErrStarting = errors.New("the journal is not open yet")

// ErrNoLedger is returned where a ledger is asked for on a node that keeps none.
var ErrNoLedger = errors.New("this node keeps no ledger (ledger none); ask a hub")

// ErrLedgerAway is returned while the ledger has not been reached yet.
var ErrLedgerAway = errors.New("the ledger cannot be reached yet; see the log")

// ErrSlowClose is returned when the journal does not close in time. It goes on closing as long as the process lives.
var ErrSlowClose = errors.New("closing the journal takes too long; what was promised is on disk, the rest was never promised")

// closeTime is how long a last effort to ship may take when the process ends.
const closeTime = time.Second

// applyTime bounds how long a change of configuration waits for the old workers.
const applyTime = 10 * time.Second

// retryEvery is the pause between attempts to open what cannot be opened yet.
const retryEvery = time.Second

// Engine is one process's edge and hub. The zero value is not usable; New makes one.
type Engine struct {
	journal atomic.Pointer[journal.Journal]
	ledger  atomic.Pointer[ledger.Ledger]
	links   atomic.Pointer[tracker.LinkTable]
	running atomic.Pointer[workers]            // nil before Open and after Close
	sending atomic.Pointer[forward.Deliverers] // to the destinations, from the ledger; they live through changes of configuration
	known   chan struct{}                      // closed by tell when there is a table of links
	tell    func()
	opened  chan struct{} // closed when the journal is open
	disk    diskQuestion  // whether the journal's folder is in its place
	held    atomic.Bool   // the last attempt to open the journal found that another process has it

	gone atomic.Bool // Close was called

	// mu is held through a change of configuration, which waits for workers to end. Neither they nor requests may take it.
	mu sync.Mutex
}

// New returns an engine that is not open. It does no I/O.
func New() *Engine {
	e := &Engine{known: make(chan struct{}), opened: make(chan struct{})}
	e.tell = sync.OnceFunc(func() { close(e.known) })
	e.links.Store(tracker.NewLinkTable(0, nil))
	return e
}

// Open takes the first configuration and starts. It fails only for what the operator must mend, such as a folder that cannot
// be used; a lock held by another process, a full disk, an absent Redis or PostgreSQL are tried again in the background.
func (e *Engine) Open(c Config) error {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone.Load() || e.running.Load() != nil {
		return errors.New("the engine was opened before")
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil && !passing(err) {
		return fmt.Errorf("making the journal's folder: %w", err)
	}
	e.setLinks(startLinks(c))
	e.tell()
	if err := e.openJournal(c); err != nil && !passing(err) {
		return err
	}
	e.running.Store(e.start(c, nil))
	return nil
}

// Check returns what Apply would refuse, without a side effect.
func (e *Engine) Check(c Config) error {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return err
	}
	if w := e.running.Load(); w != nil {
		return w.config.compatible(c)
	}
	return nil
}

// Apply goes over to a later configuration. Workers whose settings did not change are left alone, and what is on its way to a
// destination is not cut short.
func (e *Engine) Apply(c Config) error {
	c = c.withDefaults()
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.Check(c); err != nil {
		return err
	}
	w := e.running.Load()
	if w == nil {
		return errors.New("the engine is not open")
	}
	if w.config.sameWorkers(c) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), applyTime)
	defer cancel()
	w.stop(ctx, false)
	left := w.left
	if w.config.Ledger != c.Ledger { // else requests to the API go on with it
		left = w.leaveLedger()
	}
	known := e.Links()
	e.setLinks(withConfig(c, known.Version(), known.All())) // new links work before any ledger has heard of them
	e.running.Store(e.start(c, left))
	return nil
}

// Close finishes what was promised, makes an effort of at most a second to ship it, and stops. It never waits for Redis or
// the ledger beyond that: the journal keeps what is left for the next start.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if w := e.running.Swap(nil); w != nil {
		var sending sync.WaitGroup
		if d := e.sending.Swap(nil); d != nil {
			sending.Go(func() { d.Close(ctx) })
		}
		w.stop(ctx, true)
		sending.Wait()
		w.closeLedger()
	}
	j := e.journal.Swap(nil)
	if j == nil {
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- j.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTime):
		return ErrSlowClose
	}
}

// Append queues a record. While the journal is not open yet it waits for it, at most wait.
func (e *Engine) Append(payload []byte, wait time.Duration) (journal.Ticket, error) {
	if !await(e.opened, wait) {
		return journal.Ticket{}, ErrStarting
	}
	j := e.journal.Load()
	if j == nil {
		return journal.Ticket{}, journal.ErrClosed
	}
	return j.Append(payload)
}

// Roomy reports whether the journal has room for more than the clicks that matter most: below it records of robots and the
// like are better left out.
func (e *Engine) Roomy() bool {
	j := e.journal.Load()
	return j == nil || j.Roomy()
}

// AwaitLinks waits, at most that long, for the first table of links. Caddy may serve requests before Open has run.
func (e *Engine) AwaitLinks(wait time.Duration) { await(e.known, wait) }

// await reports whether ch is closed within wait.
func await(ch <-chan struct{}, wait time.Duration) bool {
	select {
	case <-ch:
		return true
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ch:
		return true
	case <-timer.C:
		return false
	}
}

// Links returns what is known of the links now; never nil.
func (e *Engine) Links() *tracker.LinkTable { return e.links.Load() }

// Ledger returns the ledger, ErrNoLedger where this node keeps none, or ErrLedgerAway while it is not open.
func (e *Engine) Ledger() (*ledger.Ledger, error) {
	if l := e.ledger.Load(); l != nil {
		return l, nil
	}
	if w := e.running.Load(); w != nil && w.config.Ledger.Kind == LedgerNone {
		return nil, ErrNoLedger
	}
	return nil, ErrLedgerAway
}

func (e *Engine) setLinks(t *tracker.LinkTable) {
	e.links.Store(t)
	linkTableSize.Set(float64(t.Len()))
}

// openJournal opens the journal unless it is open, or the engine was closed meanwhile.
func (e *Engine) openJournal(c Config) error {
	if e.journal.Load() != nil || e.gone.Load() {
		return nil
	}
	j, err := journal.Open(c.Dir, c.journalOptions())
	e.held.Store(errors.Is(err, journal.ErrLocked))
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	e.journal.Store(j)
	if e.gone.Load() { // Close may have looked for it before it was there
		if j := e.journal.Swap(nil); j != nil {
			return j.Close()
		}
		return nil
	}
	close(e.opened)
	return nil
}

// passing reports whether an error may go away by itself: somebody else holds the lock, the disk is full, read-only, broken
// or out of reach. The site must be served meanwhile, so only what an operator has to mend refuses a configuration.
func passing(err error) bool {
	for _, e := range []error{fs.ErrPermission, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL} {
		if errors.Is(err, e) {
			return false
		}
	}
	return true
}
