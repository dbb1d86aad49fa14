package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/postgres"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite"
	"github.com/caddy-affiliate/caddy-affiliate/storage/relay"
)

// workers are the background loops of one configuration.
type workers struct {
	config  Config
	cancel  context.CancelFunc
	done    sync.WaitGroup
	relay   *relay.Relay     // nil without Redis
	shipper *forward.Shipper // nil until the journal is open
	engine  *Engine
	loading sync.Mutex // the link table and its snapshot are written by one at a time
}

func (e *Engine) start(c Config) *workers {
	ctx, cancel := context.WithCancel(context.Background())
	w := &workers{config: c, cancel: cancel, engine: e}
	if c.Redis != nil {
		options := *c.Redis
		w.relay = relay.Open(&options, c.Logger)
	}
	w.done.Go(func() { w.run(ctx) })
	return w
}

// run opens journal and ledger, each as soon as it can be, and starts what depends on them.
func (w *workers) run(ctx context.Context) {
	w.retry(ctx, "opening the journal", func() error { return w.engine.openJournal(w.config) })
	j := w.engine.journal.Load()
	if j == nil || ctx.Err() != nil {
		return
	}
	if w.relay != nil {
		shipper := forward.NewShipper(j, w.relay, w.config.Logger)
		w.shipper = shipper
		w.done.Go(func() { shipper.Run(ctx) })
	}
	if w.config.Ledger.Kind == LedgerNone {
		w.refreshLinks(ctx, relayLinks{w.relay})
		return
	}
	var l *ledger.Ledger
	w.retry(ctx, "opening the ledger", func() (err error) {
		l, err = openLedger(ctx, w.config)
		return err
	})
	if l == nil {
		return
	}
	for _, warning := range l.Warnings() {
		w.config.Logger.Warn(warning)
	}
	w.engine.ledger.Store(l)
	w.keepBooks(ctx, j, l)
}

// keepBooks keeps the link table and applies records until ctx ends.
func (w *workers) keepBooks(ctx context.Context, j *journal.Journal, l *ledger.Ledger) {
	w.done.Go(func() {
		w.retry(ctx, "writing the configuration's links to the ledger", func() error { return w.syncLinks(ctx, l) })
		w.refreshLinks(ctx, ledgerLinks{l, w.relay})
	})
	w.done.Go(func() { w.watchBalance(ctx) })
	source := forward.FromJournal(j, l, w.config.Logger)
	if w.relay != nil {
		source = forward.FromRelay(w.relay)
	}
	applier, err := forward.NewApplier(source, l, w.config.Retain, w.config.Logger)
	if err != nil {
		w.config.Logger.Error("records are not applied", "error", err)
		return
	}
	applier.Run(ctx)
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

// stop ends the workers. Until ctx ends it lets the shipper send what is durable by now.
func (w *workers) stop(ctx context.Context) {
	w.cancel()
	w.done.Wait()
	if w.shipper != nil && ctx.Err() == nil {
		if _, bounded := ctx.Deadline(); bounded {
			w.shipper.Drain(ctx)
		}
	}
	if l := w.engine.ledger.Swap(nil); l != nil {
		if err := l.Close(); err != nil {
			w.config.Logger.Error("closing the ledger failed", "error", err)
		}
	}
	if w.relay != nil {
		if err := w.relay.Close(); err != nil && !errors.Is(err, context.Canceled) {
			w.config.Logger.Error("closing the connections to redis failed", "error", err)
		}
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
