package caddymodule

import (
	"io"
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// defaultSessions is how many sessions are listed where nothing is said.
const defaultSessions = 20

// sessionJSON is a session as the admin API shows it. Text that visitors sent is as it was captured.
type sessionJSON struct {
	ID        string            `json:"id"`
	Network   string            `json:"network"`
	LinkID    int64             `json:"link_id"`
	Code      string            `json:"code"`
	Affiliate string            `json:"affiliate"`
	VisitorID string            `json:"visitor_id"` // empty without consent
	Time      string            `json:"time"`       // RFC 3339 with milliseconds, UTC
	IP        string            `json:"ip"`
	UserAgent string            `json:"user_agent"`
	Browser   string            `json:"browser"`
	OS        string            `json:"os"`
	Device    string            `json:"device"`
	Query     string            `json:"query"`
	SubIDs    map[string]string `json:"sub_ids"`
	ClickIDs  map[string]string `json:"click_ids"`
	Host      string            `json:"host"`
	Route     string            `json:"route"`
	Referrer  string            `json:"referrer"`
	Param     string            `json:"param"`
	Class     tracker.Class     `json:"class"`
}

func showSession(s ledger.Session) sessionJSON {
	shown := sessionJSON{
		ID: s.ID.String(), Network: s.Network, LinkID: s.LinkID, Code: s.Code, Affiliate: s.Affiliate,
		Time: timeText(s.Time), IP: s.IP, UserAgent: s.UserAgent, Browser: s.Browser,
		OS: s.OS, Device: s.Device, Query: s.Query, SubIDs: s.SubIDs, ClickIDs: s.ClickIDs, Host: s.Host, Route: s.Route,
		Referrer: s.Referrer, Param: s.Param, Class: s.Class,
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

func serveSessions(live *liveEngine, w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	limit := defaultSessions
	if asked := query.Get("limit"); asked != "" {
		var err error
		if limit, err = strconv.Atoi(asked); err != nil || limit < 0 {
			return badRequest("limit is a number from 0 (all), not %q", asked)
		}
	}
	books, err := live.Ledger()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	rows := 0
	err = books.Sessions(r.Context(), query.Get("network"), limit, func(s ledger.Session) error {
		between := ","
		if rows == 0 {
			between = "["
		}
		rows++
		if _, err := io.WriteString(w, between); err != nil {
			return err
		}
		return writeRow(w, showSession(s))
	})
	switch {
	case err != nil && rows > 0:
		abort(r, err)
	case err != nil:
		return err
	case rows == 0:
		_, err = io.WriteString(w, "[]\n")
	default:
		_, err = io.WriteString(w, "]\n")
	}
	return err
}

// abort breaks the connection off: once the status is sent, that is the one sign left that a list is not whole.
func abort(r *http.Request, err error) {
	if r.Context().Err() == nil {
		caddy.Log().Named("affiliate").Error("listing sessions", zap.Error(err))
	}
	panic(http.ErrAbortHandler)
}
