package engine

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

// What is under way from a ledger is waited for, however many changes of the configuration come after it.
func TestSeveralChangesWaitForTheFirstLedger(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	e := open(t, c)
	opened(t, e, nil)
	former := make(chan struct{})
	w := e.running.Load()
	w.stop(t.Context(), false)
	e.running.Store(e.start(w.config, former))
	c.Links = []ledger.NewLink{{Network: "default", Code: "demo"}}
	for range 2 { // the first keeps the ledger, the second leaves it
		if err := e.Apply(c); err != nil {
			t.Fatal(err)
		}
		select {
		case <-e.running.Load().left:
			t.Fatal("nothing waits for the first ledger")
		case <-time.After(100 * time.Millisecond):
		}
		c.Ledger.Path = filepath.Join(t.TempDir(), "other.db")
	}
	close(former)
	<-e.running.Load().left
}

// A last effort that takes all the time is no worker that does not end.
func TestWorkersThatHaveEndedAreNotMissed(t *testing.T) {
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		w := &workers{cancel: func() {}, config: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}}
		w.stop(ctx, true)
	}
	if log.Len() > 0 {
		t.Errorf("it logs %s", log.String())
	}
}
