package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/engine"
	"github.com/caddy-affiliate/caddy-affiliate/storage/journal"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Conversion says by which ways this site's sales, leads and clicks that earn money come to the books through the edge. Each
// goes into the journal like a click, with the visitor's token, so that it is attributed to the affiliate who brought them.
type Conversion struct {
	// The `Affiliate-Conversion` response field of the site's own upstream. Default: off, and the field passes untouched.
	Header *ConversionHeader `json:"header,omitempty"`

	// Conversions told by a request: its response means one.
	Blocks []ConversionBlock `json:"blocks,omitempty"`

	// An image that a page loads. Default: off.
	Pixel *ConversionPixel `json:"pixel,omitempty"`
}

// The outcomes of a conversion, beside the reasons of withheldReason.
const (
	outcomeRecorded   = "recorded"
	outcomeMalformed  = "malformed"
	outcomeIncomplete = "incomplete" // a block or a pixel without external_id
	outcomeIgnored    = "ignored"    // the response means no conversion
	outcomeDropped    = "dropped"    // a block's or a pixel's, and what room the journal has left is kept for clicks and sales
)

// loadMatchers loads the matchers of the response field and of the blocks.
func (c *Conversion) loadMatchers(ctx caddy.Context) error {
	if c == nil {
		return nil
	}
	if c.Header != nil {
		if err := loadMatchers(ctx, c.Header, &c.Header.matchers); err != nil {
			return err
		}
	}
	for i := range c.Blocks {
		if err := loadMatchers(ctx, &c.Blocks[i], &c.Blocks[i].matchers); err != nil {
			return err
		}
	}
	return nil
}

// loadMatchers loads the matchers that the field MatcherSetsRaw of host configures.
func loadMatchers(ctx caddy.Context, host any, to *caddyhttp.MatcherSets) error {
	sets, err := ctx.LoadModule(host, "MatcherSetsRaw")
	if err != nil {
		return fmt.Errorf("loading matchers: %w", err)
	}
	return to.FromInterface(sets)
}

// setDefaults fills what the configuration left out.
func (c *Conversion) setDefaults() {
	if c == nil {
		return
	}
	for i := range c.Blocks {
		c.Blocks[i].Type = cmp.Or(c.Blocks[i].Type, string(tracker.TypeBuy))
	}
	if c.Pixel != nil {
		c.Pixel.Path = cmp.Or(c.Pixel.Path, defaultPixelPath)
	}
}

// check returns what is wrong with the configuration.
func (c *Conversion) check() error {
	if c == nil {
		return nil
	}
	for i := range c.Blocks {
		if err := c.Blocks[i].check(); err != nil {
			return fmt.Errorf("conversion block %d: %w", i+1, err)
		}
	}
	if c.Pixel != nil {
		return checkPixelPath(c.Pixel.Path)
	}
	return nil
}

// reported is a conversion in words, as a response field, a block or a pixel spells it.
type reported struct {
	kind       string // the type
	externalID string
	amount     string // in major units; empty: 0
	currency   string
	coupon     string
	customer   string // the merchant's id
	name       string
	status     string // empty: pending
}

// errIncomplete is returned for a conversion without identity: without it a page that is loaded again would count again.
var errIncomplete = errors.New("it has no external_id")

// conversion is the conversion that came by that way now. It returns errIncomplete, or an error that says what is malformed and
// repeats no value.
func (c reported) conversion(network, source string, now time.Time) (*tracker.NewConversion, error) {
	if c.externalID == "" {
		return nil, errIncomplete
	}
	if err := c.checkEnds(); err != nil {
		return nil, err
	}
	n := &tracker.NewConversion{
		ID:         tracker.NewSessionID(now).String(),
		Network:    network,
		Source:     source,
		ExternalID: c.externalID,
		Type:       tracker.ConversionType(c.kind),
		Currency:   strings.ToUpper(c.currency),
		Status:     tracker.ConversionStatus(c.status),
		Coupon:     c.coupon,
		Name:       c.name,
		OccurredAt: now,
		Evidence:   tracker.Evidence{CustomerExternalID: c.customer},
		Actor:      tracker.ActorEdge,
	}
	if c.amount != "" {
		var err error
		if n.Amount, err = tracker.ParseAmount(c.amount, n.Currency); err != nil {
			return nil, fmt.Errorf("amount: %w", err)
		}
	}
	return n, n.Check()
}

// checkEnds refuses white space at the ends of what names something: nobody sees it, and an id with it is another one.
func (c reported) checkEnds() error {
	for _, value := range []struct{ name, text string }{
		{"external_id", c.externalID}, {"coupon", c.coupon}, {"customer", c.customer}, {"name", c.name},
	} {
		if strings.TrimSpace(value.text) != value.text {
			return fmt.Errorf("%s: begins or ends with white space", value.name)
		}
	}
	return nil
}

// booking is a conversion that was given to the journal.
type booking struct {
	source string
	kind   tracker.ConversionType
	ticket journal.Ticket // when err is nil
	err    error
}

// book gives a conversion of that visitor to the journal without waiting for the disk; for a journal that is not open yet it
// waits until the deadline. ok is false, and the conversion counted, if it is none.
func (h *Handler) book(c reported, source string, v *visitor, until time.Time) (b booking, ok bool) {
	n, err := c.conversion(h.network, source, time.Now())
	switch {
	case errors.Is(err, errIncomplete) && source != tracker.SourceHeader:
		conversions.WithLabelValues(source, outcomeIncomplete).Inc()
		return b, false
	case err != nil:
		h.countMalformed(source, err)
		return b, false
	}
	if source != tracker.SourceHeader && !h.app.engine.Roomy() { // strangers can ask for as many as they like
		conversions.WithLabelValues(source, outcomeDropped).Inc()
		return b, false
	}
	n.Evidence.Consent = v.consent
	if v.token != (tracker.Token{}) {
		n.Evidence.Cookie = &v.token
	}
	var buf [1024]byte // holds nearly every record
	record := n.AppendRecord(buf[:0])
	ticket, err := h.app.engine.Append(record, time.Until(until))
	if errors.Is(err, engine.ErrStarting) {
		h.appendLater(slices.Clone(record))
	}
	return booking{source, n.Type, ticket, err}, true
}

// awaited counts the conversions that came before the journal was open and wait for it: the site will not report them again.
var awaited = make(chan struct{}, 1000)

// awaitMost is how long they wait.
const awaitMost = time.Minute

// appendLater gives a record to the journal as soon as it is open. It was counted as not recorded by then.
func (h *Handler) appendLater(record []byte) {
	select {
	case awaited <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-awaited }()
		if _, err := h.app.engine.Append(record, awaitMost); err != nil {
			h.logger.Error("a conversion that came while the journal was opening is lost", "error", err)
		}
	}()
}

// countMalformed counts what is no conversion. Only the site's own upstream is worth a warning: blocks and pixels say what
// strangers wrote.
func (h *Handler) countMalformed(source string, reason error) {
	conversions.WithLabelValues(source, outcomeMalformed).Inc()
	log := h.logger.Debug
	if source == tracker.SourceHeader {
		log = h.logger.Warn
	}
	log("a conversion is malformed and was not taken", "source", source, "reason", reason.Error())
}

// settle waits for the journal's word until the deadline and counts how it ended. Without the word the conversion may be lost,
// which the site's answer never shows: it is an error in the log.
func (h *Handler) settle(b booking, until time.Time) {
	outcome := "late" // stands if anything below panics
	defer func() { conversions.WithLabelValues(b.source, outcome).Inc() }()
	defer h.survive()
	err := b.err
	if err == nil {
		err = b.ticket.Wait(time.Until(until))
	}
	if err == nil {
		outcome = outcomeRecorded
		return
	}
	outcome = withheldReason(err)
	h.logger.Error("a conversion could not be recorded in time", "source", b.source, "type", string(b.kind), "reason", outcome)
}

// matches reports whether r is one of the requests that the matchers are for. An error of a matcher is no match: the request
// goes on as one that they are not for. Its text is not logged, since it may quote what the client sent.
func (h *Handler) matches(matchers caddyhttp.MatcherSets, r *http.Request) bool {
	match, err := matchers.AnyMatchWithError(r)
	if err != nil {
		h.logger.Error("a matcher failed", "kind", fmt.Sprintf("%T", err))
		return false
	}
	return match
}
