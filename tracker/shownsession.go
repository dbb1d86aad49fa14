package tracker

import "time"

// ShownSession is a session as everybody sees it: programs, operators, and the destinations that are told of it. Text that
// visitors sent is as it was captured.
type ShownSession struct {
	ID            string            `json:"id" doc:"UUIDv7"`
	Network       string            `json:"network"`
	LinkID        int64             `json:"link_id"`
	Code          string            `json:"code"`
	Affiliate     string            `json:"affiliate"`
	VisitorID     string            `json:"visitor_id" doc:"empty without consent"`
	Time          time.Time         `json:"time"`
	IP            string            `json:"ip"`
	UserAgent     string            `json:"user_agent"`
	Browser       string            `json:"browser"`
	OS            string            `json:"os"`
	Device        string            `json:"device"`
	Query         string            `json:"query"`
	SubIDs        map[string]string `json:"sub_ids" doc:"sub1 to sub5"`
	ClickIDs      map[string]string `json:"click_ids" doc:"the advertising networks' own, under their names"`
	Host          string            `json:"host"`
	Route         string            `json:"route"`
	Referrer      string            `json:"referrer"`
	Param         string            `json:"param" doc:"what named the code: a parameter, path or subdomain"`
	Class         Class             `json:"class"`
	Reconstructed bool              `json:"reconstructed" doc:"rebuilt from a visitor's token, since its record was gone"`
	NoShare       bool              `json:"no_share" doc:"the visitor does not want it to be shared: it is forwarded to no platform"`
	QueryParams   string            `json:"query_params,omitempty" doc:"of a session made by Kraken's API: its queryParams, as JSON"`
	QuoteShareID  string            `json:"quote_share_id,omitempty" doc:"likewise: the quote share that led to it"`
}

// ShowSession returns how a session is shown.
func ShowSession(s BookedSession) ShownSession {
	shown := ShownSession{
		ID: s.ID.String(), Network: s.Network, LinkID: s.LinkID, Code: s.Code, Affiliate: s.Affiliate, Time: s.Time.UTC(),
		IP: s.IP, UserAgent: s.UserAgent, Browser: s.Browser, OS: s.OS, Device: s.Device, Query: s.Query, SubIDs: s.SubIDs,
		ClickIDs: s.ClickIDs, Host: s.Host, Route: s.Route, Referrer: s.Referrer, Param: s.Param, Class: s.Class,
		Reconstructed: s.Reconstructed, NoShare: s.NoShare, QueryParams: s.QueryParams, QuoteShareID: s.QuoteShareID,
	}
	if !s.Visitor.IsZero() {
		shown.VisitorID = s.Visitor.String()
	}
	if shown.SubIDs == nil {
		shown.SubIDs = map[string]string{}
	}
	if shown.ClickIDs == nil {
		shown.ClickIDs = map[string]string{}
	}
	return shown
}
