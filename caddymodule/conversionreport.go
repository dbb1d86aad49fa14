package caddymodule

import (
	"net/http"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// report is what is known, ahead of a request's answer, of the conversions that the answer may mean.
type report struct {
	handler *Handler
	field   bool       // the answer's field is removed
	taken   bool       // and its conversions are taken
	blocks  []reported // of the blocks that match the request
	head    bool       // the request is a HEAD
	visitor *visitor   // nil: nobody has opened the cookies yet
	cookies []string   // as they came, if they may be read; later handlers may change the request
	cookie  string     // the name of ours among them
	consent string     // of a visitor whose cookies nobody has opened

	begun    bool
	until    time.Time // the end of the patience
	bookings []booking
}

// expect returns the report of a request, or nil where its answer can mean no conversion: then nobody looks at it.
func (h *Handler) expect(r *http.Request, v *visitor) *report {
	if h.Conversion == nil {
		return nil
	}
	field, blocks := h.Conversion.Header != nil, h.blocksOf(r)
	if !field && len(blocks) == 0 {
		return nil
	}
	p := &report{handler: h, field: field, blocks: blocks, head: r.Method == http.MethodHead, visitor: v}
	p.taken = field && h.matches(h.Conversion.Header.matchers, r)
	if v != nil || !p.taken && len(blocks) == 0 {
		return p
	}
	p.cookie = h.cookie.name(r)
	if p.consent = h.consent(r); p.consent != tracker.ConsentRefused {
		p.cookies = r.Header["Cookie"]
	}
	return p
}

// begin gives the conversions of an answer to the journal, once: when its final header is about to be written. It removes the
// field. finish is called next, with time for the disk in between.
func (p *report) begin(status int, header http.Header) {
	if p == nil || p.begun {
		return
	}
	p.begun = true
	defer p.handler.survive()
	p.until = time.Now().Add(p.handler.app.patience())
	if p.field {
		p.beginField(status, header)
	}
	for _, c := range p.blocks {
		if !isSuccess(status) {
			conversions.WithLabelValues(tracker.SourceBlock, outcomeIgnored).Inc()
			continue
		}
		p.book(c, tracker.SourceBlock)
	}
}

func (p *report) beginField(status int, header http.Header) {
	lines := takeField(header)
	if len(lines) == 0 || !p.taken {
		return
	}
	if _, cached := header["Age"]; cached || p.head || !isSuccess(status) {
		conversions.WithLabelValues(tracker.SourceHeader, outcomeIgnored).Inc()
		return
	}
	list, errs := parseConversions(lines, p.handler.Conversion.Header.Trusted)
	for _, err := range errs {
		p.handler.countMalformed(tracker.SourceHeader, err)
	}
	for _, c := range list {
		p.book(c, tracker.SourceHeader)
	}
}

// isSuccess reports whether an answer of that status can mean a conversion. One of 304 means that the page was seen before.
func isSuccess(status int) bool {
	return status >= 200 && status < 400 && status != http.StatusNotModified
}

func (p *report) book(c reported, source string) {
	if p.visitor == nil {
		p.visitor = p.handler.open(p.cookies, p.cookie, time.Now())
		p.visitor.consent = p.consent
	}
	if b, ok := p.handler.book(c, source, p.visitor, p.until); ok {
		p.bookings = append(p.bookings, b)
	}
}

// finish waits for the journal's word on what begin gave it, for what is left of the patience.
func (p *report) finish() {
	if p == nil {
		return
	}
	for _, b := range p.bookings {
		p.handler.settle(b, p.until)
	}
	p.bookings = nil
}

// hide removes the field while send writes a header that is not the final one.
func (p *report) hide(header http.Header, send func()) {
	if p == nil || !p.field {
		send()
		return
	}
	lines := takeField(header)
	send()
	if len(lines) > 0 {
		header[conversionField] = lines
	}
}

// clean removes what came after the final header: the field as a trailer.
func (p *report) clean(header http.Header) {
	if p.field {
		takeField(header)
	}
}
