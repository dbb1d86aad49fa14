package affili

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var errNoLink = fails(http.StatusUnprocessableEntity, "referrer", "names no link that is live")

// setCookie makes a session for a visitor whom the merchant's own server has met. Of that server nothing is kept.
func (s *server) setCookie(ctx context.Context, c *call) (any, error) {
	c.body.only("referrer", "aff_id", "account_id")
	c.body.require("referrer")
	return s.newCookie(ctx, c.books, c.key.Network, c.body, tracker.Session{})
}

// newCookie books a session on the link that the body names, and returns the token of its visitor. session has what is known of
// the visitor.
func (s *server) newCookie(ctx context.Context, books Books, network string, b *body, session tracker.Session) (any, error) {
	link, param, err := findLink(ctx, books, network, b)
	if err != nil {
		return nil, err
	}
	if err := b.wrong.Err(); err != nil {
		return nil, err
	}
	if link == nil {
		return nil, errNoLink
	}
	window, err := s.window(ctx, books, link)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	session.ID, session.Visitor = tracker.NewSessionID(now), tracker.NewVisitorID()
	touch := tracker.Touch{Session: session.ID, Code: link.Code, Time: now}
	token, ok := s.SealToken(tracker.Token{Network: network, Visitor: session.Visitor, First: touch, Last: touch})
	if !ok {
		return nil, &errAway // the server is starting
	}
	err = addSession(ctx, books, session, link, param, now)
	if errors.Is(err, tracker.ErrNotFound) { // it was disabled just now
		err = errNoLink
	}
	if err != nil {
		return nil, err
	}
	return Cookie{Token: token, ValidDays: days(window), DeleteCookie: true}, nil
}

// addSession books the session on the link. tracker.ErrNotFound: the link is not live any more.
func addSession(
	ctx context.Context, books Books, session tracker.Session, link *tracker.CatalogLink, param string, now time.Time,
) error {
	session.Network, session.Code, session.Time = link.Network, link.Code, now
	session.Class, session.Param = tracker.ClassHuman, param
	booked := forward.Enrich(session)
	booked.LinkID = link.ID
	return books.AddSession(ctx, booked)
}

// findLink returns the live link whose code is the member aff_id, or else referrer, and which of them names it; nil where
// neither does.
func findLink(ctx context.Context, books Books, network string, b *body) (*tracker.CatalogLink, string, error) {
	for _, param := range []string{"aff_id", "referrer"} {
		code := b.text(param)
		if tracker.CheckCode(code) != nil {
			continue // no link has it
		}
		links, _, err := books.CatalogLinks(ctx, network, tracker.LinkFilter{Code: code}, tracker.Page{Limit: 1})
		if err != nil {
			return nil, "", err
		}
		if len(links) == 1 && links[0].Live {
			return &links[0], param, nil
		}
	}
	return nil, "", nil
}

// window is how long a click on the link earns.
func (s *server) window(ctx context.Context, books Books, link *tracker.CatalogLink) (time.Duration, error) {
	window := link.Window.Duration()
	if window == 0 {
		campaign, err := books.Campaign(ctx, link.Network, link.CampaignID)
		if err != nil && !errors.Is(err, tracker.ErrNotFound) {
			return 0, err
		}
		window = campaign.Window.Duration()
	}
	if window == 0 {
		window = s.Window()
	}
	if window == 0 {
		window = tracker.DefaultWindow
	}
	return min(window, tracker.MaxWindow), nil
}

// days is the window in whole days: the script counts in them.
func days(window time.Duration) int {
	const day = 24 * time.Hour
	return int((window + day - 1) / day)
}
