package api

import (
	"context"
	"net/http"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) sessions() {
	register(a, operation{
		id: "list-sessions", method: http.MethodGet, path: "sessions", scope: "sessions:read",
		summary: "List sessions", about: "The newest first. At most one of sub1 to sub5 can be asked for.", answer: List[Session]{}, csv: true,
	}, a.listSessions)
	register(a, operation{
		id: "get-session", method: http.MethodGet, path: "sessions/{id}", scope: "sessions:read",
		summary: "Read a session", answer: Session{},
	}, a.getSession)
}

// Session is a session as the API, the admin endpoint and the command line show it.
type Session = tracker.ShownSession

type sessionList struct {
	Paging
	Class         tracker.Class `query:"class"`
	Code          string        `query:"code" doc:"without case"`
	LinkID        int64         `query:"link_id" minimum:"1"`
	AffiliateID   int64         `query:"affiliate_id" minimum:"1"`
	VisitorID     string        `query:"visitor_id"`
	MinTime       time.Time     `query:"min_time" doc:"inclusive"`
	MaxTime       time.Time     `query:"max_time" doc:"inclusive"`
	Sub1          string        `query:"sub1"`
	Sub2          string        `query:"sub2"`
	Sub3          string        `query:"sub3"`
	Sub4          string        `query:"sub4"`
	Sub5          string        `query:"sub5"`
	Reconstructed given[bool]   `query:"reconstructed"`
}

func (in *sessionList) filter() (tracker.SessionFilter, error) {
	var ids wantedIDs
	f := tracker.SessionFilter{
		Visitor: ids.visitor("visitor_id", in.VisitorID),
		Class:   in.Class, Code: in.Code, LinkID: in.LinkID, AffiliateID: in.AffiliateID, MinTime: in.MinTime, MaxTime: in.MaxTime,
		Reconstructed: in.Reconstructed.pointer(),
	}
	for name, value := range map[string]string{"sub1": in.Sub1, "sub2": in.Sub2, "sub3": in.Sub3, "sub4": in.Sub4, "sub5": in.Sub5} {
		if value == "" {
			continue
		}
		if f.SubIDName != "" {
			ids.wrong.Add("sub1", "only one of sub1 to sub5 can be asked for")
		}
		f.SubIDName, f.SubIDValue = name, value
	}
	return f, ids.wrong.Err()
}

func (a *API) listSessions(ctx context.Context, c *call, in *sessionList) (answer, error) {
	filter, err := in.filter()
	if err != nil {
		return nil, err
	}
	rows, next, err := c.books.FindSessions(ctx, c.network, filter, in.page())
	if err != nil {
		return nil, err
	}
	shown := make([]Session, len(rows))
	for i, s := range rows {
		shown[i] = tracker.ShowSession(s)
	}
	return listing(shown, next, sessionColumns), nil
}

var sessionColumns = []column[Session]{
	{"id", func(s *Session) any { return s.ID }},
	{"time", func(s *Session) any { return s.Time }},
	{"class", func(s *Session) any { return string(s.Class) }},
	{"link_id", func(s *Session) any { return number(s.LinkID) }},
	{"code", func(s *Session) any { return s.Code }},
	{"affiliate", func(s *Session) any { return s.Affiliate }},
	{"visitor_id", func(s *Session) any { return s.VisitorID }},
	{"ip", func(s *Session) any { return s.IP }},
	{"user_agent", func(s *Session) any { return s.UserAgent }},
	{"browser", func(s *Session) any { return s.Browser }},
	{"os", func(s *Session) any { return s.OS }},
	{"device", func(s *Session) any { return s.Device }},
	{"host", func(s *Session) any { return s.Host }},
	{"route", func(s *Session) any { return s.Route }},
	{"query", func(s *Session) any { return s.Query }},
	{"referrer", func(s *Session) any { return s.Referrer }},
	{"param", func(s *Session) any { return s.Param }},
	{"sub1", func(s *Session) any { return s.SubIDs["sub1"] }},
	{"sub2", func(s *Session) any { return s.SubIDs["sub2"] }},
	{"sub3", func(s *Session) any { return s.SubIDs["sub3"] }},
	{"sub4", func(s *Session) any { return s.SubIDs["sub4"] }},
	{"sub5", func(s *Session) any { return s.SubIDs["sub5"] }},
	{"reconstructed", func(s *Session) any { return s.Reconstructed }},
	{"no_share", func(s *Session) any { return s.NoShare }},
}

func (a *API) getSession(ctx context.Context, c *call, in *byID) (answer, error) {
	id, err := tracker.ParseSessionID(in.ID)
	if err != nil {
		return nil, tracker.ErrNotFound
	}
	s, err := c.books.FindSession(ctx, c.network, id)
	return found(tracker.ShowSession(s), err)
}
