package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// FindSession returns a session. ErrNotFound: the network has none of that id.
func (l *Ledger) FindSession(ctx context.Context, network string, id tracker.SessionID) (tracker.BookedSession, error) {
	s, err := only(l.findSession(ctx, network, id))
	if err != nil {
		return tracker.BookedSession{}, fmt.Errorf("reading a session: %w", err)
	}
	return s, nil
}

func (l *Ledger) findSession(ctx context.Context, network string, id tracker.SessionID) ([]Session, error) {
	return l.readSessions(ctx, ` WHERE s.network = $1 AND s.id = $2`, []any{network, id.String()})
}

// The bounds of a search for sessions.
const (
	searchStep  = 500   // sessions that are read at a time, while what is sought is rare
	searchMost  = 5_000 // sessions that one page looks at
	searchLinks = 100   // links whose sessions are looked up link by link
)

// FindSessions returns a page of the network's sessions, newest first, and the cursor of the next page. Visitor, link, code,
// affiliate and time are looked up in an index, and so is one of: a class other than human, reconstructed. For the rest of the
// filter at most 5,000 sessions are looked at: so a page may be shorter than its limit, even empty, and yet have a next one.
// tracker.ErrCursor: p.After is none of ours.
func (l *Ledger) FindSessions(
	ctx context.Context, network string, f tracker.SessionFilter, p tracker.Page,
) (page []tracker.BookedSession, next string, err error) {
	q := sessionSearch{ledger: l, network: network, filter: f}
	if err := q.plan(ctx); err != nil {
		return nil, "", err
	}
	size := p.Size()
	step := size + 1
	for left := searchMost; left > 0 && len(q.ranges) > 0; left -= step * len(q.ranges) {
		rows, err := q.read(ctx, p, step)
		if err != nil {
			return nil, "", err
		}
		for _, s := range rows {
			if q.matches(&s) {
				page = append(page, s)
			}
		}
		if len(page) > size {
			return page[:size], placeOf(&page[size-1]), nil
		}
		if len(rows) < step {
			return page, "", nil
		}
		p.After = placeOf(&rows[len(rows)-1])
		step = max(step, searchStep/len(q.ranges))
	}
	return page, p.After, nil
}

// placeOf is the cursor after the session.
func placeOf(s *Session) string { return tracker.EncodeCursor(millis(s.Time), s.ID.String()) }

// sessionSearch is a filter with the ranges of indexes in which what it selects lies.
type sessionSearch struct {
	ledger  *Ledger
	network string
	filter  tracker.SessionFilter

	links  map[int64]bool // nil: all
	ranges []sessionRange // their sessions together are a superset, without doubles
}

// sessionRange is the condition of a range of an index, with the values that its question marks stand for.
type sessionRange struct {
	condition string
	values    []any
}

// plan chooses the ranges, the shortest first.
func (q *sessionSearch) plan(ctx context.Context) error {
	if err := q.findLinks(ctx); err != nil {
		return err
	}
	f := q.filter
	switch {
	case !f.Visitor.IsZero():
		q.add(`visitor_id = ? AND visitor_id <> '' AND network = ?`, f.Visitor.String(), q.network)
	case q.links != nil && len(q.links) <= searchLinks:
		for id := range q.links {
			q.add(`link_id = ?`, id)
		}
	case f.Reconstructed != nil && *f.Reconstructed:
		q.add(`reconstructed AND network = ?`, q.network)
	case f.Class != "" && f.Class != tracker.ClassHuman:
		q.add(`class <> 'human' AND network = ? AND class = ?`, q.network, string(f.Class))
	default:
		q.add(`network = ?`, q.network)
	}
	return nil
}

func (q *sessionSearch) add(condition string, values ...any) {
	q.ranges = append(q.ranges, sessionRange{condition, values})
}

// findLinks finds the links that the filter names in one way or another.
func (q *sessionSearch) findLinks(ctx context.Context) error {
	f := q.filter
	if f.LinkID == 0 && f.Code == "" && f.AffiliateID == 0 {
		return nil
	}
	s := selectOf("network", q.network)
	andIf(s, `id = ?`, f.LinkID)
	andIf(s, `code_key = ?`, tracker.CodeKey(f.Code))
	andIf(s, `affiliate_id = ?`, f.AffiliateID)
	ids, err := read(ctx, q.ledger, "links", func(rows *sql.Rows) (id int64, err error) {
		err = rows.Scan(&id)
		return id, err
	}, `SELECT id FROM link`+s.text, s.args...)
	q.links = make(map[int64]bool, len(ids))
	for _, id := range ids {
		q.links[id] = true
	}
	return err
}

// read reads the next step of all ranges together, newest first.
func (q *sessionSearch) read(ctx context.Context, p tracker.Page, step int) ([]Session, error) {
	s := &selection{}
	parts := make([]string, len(q.ranges))
	for i, r := range q.ranges {
		s.text = `SELECT id FROM session WHERE true`
		for _, value := range r.values {
			r.condition = strings.Replace(r.condition, "?", s.bind(value), 1)
		}
		s.text += ` AND ` + r.condition
		andTime(s, `time >= ?`, q.filter.MinTime)
		andTime(s, `time <= ?`, q.filter.MaxTime)
		if err := s.after("time", "id", p); err != nil {
			return nil, err
		}
		s.text += ` ORDER BY time DESC, id DESC LIMIT ` + s.bind(step)
		parts[i] = fmt.Sprintf(`SELECT id FROM (%s) AS part%d`, s.text, i)
	}
	where := ` JOIN (` + strings.Join(parts, ` UNION ALL `) + `) AS found ON found.id = s.id` + newestFirst + s.bind(step)
	return q.ledger.readSessions(ctx, where, s.args)
}

// matches reports whether the filter selects the session.
func (q *sessionSearch) matches(s *Session) bool {
	f := q.filter
	return (q.links == nil || q.links[s.LinkID]) &&
		(f.Class == "" || f.Class == s.Class) &&
		(f.SubIDName == "" || f.SubIDValue == s.SubIDs[f.SubIDName]) &&
		(f.Reconstructed == nil || *f.Reconstructed == s.Reconstructed)
}
