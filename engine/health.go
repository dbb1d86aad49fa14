package engine

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
)

// The states of an engine and its parts.
const (
	StatusOK       = "ok"
	StatusDegraded = "degraded" // the site is served and nothing promised is lost; something needs attention
	StatusStarting = "starting" // the journal is not open: no tokens are handed out
	StatusOff      = "off"      // not configured
)

// Part is the state of one part.
type Part struct {
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"` // for people; no address, no secret
}

// Health is the state of an engine.
type Health struct {
	Status  string `json:"status"`
	Journal Part   `json:"journal"`
	Relay   Part   `json:"relay"`
	Ledger  Part   `json:"ledger"`
	Apply   Part   `json:"apply"` // of records to the ledger
	Links   int    `json:"links"` // in the table now
}

// healthTime bounds each question that Health asks of a server, or of the journal's disk.
const healthTime = time.Second

// Health asks every part how it is.
func (e *Engine) Health(ctx context.Context) Health {
	h := Health{Journal: e.journalHealth(ctx), Relay: Part{Status: StatusOff}, Ledger: Part{Status: StatusOff}, Apply: Part{Status: StatusOff}, Links: e.Links().Len()}
	if w := e.running.Load(); w != nil {
		h.Ledger = e.ledgerHealth(ctx, w.config)
		h.Apply = w.applyHealth()
		if w.relay != nil {
			h.Relay = w.relayHealth(ctx)
		}
	}
	h.Status = StatusOK
	for _, part := range []Part{h.Journal, h.Relay, h.Ledger, h.Apply} {
		if part.Status == StatusDegraded {
			h.Status = StatusDegraded
		}
	}
	if h.Journal.Status == StatusStarting {
		h.Status = StatusStarting
	}
	return h
}

func (e *Engine) journalHealth(ctx context.Context) Part {
	j := e.journal.Load()
	if j == nil {
		return Part{StatusStarting, e.closedText()}
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	gone := e.disk.ask(ctx, j.Gone)
	switch stats := j.Stats(); {
	case errors.Is(gone, context.DeadlineExceeded), errors.Is(gone, context.Canceled):
		return Part{StatusDegraded, "the journal's disk does not answer; no tokens are handed out until it does"}
	case gone != nil:
		return Part{StatusDegraded, "the journal's path does not lead to its folder any more; no tokens are handed out until the folder is put back; a restart of Caddy begins a journal at that path"}
	case stats.Waiting > 0:
		return Part{StatusDegraded, "segments of the journal cannot be found or opened, and their records wait for them; see the log"}
	case stats.Full:
		return Part{StatusDegraded, "there is no room for records: the disk is full, or the journal has reached max_size; no tokens are handed out until there is"}
	case stats.Failed:
		return Part{StatusDegraded, "the disk refused a write; no tokens are handed out until a new journal can be begun"}
	case !j.Roomy():
		return Part{StatusDegraded, "three quarters of the journal's max_size are taken; what is left is kept for people's clicks"}
	}
	return Part{Status: StatusOK}
}

// closedText says for people why the journal is not open.
func (e *Engine) closedText() string {
	w := e.running.Load()
	if w == nil || !e.held.Load() {
		return "the journal is not open; see the log"
	}
	return "another process holds the journal's folder " + w.config.Dir +
		": end that process, or give this one a folder of its own and restart it"
}

func (e *Engine) ledgerHealth(ctx context.Context, c Config) Part {
	if c.Ledger.Kind == LedgerNone {
		return Part{Status: StatusOff}
	}
	l := e.ledger.Load()
	if l == nil {
		return Part{StatusDegraded, ErrLedgerAway.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	if err := l.Ping(ctx); errors.Is(err, ledger.ErrGone) {
		return Part{StatusDegraded, ledger.ErrGone.Error() + "; records wait in the journal"}
	} else if err != nil {
		return Part{StatusDegraded, "the ledger does not answer; records wait in the journal"}
	}
	if j := e.journal.Load(); j != nil && j.LedgerID() != "" && j.LedgerID() != l.ID() {
		return Part{StatusDegraded, "the journal belongs to another ledger; see the log"}
	}
	return Part{Status: StatusOK}
}

func (w *workers) applyHealth() Part {
	applier := w.applier.Load()
	if applier == nil {
		return Part{Status: StatusOff}
	}
	if trouble, some := applier.Trouble(); some {
		return Part{StatusDegraded, troubleText(trouble)}
	}
	return Part{Status: StatusOK}
}

// troubleText says for people what keeps records from the ledger.
func troubleText(t forward.Trouble) string {
	return "records do not reach the ledger; the oldest waits since " + t.Since.UTC().Format(time.RFC3339) + ": " + t.Reason
}

func (w *workers) relayHealth(ctx context.Context) Part {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	_, evicts, err := w.relay.Policy(ctx)
	switch {
	case err != nil:
		return Part{StatusDegraded, "redis does not answer; records wait in the journal"}
	case w.rival.Load():
		return Part{StatusDegraded, "another ledger feeds on this redis; nodes that share a redis share one ledger, or keep none"}
	case w.foreign():
		return Part{StatusDegraded, "the journal belongs to another ledger than redis; see the log"}
	case evicts:
		return Part{StatusDegraded, "redis may evict any key, so nothing is shipped to it; set maxmemory-policy noeviction"}
	}
	return Part{Status: StatusOK}
}

func (w *workers) foreign() bool {
	shipper := w.shipper.Load()
	return shipper != nil && shipper.Foreign()
}
