package kraken

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// NewSession is Kraken's CreateAffiliateSessionInputType as we send it.
type NewSession struct {
	LinkID       string `json:"linkId"`
	IPAddress    string `json:"ipAddress,omitempty"`
	UserAgent    string `json:"userAgent,omitempty"`
	QueryParams  string `json:"queryParams"` // QueryParams as JSON, in a string
	QuoteShareID string `json:"quoteShareId,omitempty"`
}

// QueryParams is what Kraken's own front end says of a session. Kraken has no schema for it.
type QueryParams struct {
	AdditionalQueryParams map[string]string `json:"additionalQueryParams"` // the parameters of the click's URL, each once
	Event                 string            `json:"event"`
	EventCreated          string            `json:"eventCreated"` // ISO 8601 in UTC, with milliseconds
	EventInformation      EventInformation  `json:"eventInformation"`
	Route                 string            `json:"route"`
	SessionID             string            `json:"sessionId"` // ours: the same for a visitor's session and the conversions of it
	SuccessfulConversion  bool              `json:"successfulConversion"`
}

// EventInformation is what we add of our own. The members of the conversion are there for one only.
type EventInformation struct {
	Forwarder      string                 `json:"forwarder"` // by which another of us knows that the session was forwarded to it
	Network        string                 `json:"network"`
	Code           string                 `json:"code,omitempty"` // of the link
	Affiliate      string                 `json:"affiliate,omitempty"`
	Class          tracker.Class          `json:"class,omitempty"`
	ConversionID   string                 `json:"conversionId,omitempty"`
	ConversionType tracker.ConversionType `json:"conversionType,omitempty"`
	ExternalID     string                 `json:"externalId,omitempty"`
	Amount         string                 `json:"amount,omitempty"` // in the currency's major unit
	Currency       string                 `json:"currency,omitempty"`
}

// milliseconds is how Kraken writes a time.
const milliseconds = "2006-01-02T15:04:05.000Z"

// forwarder is our name in what we forward.
const forwarder = "caddy-affiliate"

// wasForwarded reports whether another of us has made the session here. Two that forward to each other would make one of the
// other's for ever.
func wasForwarded(s *tracker.BookedSession) bool {
	var params QueryParams
	return s != nil && json.Unmarshal([]byte(s.QueryParams), &params) == nil && params.EventInformation.Forwarder == forwarder
}

// input maps the event.
func (d *Destination) input(e *tracker.Event, link string) NewSession {
	in := NewSession{LinkID: link}
	params := QueryParams{Event: d.Event, AdditionalQueryParams: map[string]string{}, EventInformation: EventInformation{Forwarder: forwarder, Network: e.Network}}
	if e.Link != nil {
		params.EventInformation.Code, params.EventInformation.Affiliate = e.Link.Code, e.Link.Affiliate
	}
	if s := e.Session; s != nil {
		in.IPAddress, in.UserAgent, in.QuoteShareID = address(s.IP), s.UserAgent, s.QuoteShareID
		params.addSession(s)
	}
	if c := e.Conversion; c != nil {
		params.Event = d.ConversionEvent
		params.addConversion(c)
	} else if own := e.Session.QueryParams; own != "" && own != "{}" {
		in.QueryParams = own // a client of Kraken's made the session here, and has said all of it
		return in
	}
	text, _ := json.Marshal(params) // strings and a truth are always JSON
	in.QueryParams = string(text)
	return in
}

func (p *QueryParams) addSession(s *tracker.BookedSession) {
	p.EventCreated, p.Route, p.SessionID = s.Time.UTC().Format(milliseconds), s.Route, s.ID.String()
	p.EventInformation.Class = s.Class
	if s.Code != "" {
		p.EventInformation.Code = s.Code
	}
	for pair := range strings.SplitSeq(s.Query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if _, there := p.AdditionalQueryParams[unescaped(name)]; !there && pair != "" {
			p.AdditionalQueryParams[unescaped(name)] = unescaped(value)
		}
	}
}

// addConversion says what was sold. The time is that of the conversion, the session that which led to it.
func (p *QueryParams) addConversion(c *tracker.Conversion) {
	p.EventCreated, p.SessionID, p.SuccessfulConversion = c.OccurredAt.UTC().Format(milliseconds), c.SessionID, true
	info := &p.EventInformation
	info.ConversionID, info.ConversionType, info.ExternalID = c.ID, c.Type, c.ExternalID
	info.Amount, info.Currency = tracker.FormatAmount(c.Amount, c.Currency), c.Currency
}

// unescaped is a part of a query without its escapes, or as it is where they are none.
func unescaped(s string) string {
	text, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// address is an IP address, or nothing where a pseudonym stands in its place.
func address(ip string) string {
	if _, err := netip.ParseAddr(ip); err != nil {
		return ""
	}
	return ip
}
