package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// promise is a token that waits for its record to be on disk.
type promise struct {
	handler  *Handler
	token    tracker.Token
	age      time.Duration  // of the cookie
	https    bool           // the scheme, by which the cookie is named
	handover bool           // the record is another site's, and durable
	ticket   journal.Ticket // of the record, when err is nil
	err      error          // why there is no ticket
	asked    time.Time      // when the request arrived, from which the patience runs
}

// keep waits for the journal, for what is left of the patience, and adds the cookie to header. Without the journal's word
// there is no cookie; either way the click is counted once.
func (p *promise) keep(header http.Header) (kept bool) {
	reason := "late" // stands if anything below panics, so that the sum of the counters always holds
	defer func() {
		switch {
		case p.handover && kept:
			handoffs.Inc()
		case p.handover:
		case kept:
			tokens.Inc()
		default:
			withheld.WithLabelValues(reason).Inc()
		}
	}()
	defer p.handler.survive()
	if err := p.wait(); err != nil {
		reason = withheldReason(err)
		return false
	}
	sealer := p.handler.app.sealer()
	if sealer == nil {
		reason = withheldReason(engine.ErrStarting)
		return false
	}
	value, err := sealer.Seal(p.token)
	if err != nil {
		return false
	}
	p.handler.cookie.set(header, value, p.age, p.https)
	forbidStoring(header)
	return true
}

// wait returns nil when the record is on disk.
func (p *promise) wait() error {
	if p.handover || p.err != nil {
		return p.err
	}
	start := time.Now()
	err := p.ticket.Wait(patience - start.Sub(p.asked))
	addedWait.Observe(time.Since(start).Seconds())
	return err
}

// withheldReason names the reason for which a click got no token.
func withheldReason(err error) string {
	switch {
	case errors.Is(err, journal.ErrLate):
		return "late"
	case errors.Is(err, journal.ErrQueueFull):
		return "queue"
	case errors.Is(err, engine.ErrStarting):
		return "starting"
	default:
		return "disk"
	}
}

// forbidStoring keeps a response out of every cache. A token is one visitor's, and a stored redirect loses clicks. The
// fields that speak to one cache alone (RFC 9213 and its forerunners) go, since they would outrank Cache-Control.
func forbidStoring(header http.Header) {
	for name := range header {
		if isTargetedCacheField(name) {
			delete(header, name)
		}
	}
	header["Cache-Control"] = []string{"private, no-store"}
}

func isTargetedCacheField(name string) bool {
	const suffix = "-Cache-Control"
	switch {
	case len(name) > len(suffix) && strings.EqualFold(name[len(name)-len(suffix):], suffix):
		return true // CDN-Cache-Control, Cloudflare-CDN-Cache-Control, …
	case strings.EqualFold(name, "Surrogate-Control"), strings.EqualFold(name, "Edge-Control"),
		strings.EqualFold(name, "X-Accel-Expires"):
		return true
	}
	return false
}

// lateWriter adds the cookie of a promise at the last moment: when the final header is about to be written. By then the
// disk has usually answered, so the visitor waits for nothing.
type lateWriter struct {
	caddyhttp.ResponseWriterWrapper
	promise *promise
	wrote   bool // the final header
	settled bool // the promise, kept or not
	kept    bool
}

// newLateWriter returns nil if nothing was promised.
func newLateWriter(w http.ResponseWriter, p *promise) *lateWriter {
	if p == nil {
		return nil
	}
	return &lateWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, promise: p}
}

// commit settles the promise, once.
func (w *lateWriter) commit() {
	if !w.settled {
		w.settled = true
		w.kept = w.promise.keep(w.Header())
	}
}

// WriteHeader implements http.ResponseWriter. A 1xx status is informational and passes, but 101 ends the response.
func (w *lateWriter) WriteHeader(status int) {
	if w.wrote {
		return
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		w.wrote = true
		w.commit()
		if w.kept { // the header may have changed since an early flush settled the promise
			forbidStoring(w.Header())
		}
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *lateWriter) Write(body []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriterWrapper.Write(body)
}

// ReadFrom implements io.ReaderFrom. The wrapper's own would go past WriteHeader.
func (w *lateWriter) ReadFrom(body io.Reader) (int64, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriterWrapper.ReadFrom(body)
}

// FlushError implements what http.ResponseController looks for. A flush may send the header, so the cookie has to be in it;
// whether it does is left to the writers below, some of which hold it back until there is a status.
func (w *lateWriter) FlushError() error {
	w.commit()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Interface guards
var (
	_ http.ResponseWriter             = (*lateWriter)(nil)
	_ http.Pusher                     = (*lateWriter)(nil)
	_ io.ReaderFrom                   = (*lateWriter)(nil)
	_ interface{ FlushError() error } = (*lateWriter)(nil)
	_ interface {
		Unwrap() http.ResponseWriter
	} = (*lateWriter)(nil)
)
