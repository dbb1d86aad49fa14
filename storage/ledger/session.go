package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Session is a session as the ledger keeps it. Apply sets its LinkID, Origin and Seq, and ignores its Affiliate.
type Session = tracker.BookedSession

// sessionRows lays the sessions of records out by column.
func sessionRows(origin string, records []Record) Rows {
	n := len(records)
	var columns []Column
	text := func(name string) []string {
		values := make([]string, n)
		columns = append(columns, Column{Name: name, Text: values})
		return values
	}
	number := func(name string) []int64 {
		values := make([]int64, n)
		columns = append(columns, Column{Name: name, Int: values})
		return values
	}
	id, network, link, code := text("id"), text("network"), number("link_id"), text("code")
	class, time, visitor, ip := text("class"), number("time"), text("visitor_id"), text("ip")
	userAgent, browser, os, device := text("user_agent"), text("browser"), text("os"), text("device")
	host, route, query, referrer := text("host"), text("route"), text("query"), text("referrer")
	param, subIDs, clickIDs := text("param"), text("sub_ids"), text("click_ids")
	from, seq := text("origin"), number("seq")
	truth := func(name string) []bool {
		values := make([]bool, n)
		columns = append(columns, Column{Name: name, Truth: values})
		return values
	}
	reconstructed, noShare := truth("reconstructed"), truth("no_share")
	for i, r := range records {
		s := r.Session
		s.Origin, s.Seq = origin, r.Seq
		id[i], network[i], link[i], code[i] = s.ID.String(), s.Network, s.LinkID, s.Code
		class[i], time[i], ip[i] = string(s.Class), millis(s.Time), s.IP
		if !s.Visitor.IsZero() {
			visitor[i] = s.Visitor.String()
		}
		userAgent[i], browser[i], os[i], device[i] = s.UserAgent, s.Browser, s.OS, s.Device
		host[i], route[i], query[i], referrer[i] = s.Host, s.Route, s.Query, s.Referrer
		param[i], subIDs[i], clickIDs[i] = s.Param, object(s.SubIDs), object(s.ClickIDs)
		from[i], seq[i] = s.Origin, int64(s.Seq)
		reconstructed[i], noShare[i] = s.Reconstructed, s.NoShare
	}
	return Rows{Table: "session", Key: "id", Columns: columns, Len: n}
}

// replacing has sessions that were rebuilt from a token give way to the true ones.
func replacing(rows Rows) Rows {
	set := make([]string, len(rows.Columns))
	for i, c := range rows.Columns {
		set[i] = c.Name + " = excluded." + c.Name
	}
	rows.Conflict = "UPDATE SET " + strings.Join(set, ", ") + " WHERE session.reconstructed"
	return rows
}

// object is the JSON text of a map.
func object(m map[string]string) string {
	if len(m) == 0 {
		return "{}"
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // a map of strings always has a JSON form
	}
	return string(text)
}

// sessionPage is how many sessions are read at a time. Between pages no connection and no snapshot is held, so a slow
// reader of all of them keeps nobody waiting.
const sessionPage = 500

const selectSessions = `SELECT s.id, s.network, s.link_id, s.code, a.name, s.class, s.time, s.visitor_id, s.ip, s.user_agent,
	s.browser, s.os, s.device, s.host, s.route, s.query, s.referrer, s.param, s.sub_ids, s.click_ids, s.origin, s.seq,
	s.reconstructed, s.no_share, s.query_params, s.quote_share_id
	FROM session s JOIN link l ON l.id = s.link_id JOIN affiliate a ON a.id = l.affiliate_id`

const newestFirst = ` ORDER BY s.time DESC, s.id DESC LIMIT `

// Sessions calls yield with each session of the network, or of all networks when it is empty, newest first, and at most
// limit of them; 0 means all. Sessions that arrive while it runs are not among them. It ends early, with yield's error, when
// yield fails.
func (l *Ledger) Sessions(ctx context.Context, network string, limit int, yield func(Session) error) error {
	var last *Session
	for left := limit; limit == 0 || left > 0; left -= sessionPage {
		want := sessionPage
		if limit > 0 {
			want = min(want, left)
		}
		page, err := l.sessionsAfter(ctx, network, last, want)
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := yield(s); err != nil {
				return err
			}
		}
		if len(page) < want {
			return nil
		}
		last = &page[len(page)-1]
	}
	return nil
}

// sessionsAfter reads the page that follows last, or the first one.
func (l *Ledger) sessionsAfter(ctx context.Context, network string, last *Session, want int) ([]Session, error) {
	s := &selection{text: ` WHERE true`}
	andIf(s, `s.network = ?`, network)
	if last != nil {
		s.text += ` AND (s.time, s.id) < (` + s.bind(millis(last.Time)) + `, ` + s.bind(last.ID.String()) + `)`
	}
	return l.readSessions(ctx, s.text+newestFirst+s.bind(want), s.args)
}

func (l *Ledger) readSessions(ctx context.Context, where string, args []any) ([]Session, error) {
	return read(ctx, l, "sessions", scanSession, selectSessions+where, args...)
}

func scanSession(rows *sql.Rows) (Session, error) {
	var s Session
	var id, visitor, subIDs, clickIDs string
	var ms int64
	err := rows.Scan(&id, &s.Network, &s.LinkID, &s.Code, &s.Affiliate, &s.Class, &ms, &visitor, &s.IP, &s.UserAgent,
		&s.Browser, &s.OS, &s.Device, &s.Host, &s.Route, &s.Query, &s.Referrer, &s.Param, &subIDs, &clickIDs, &s.Origin, &s.Seq,
		&s.Reconstructed, &s.NoShare, &s.QueryParams, &s.QuoteShareID)
	if err != nil {
		return Session{}, err
	}
	if s.ID, err = tracker.ParseSessionID(id); err != nil {
		return Session{}, fmt.Errorf("session %q: %w", id, err)
	}
	if visitor != "" {
		if s.Visitor, err = tracker.ParseVisitorID(visitor); err != nil {
			return Session{}, fmt.Errorf("session %s: visitor: %w", id, err)
		}
	}
	s.Time = fromMillis(ms)
	if s.SubIDs, err = parseObject(subIDs); err != nil {
		return Session{}, fmt.Errorf("session %s: sub-ids: %w", id, err)
	}
	if s.ClickIDs, err = parseObject(clickIDs); err != nil {
		return Session{}, fmt.Errorf("session %s: click ids: %w", id, err)
	}
	return s, nil
}

func parseObject(text string) (map[string]string, error) {
	if text == "{}" {
		return nil, nil
	}
	var m map[string]string
	err := json.Unmarshal([]byte(text), &m)
	return m, err
}
