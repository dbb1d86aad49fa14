package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/postgres"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// startTime is how long a start or a reload waits for the ledger before it leaves it to the background.
const startTime = time.Second

// patience is how long workers may take to end by themselves before the connections to Redis are closed under them.
const patience = 300 * time.Millisecond

// workers are the background loops of one configuration.
type workers struct {
	config  Config
	cancel  context.CancelFunc
	done    sync.WaitGroup
	engine  *Engine
	relay   *relay.Relay                    // nil without Redis
	shipper atomic.Pointer[forward.Shipper] // nil until the journal is open, and without Redis
	applier atomic.Pointer[forward.Applier] // nil until records are applied
	loading chan struct{}                   // held by the one that writes the link table and its snapshot
	tried   chan struct{}                   // closed after the first attempt at everything
	left    <-chan struct{}                 // closed when nothing is under way from the ledgers before; nil: there was none
	rival   atomic.Bool                     // another ledger publishes its links on our relay
}

func (e *Engine) start(c Config, left <-chan struct{}) *workers {
	ctx, cancel := context.WithCancel(context.Background())
	w := &workers{config: c, cancel: cancel, engine: e, loading: make(chan struct{}, 1), tried: make(chan struct{}), left: left}
	if c.Redis != nil {
		options := *c.Redis
		w.relay = relay.Open(&options)
	}
	w.done.Go(func() { w.run(ctx) })
	select { // so that a command which follows a start or a reload finds the ledger open
	case <-w.tried:
	case <-time.After(startTime):
	}
	return w
}

// run opens journal and ledger, each as soon as it can be, and starts what depends on them.
func (w *workers) run(ctx context.Context) {
	tried := sync.OnceFunc(func() { close(w.tried) })
	defer tried()
	w.retry(ctx, "opening the journal", func() error { return w.engine.openJournal(w.config) })
	j := w.engine.journal.Load()
	if j == nil || ctx.Err() != nil {
		return
	}
	if w.relay != nil {
		shipper := forward.NewShipper(j, w.relay, w.config.Logger)
		shipper.OwnLedger = w.config.Ledger.Kind != LedgerNone
		w.shipper.Store(shipper)
		w.done.Go(func() { shipper.Run(ctx) })
	}
	if w.config.Ledger.Kind == LedgerNone {
		tried()
		w.done.Go(func() { w.scrub(ctx, j, relayErasures{w.relay, j}) })
		w.refreshLinks(ctx, relayLinks{w.relay})
		return
	}
	l := w.ledger(ctx, tried)
	if l == nil {
		return
	}
	l.UseTerms(w.config.Terms)
	l.UseRoutes(w.routes())
	l.UseNode(j.Node())
	w.engine.ledger.Store(l)
	tried()
	w.keepBooks(ctx, j, l)
}

// ledger returns the one that the workers before have left open, or opens it as soon as it can be. It returns nil when ctx
// ends first: other workers have taken over then.
func (w *workers) ledger(ctx context.Context, tried func()) (l *ledger.Ledger) {
	if l = w.engine.ledger.Load(); l != nil {
		return l
	}
	w.retry(ctx, "opening the ledger", func() (err error) {
		if l, err = openLedger(ctx, w.config); err != nil {
			tried()
		}
		return err
	})
	if l == nil {
		return nil
	}
	if ctx.Err() != nil {
		l.Close()
		return nil
	}
	for _, warning := range l.Warnings() {
		w.config.Logger.Warn(warning)
	}
	return l
}

// keepBooks keeps the link table and applies records until ctx ends.
func (w *workers) keepBooks(ctx context.Context, j *journal.Journal, l *ledger.Ledger) {
	w.done.Go(func() {
		w.retry(ctx, "writing the configuration's links to the ledger", func() error { return w.syncLinks(ctx, l) })
	})
	w.done.Go(func() { w.refreshLinks(ctx, ledgerLinks{l}) })
	w.done.Go(func() { w.watchBalance(ctx) })
	w.done.Go(func() { w.forget(ctx, l) })
	w.done.Go(func() { w.scrub(ctx, j, ledgerErasures{l}) })
	w.retry(ctx, "pinning the ledger in the journal", func() error {
		_, err := forward.Foreign(j, l.ID())
		return err
	})
	w.done.Go(func() { w.deliver(ctx, l) })
	source := forward.FromJournal(j, l, w.config.Logger)
	if w.relay != nil {
		source = forward.FromRelay(w.relay)
		w.done.Go(func() { w.publishLinks(ctx, l) })
		w.done.Go(func() { w.publishErased(ctx, l) })
	}
	applier, err := forward.NewApplier(source, l, w.config.Retain, w.config.Logger)
	if err != nil {
		w.config.Logger.Error("records are not applied", "error", err)
		return
	}
	w.applier.Store(applier)
	applier.Run(ctx)
}

// deliver lets the ledger's deliverers take over the configuration's outlets. Those of another ledger, which may be the same by
// another name, have to end first, since the new ones take back what this node has left under way.
func (w *workers) deliver(ctx context.Context, l *ledger.Ledger) {
	if w.left != nil {
		select {
		case <-w.left:
		case <-ctx.Done():
		}
	}
	e := w.engine
	if ctx.Err() != nil || e.gone.Load() {
		return
	}
	e.sending.CompareAndSwap(nil, forward.NewDeliverers(l))
	d := e.sending.Load()
	if d == nil { // closed meanwhile
		return
	}
	d.Use(w.config.Outlets, w.config.Logger)
	if e.gone.Load() { // Close may have looked for them before they were there
		d.Close(ctx)
	}
}

// routes are the outlets' as the books have to know them.
func (w *workers) routes() []tracker.Route {
	routes := make([]tracker.Route, len(w.config.Outlets))
	for i, o := range w.config.Outlets {
		routes[i] = o.Route
	}
	return routes
}

// retry calls try until it succeeds or ctx ends. It logs the first failure, and then each that says something else.
func (w *workers) retry(ctx context.Context, what string, try func() error) {
	said := ""
	for {
		err := try()
		if err == nil || ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != said {
			said = text
			w.config.Logger.Error(what+" failed; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

// stop ends the workers and closes what they used but the ledger, until ctx ends at the latest. With drain it lets the
// shipper send what is durable by now.
func (w *workers) stop(ctx context.Context, drain bool) {
	w.cancel()
	ended := make(chan struct{})
	go func() { w.done.Wait(); close(ended) }()
	select {
	case <-ended:
		if shipper := w.shipper.Load(); drain && shipper != nil {
			shipper.Drain(ctx)
		}
	case <-time.After(patience):
	}
	if w.relay != nil { // which also ends a call that waits for an answer
		if err := w.relay.Close(); err != nil {
			w.config.Logger.Error("closing the connections to redis failed", "error", err)
		}
	}
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	select {
	case <-ended: // the last effort has taken all the time
	default:
		w.config.Logger.Error("a worker did not end in time; records wait in the journal")
	}
}

// leaveLedger lets what is under way to destinations end, in the background, and closes the ledger then. The channel is closed
// after that, and after the ledgers before have been left.
func (w *workers) leaveLedger() <-chan struct{} {
	l, d, left := w.engine.ledger.Swap(nil), w.engine.sending.Swap(nil), make(chan struct{})
	go func() {
		defer close(left)
		if d != nil {
			d.Finish()
		}
		w.close(l)
		if w.left != nil {
			<-w.left
		}
	}()
	return left
}

// closeLedger closes the ledger, after the workers have been stopped.
func (w *workers) closeLedger() {
	w.close(w.engine.ledger.Swap(nil))
}

func (w *workers) close(l *ledger.Ledger) {
	if l == nil {
		return
	}
	if err := l.Close(); err != nil {
		w.config.Logger.Error("closing the ledger failed", "error", err)
	}
}

func openLedger(ctx context.Context, c Config) (*ledger.Ledger, error) {
	if c.Ledger.Kind == LedgerPostgres {
		return postgres.Open(ctx, c.Ledger.DSN)
	}
	path, err := filepath.Abs(c.Ledger.Path)
	if err != nil {
		return nil, fmt.Errorf("finding the ledger's file: %w", err)
	}
	return sqlite.Open(ctx, path)
}
