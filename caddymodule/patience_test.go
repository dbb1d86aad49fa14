//go:build unix

package caddymodule

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
)

// A journal that never answers holds a visitor for 25 ms, as documented, or for the configured max_wait, and not a moment longer:
// the answer comes without a token and is counted as late.
func TestClickOnAJournalThatNeverAnswers(t *testing.T) {
	if shippedPatience != 25*time.Millisecond {
		t.Errorf("a click waits for %v; the documentation says 25ms", shippedPatience)
	}
	defer func(tests time.Duration) { patience = tests }(patience)
	for _, c := range []struct{ maxWait, want time.Duration }{{0, 25 * time.Millisecond}, {time.Second, time.Second}} {
		synctest.Test(t, func(t *testing.T) { waits(t, c.maxWait, c.want) })
	}
}

// waits fails the test unless a click waits that long for a journal that has stopped.
func waits(t *testing.T, maxWait, want time.Duration) {
	patience = 10 * time.Second
	e := newStartingEdge(t, Handler{})
	stuck := &stuckLog{released: make(chan struct{}), reached: make(chan struct{})}
	if err := e.engine.Open(engine.Config{Dir: e.dir, Links: edgeLinks(), SegmentBytes: 1 << 16, Logger: slog.New(stuck)}); err != nil {
		t.Fatal(err)
	}
	defer close(stuck.released)
	if e.ask("http://shop.test/?via=demo").cookie() == nil {
		t.Fatal("no token from a journal that works")
	}
	folders, err := filepath.Glob(filepath.Join(e.dir, "origins", "*"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("folders %v, %v", folders, err)
	}
	if err := os.RemoveAll(folders[0]); err != nil { // the writer finds that out, and is stuck when it says so
		t.Fatal(err)
	}
	patience = shippedPatience
	e.app.Journal = &Journal{MaxWait: caddy.Duration(maxWait)}
	counted(t, counts{"clicks/human": 1, "withheld/late": 1}, func() {
		asked := time.Now() // of the bubble's clock, which moves only while everybody waits
		res := e.ask("http://shop.test/?via=demo")
		if took := time.Since(asked); took != want {
			t.Errorf("the answer took %v, want %v", took, want)
		}
		if res.Code != http.StatusOK || res.Body.String() != "hello" || res.cookie() != nil {
			t.Errorf("status %d, cookie %v", res.Code, res.cookie())
		}
	})
	<-stuck.reached
}

// stuckLog holds whoever says that an origin has ended, which is the journal's writer, until it is released.
type stuckLog struct{ reached, released chan struct{} }

func (*stuckLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *stuckLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *stuckLog) WithGroup(string) slog.Handler          { return l }

func (l *stuckLog) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "has ended an origin") {
		close(l.reached)
		<-l.released
	}
	return nil
}
