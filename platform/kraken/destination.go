package kraken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// ConversionRule says which conversions are sent.
type ConversionRule string

// The rules for conversions.
const (
	ConversionsNone     ConversionRule = ""         // the default: only sessions are sent
	ConversionsReported ConversionRule = "reported" // each when it is reported
	ConversionsApproved ConversionRule = "approved" // each when it is approved
)

// DoubtRule says what becomes of an event when nobody knows whether Kraken has taken it.
type DoubtRule string

// The rules for doubt.
const (
	DoubtRetry DoubtRule = "retry" // the default: it is sent again, so that none is lost; some may be there twice
	DoubtHold  DoubtRule = "hold"  // its delivery is dead until somebody retries it by hand, so that none is there twice
)

// DefaultEvent is the event that Kraken's own pages name.
const DefaultEvent = "VIEWED_AFFILIATE"

// DestinationOptions is what the destination works with.
type DestinationOptions struct {
	// Endpoint is the API's URL, such as https://api.oeus-kraken.energy/v1/graphql/. Without a path it is the host's Path.
	Endpoint string
	// OrganizationSecretKey or APIKey is what tokens are obtained with; one of them.
	OrganizationSecretKey, APIKey string
	// Scheme stands before the token in the header Authorization: JWT, Bearer, or none. Default: JWT.
	Scheme string
	// Links are Kraken's ids of links by our codes in lower case. Others are looked up by their subdomains.
	Links map[string]string
	// Event is the event of a session, ConversionEvent that of a conversion. Default: DefaultEvent.
	Event, ConversionEvent string
	Conversions            ConversionRule
	InDoubt                DoubtRule
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// The schemes of the header Authorization.
const (
	SchemeJWT    = "JWT"
	SchemeBearer = "Bearer"
	SchemeNone   = "none"
)

// Destination makes affiliate sessions at Kraken. There is no key in Kraken's mutation by which a repeat could be known, so it keeps
// the id that Kraken gave a session and sends none twice that has one.
type Destination struct {
	DestinationOptions
	host   string
	tokens tokenKeeper
	links  linkFinder
}

// NewDestination checks the options. No error repeats a key.
func NewDestination(o DestinationOptions) (*Destination, error) {
	u, err := forward.ParseEndpoint(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if (o.OrganizationSecretKey == "") == (o.APIKey == "") {
		return nil, errors.New("one of organization_secret_key and api_key is needed, and not both")
	}
	orDefault(&o.Scheme, SchemeJWT)
	orDefault(&o.Event, DefaultEvent)
	orDefault(&o.ConversionEvent, DefaultEvent)
	orDefault(&o.InDoubt, DoubtRetry)
	if !slices.Contains([]string{SchemeJWT, SchemeBearer, SchemeNone}, o.Scheme) {
		return nil, fmt.Errorf("scheme is %s, %s or %s", SchemeJWT, SchemeBearer, SchemeNone)
	}
	if !slices.Contains([]ConversionRule{ConversionsNone, ConversionsReported, ConversionsApproved}, o.Conversions) {
		return nil, fmt.Errorf("conversions is %s or %s", ConversionsReported, ConversionsApproved)
	}
	if o.InDoubt != DoubtRetry && o.InDoubt != DoubtHold {
		return nil, fmt.Errorf("in_doubt is %s or %s", DoubtRetry, DoubtHold)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if u.Path += "/"; u.Path == "/" {
		u.Path = Path
	}
	o.Endpoint = u.String()
	return &Destination{DestinationOptions: o, host: u.Host, tokens: newTokens(), links: newLinks()}, nil
}

func orDefault[T ~string](to *T, value T) {
	if *to == "" {
		*to = value
	}
}

// Kinds implements forward.Destination.
func (d *Destination) Kinds() []tracker.EventKind {
	switch d.Conversions {
	case ConversionsReported:
		return []tracker.EventKind{tracker.EventSession, tracker.EventConversion}
	case ConversionsApproved:
		return []tracker.EventKind{tracker.EventSession, tracker.EventConversion, tracker.EventConversionChanged}
	}
	return []tracker.EventKind{tracker.EventSession}
}

// Host implements forward.Destination.
func (d *Destination) Host() string { return d.host }

// Remembers implements forward.Remembering: the id of a session at Kraken says that it is there.
func (d *Destination) Remembers() {}

const makeSession = `mutation createAffiliateSession($input: CreateAffiliateSessionInputType!) {
  createAffiliateSession(input: $input) { affiliateSession { id } }
}`

// Send implements forward.Destination. A test event obtains a new token and makes no session.
func (d *Destination) Send(ctx context.Context, client *forward.Client, e tracker.Event) (forward.Answer, error) {
	s := &sending{Destination: d, client: client}
	if e.Kind == tracker.EventTest {
		_, err := d.tokens.renew(ctx, s)
		return s.answer, err
	}
	if e.Ref != "" || !d.wants(&e) || wasForwarded(e.Session) {
		return forward.Answer{}, forward.ErrSkip
	}
	if e.InDoubt && d.InDoubt == DoubtHold {
		return forward.Answer{}, forward.Permanent(errHeld)
	}
	link, err := d.linkID(ctx, s, &e)
	if err != nil {
		return s.answer, err
	}
	data, err := s.call(ctx, makeSession, map[string]any{"input": d.input(&e, link)})
	if id := sessionID(data); id != "" {
		s.answer.Ref = id
		return s.answer, nil
	}
	if err == nil {
		err = errors.New("the answer has neither a session nor an error")
	}
	if blames(err, "linkId") {
		d.links.forget(linkName(&e))
	}
	if s.doubtful(err) && d.InDoubt == DoubtHold {
		err = forward.Permanent(fmt.Errorf("%w: %w", errHeld, err))
	}
	return s.answer, err
}

// errHeld is the error of a delivery that is held.
var errHeld = errors.New("it may be at Kraken; retry it by hand once you know that it did not")

// wants reports whether Kraken is to be told of the event.
func (d *Destination) wants(e *tracker.Event) bool {
	if e.Kind == tracker.EventSession {
		return e.Session != nil && (e.Link != nil || e.Session.Code != "")
	}
	c := e.Conversion
	if c == nil || e.Link == nil || c.Status == tracker.StatusDuplicated || c.Status == tracker.StatusRejected {
		return false
	}
	return d.Conversions == ConversionsReported && e.Kind == tracker.EventConversion ||
		d.Conversions == ConversionsApproved && c.Status == tracker.StatusApproved && approves(c, e.N)
}

// approves reports whether it is the entry n of the history that has approved the conversion. One of its events says so, however
// late they are sent.
func approves(c *tracker.Conversion, n int) bool {
	var before tracker.ConversionStatus
	for _, entry := range c.History {
		if entry.N == n {
			return entry.Status == tracker.StatusApproved && before != tracker.StatusApproved
		}
		before = entry.Status
	}
	return false
}
