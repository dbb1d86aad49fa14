package kraken

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// sessionInput is Kraken's CreateAffiliateSessionInputType.
type sessionInput struct {
	LinkID       id
	IPAddress    *text
	UserAgent    *text
	QueryParams  *jsonString
	QuoteShareID *id
}

// sessionPayload is Kraken's CreateAffiliateSession.
type sessionPayload struct{ session *sessionNode }

// AffiliateSession is the field affiliateSession.
func (p *sessionPayload) AffiliateSession() *sessionNode { return p.session }

// CreateAffiliateSession answers createAffiliateSession: it books a session like one from the edge.
func (root) CreateAffiliateSession(ctx context.Context, args struct{ Input sessionInput }) (*sessionPayload, error) {
	c, err := callOf(ctx).change(ctx, "createAffiliateSession", "sessions:write")
	if err != nil {
		return nil, err
	}
	in := &args.Input
	link, err := c.liveLink(ctx, in.LinkID)
	if err != nil {
		return nil, err
	}
	captured, err := c.capture(in)
	if err != nil {
		return nil, err
	}
	captured.Code = link.Code
	booked := forward.Enrich(captured)
	booked.LinkID, booked.QueryParams = link.ID, "{}"
	if in.QueryParams != nil {
		booked.QueryParams = in.QueryParams.text
	}
	if in.QuoteShareID != nil {
		booked.QuoteShareID = string(*in.QuoteShareID)
	}
	err = c.books.AddSession(ctx, booked)
	if errors.Is(err, tracker.ErrNotFound) { // it was live a moment ago
		return nil, c.server.unknownLink.of("linkId", noSuchLink)
	}
	if err != nil {
		return nil, faultOf(err)
	}
	return &sessionPayload{&sessionNode{c, booked, &linkNode{c, link}}}, nil
}

const noSuchLink = "There is no such affiliate link, or it is disabled."

// liveLink returns the link of that number, on which sessions may be made.
func (c *caller) liveLink(ctx context.Context, number id) (tracker.CatalogLink, error) {
	link, err := c.books.CatalogLink(ctx, c.key.Network, number.number())
	if err != nil && !errors.Is(err, tracker.ErrNotFound) {
		return link, faultOf(err)
	}
	if err == nil && expired(&link, c.server.Now()) {
		return link, codeLinkExpired.fault()
	}
	if err != nil || !link.Live {
		return link, c.server.unknownLink.of("linkId", noSuchLink)
	}
	return link, nil
}

// maxQuoteShare is the most characters of the id of a quote share.
const maxQuoteShare = 255

// capture makes a session of what is given, with its bytes as harmless as those that an edge captures.
func (c *caller) capture(in *sessionInput) (tracker.Session, error) {
	now := c.server.Now()
	s := tracker.Session{
		ID: tracker.NewSessionID(now), Network: c.key.Network, Time: now, Class: tracker.ClassHuman, Param: "kraken",
	}
	if given := strings.TrimSpace(in.IPAddress.or("")); given != "" {
		address, err := netip.ParseAddr(given)
		if err != nil || address.Zone() != "" {
			return s, codeSubdomain.of("ipAddress", "is not an IP address")
		}
		s.IP = address.String()
	} else if in.IPAddress != nil && c.server.Strict {
		return s, codeSubdomain.of("ipAddress", "is not an IP address")
	}
	if in.QuoteShareID != nil && !isLine(string(*in.QuoteShareID), maxQuoteShare) {
		return s, codeSubdomain.of("quoteShareId", "has more than 255 characters, or a control character")
	}
	s.UserAgent, _ = tracker.CaptureUserAgent(in.UserAgent.or(""))
	s.IP, s.UserAgent = c.server.Kept(s.Network, s.IP, s.UserAgent, now)
	if in.QueryParams != nil {
		s.Route, s.Query = captureParams(in.QueryParams.text)
	}
	return s, nil
}

// isLine reports whether s is text of at most max characters without control characters.
func isLine(s string, max int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= max && !strings.ContainsFunc(s, unicode.IsControl)
}

// sessionNode is Kraken's AffiliateSessionType.
type sessionNode struct {
	*caller
	session tracker.BookedSession
	link    *linkNode
}

// ID is the field id.
func (n *sessionNode) ID() id { return id(n.session.ID.String()) }

// IPAddress is the field ipAddress.
func (n *sessionNode) IPAddress() *string {
	if n.session.IP == "" {
		return nil
	}
	return &n.session.IP
}

// UserAgent is the field userAgent.
func (n *sessionNode) UserAgent() string { return n.session.UserAgent }

// QueryParams is the field queryParams.
func (n *sessionNode) QueryParams() jsonString {
	return jsonString{n.session.QueryParams, n.server.objects}
}

// Link is the field link.
func (n *sessionNode) Link() *linkNode { return n.link }
