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

// promise is a token that waits for its record to be on disk, or the end of one that waits for nothing.
type promise struct {
	handler   *Handler
	token     tracker.Token
	age       time.Duration  // of the cookie
	https     bool           // the scheme, by which the cookie is named
	handover  bool           // the record is another site's, and durable
	withdrawn bool           // the cookie is deleted
	ticket    journal.Ticket // of the record, when err is nil
	err       error          // why there is no ticket
	asked     time.Time      // when the request arrived, from which the patience runs
}

// keep waits for the journal, for what is left of the patience, and adds the cookie to header. Without the journal's word
// there is no cookie; either way the click is counted once. Whoever answers with a cookie forbids storing the answer.
func (p *promise) keep(header http.Header) (kept bool) {
	if p.withdrawn {
		p.handler.cookie.set(header, "", 0, p.https)
		return true
	}
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
	return true
}

// wait returns nil when the record is on disk.
func (p *promise) wait() error {
	if p.handover || p.err != nil {
		return p.err
	}
	start := time.Now()
	err := p.ticket.Wait(p.handler.app.patience() - start.Sub(p.asked))
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

// forbidStoring keeps a response out of every cache. A token is one visitor's, and a click that a cache answers never comes to
// us: a stored redirect loses clicks, and so does the landing page that a robot was shown. The fields that speak to one cache alone (RFC 9213 and its forerunners) go, since they would outrank Cache-Control.
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

// lateWriter does what waits for the answer, at the last moment: when the final header is about to be written. It adds the
// cookie of a promise, for which the disk has usually answered by then, so that the visitor waits for nothing; it keeps the answer
// to a click out of caches, whoever clicked; and it takes the conversions that the answer means.
type lateWriter struct {
	caddyhttp.ResponseWriterWrapper
	promise *promise // of a cookie, or nil
	report  *report  // of conversions, or nil
	click   bool     // the request names a link: the answer may not be stored
	wrote   bool     // the final header
	settled bool     // the promise, kept or not
	kept    bool
}

func newLateWriter(w http.ResponseWriter) *lateWriter {
	return &lateWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
}

// commit settles the promise, once, and keeps the answer out of caches, as often as the header may have changed.
func (w *lateWriter) commit(header http.Header) {
	if w.promise != nil && !w.settled {
		w.settled = true
		w.kept = w.promise.keep(header)
	}
	if w.kept || w.click {
		forbidStoring(header)
	}
}

// answer is called with the status of the final header. Conversions go to the journal before the wait for the click's record,
// so that the two share one patience.
func (w *lateWriter) answer(status int) {
	header := w.Header() // once, since each writer below is asked for it
	w.report.begin(status, header)
	w.commit(header)
	w.report.finish()
}

// finish is called when the next handler has returned, as it should or with an error or a panic. Without a header so far, the
// server answers 200, or an error route does.
func (w *lateWriter) finish(answered bool) {
	if !w.wrote {
		status := http.StatusOK
		if !answered {
			status = http.StatusInternalServerError
		}
		w.answer(status)
	}
	if w.report != nil {
		w.report.clean(w.Header())
	}
}

// WriteHeader implements http.ResponseWriter. A 1xx status is informational and passes, but 101 ends the response.
func (w *lateWriter) WriteHeader(status int) {
	if w.wrote {
		return
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		w.report.hide(w.Header(), func() { w.ResponseWriterWrapper.WriteHeader(status) })
		return
	}
	w.wrote = true
	w.answer(status)
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

// FlushError implements what http.ResponseController looks for. A flush may send the header, so the cookie has to be in it and
// the field of conversions must not; whether it does is left to the writers below, some of which hold it back until there
// is a status. Conversions wait for that status.
func (w *lateWriter) FlushError() (err error) {
	header := w.Header()
	w.commit(header)
	w.report.hide(header, func() { err = http.NewResponseController(w.ResponseWriter).Flush() })
	return err
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
