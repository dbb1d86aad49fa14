package affili

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// DefaultEndpoint is the platform's own.
const DefaultEndpoint = "https://core.affili.ir"

// DestinationOptions is what the destination works with.
type DestinationOptions struct {
	// Endpoint is the host of the platform's API. Default: DefaultEndpoint.
	Endpoint string
	// AccessID is the merchant's, which is sent as a bearer token.
	AccessID string
	// Currency is that of the platform's amounts. Default: DefaultCurrency. What was paid in another cannot be sent.
	Currency string
	// Links are what the platform calls our links, by our codes in lower case. Other links are the platform's where a click's URL has
	// aff_id and referrer.
	Links map[string]Partner
	// OwnIDs sends our ids of conversions as external ids, for merchants who use an external id for several conversions.
	OwnIDs bool
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Partner is what the platform calls a partner's link.
type Partner struct {
	AffID    string `json:"aff_id"`
	Referrer string `json:"referrer"`
}

// Destination tells Affili of visitors and conversions. It keeps the token that the platform gives a visitor, for their conversions,
// and the id that it gives a conversion, for its changes.
type Destination struct {
	DestinationOptions
	base *url.URL
}

// NewDestination checks the options. No error repeats the access id.
func NewDestination(o DestinationOptions) (*Destination, error) {
	base, err := forward.ParseEndpoint(cmp.Or(o.Endpoint, DefaultEndpoint))
	if err != nil {
		return nil, err
	}
	o.AccessID = strings.Trim(o.AccessID, `"`) // as the platform's pages write it
	if o.AccessID == "" || strings.ContainsFunc(o.AccessID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("access_id is not an access id of the platform")
	}
	o.Currency = cmp.Or(o.Currency, DefaultCurrency)
	if err := tracker.CheckCurrency(o.Currency); err != nil {
		return nil, fmt.Errorf("currency: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Destination{o, base}, nil
}

// Kinds implements forward.Destination.
func (*Destination) Kinds() []tracker.EventKind {
	return []tracker.EventKind{tracker.EventSession, tracker.EventConversion, tracker.EventConversionChanged}
}

// Host implements forward.Destination.
func (d *Destination) Host() string { return d.base.Host }

// Remembers implements forward.Remembering.
func (*Destination) Remembers() {}

// Send implements forward.Destination. A test event looks for a conversion that is not there.
func (d *Destination) Send(ctx context.Context, client *forward.Client, e tracker.Event) (forward.Answer, error) {
	s := &sending{Destination: d, client: client}
	var ref string
	var err error
	switch {
	case e.Kind == tracker.EventTest:
		_, err = s.find(ctx, e.ID)
	case e.Kind == tracker.EventSession && e.Session != nil:
		ref, err = s.setCookie(ctx, &e)
	case e.Conversion == nil || e.Conversion.Status == tracker.StatusDuplicated: // the first of that id is what counts
		err = forward.ErrSkip
	case e.Kind == tracker.EventConversion:
		ref, err = s.create(ctx, &e)
	default:
		ref, err = s.update(ctx, &e)
	}
	if err == nil && len(ref) <= tracker.MaxRef {
		s.answer.Ref = ref
	}
	return s.answer, err
}

// partner is what the platform calls the event's link. ErrSkip: it is none of the platform's.
func (d *Destination) partner(e *tracker.Event) (Partner, error) {
	code := ""
	if e.Link != nil {
		code = e.Link.Code
	} else if e.Session != nil {
		code = e.Session.Code
	}
	if p, ok := d.Links[strings.ToLower(code)]; ok {
		return p, nil
	}
	if e.Session != nil {
		query, _ := url.ParseQuery(e.Session.Query) // what can be read of it
		if p := (Partner{query.Get("aff_id"), query.Get("referrer")}); p.AffID != "" && p.Referrer != "" {
			return p, nil
		}
	}
	return Partner{}, forward.ErrSkip
}

// setCookie tells the platform of a visitor and returns the token that it gives them.
func (s *sending) setCookie(ctx context.Context, e *tracker.Event) (string, error) {
	if e.Ref != "" {
		return "", forward.ErrSkip
	}
	p, err := s.partner(e)
	if err != nil {
		return "", err
	}
	var cookie struct{ Token text }
	err = s.ask(ctx, http.MethodPost, "set-cookie", p, &cookie)
	if s.answer.Status >= 200 && s.answer.Status <= 299 {
		s.summarize(tagSetCookie, nil) // the token is the visitor's
	}
	if err != nil {
		return "", err
	}
	if cookie.Token == "false" {
		return "", nil
	}
	return string(cookie.Token), nil
}
