package ledger

import (
	"context"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// AddSession books a session that an API made: one of class human, on the link that its LinkID names, or its Code where that
// is 0, with what the reports count of it, in one transaction. The same id again changes nothing and is no error. Its values
// are as those of an edge: URLs without bytes that PostgreSQL cannot keep, a time after 1970. Affiliate, Origin and Seq are
// ignored. ErrNotFound: the network has no live link of that number or code.
//
// A session of a visitor who was erased lands without them.
func (l *Ledger) AddSession(ctx context.Context, s tracker.BookedSession) error {
	err := l.book(ctx, func(b *books) error {
		a := applier{ledger: l, tx: b.tx, books: b, now: millis(b.now)}
		return a.add(ctx, s)
	})
	if err != nil {
		return fmt.Errorf("adding a session: %w", err)
	}
	return nil
}

// add is AddSession in its transaction.
func (a *applier) add(ctx context.Context, s Session) (err error) {
	if a.forgotten, err = readForgotten(ctx, a.tx); err != nil {
		return err
	}
	if s.LinkID, s.Code, err = a.liveLink(ctx, s); err != nil {
		return err
	}
	s.Class, s.Reconstructed = tracker.ClassHuman, false
	one := []Record{{Session: &s}}
	if err := a.blank(ctx, one); err != nil {
		return err
	}
	landed, err := a.ledger.db.Insert(ctx, a.tx, addedRow(one))
	if err != nil {
		return fmt.Errorf("inserting the session: %w", err)
	}
	if landed == 0 {
		return nil
	}
	a.landed, a.added = one, s.ID.String()
	a.books.events.tellSessions(one)
	return a.countClicks(ctx)
}

// liveLink returns the number and the code of the link that the session names.
func (a *applier) liveLink(ctx context.Context, s Session) (id int64, code string, err error) {
	where, name := linkByID, any(s.LinkID)
	if s.LinkID == 0 {
		where, name = linkByCode, tracker.CodeKey(s.Code)
	}
	stored, err := only(readLinks(ctx, a.tx, selectLinks+where, s.Network, name))
	if err != nil {
		return 0, "", fmt.Errorf("finding the link: %w", err)
	}
	if edge := stored.edge(); !edge.Live(fromMillis(a.now)) {
		return 0, "", fmt.Errorf("finding the link: a live one is %w", ErrNotFound)
	}
	return stored.ID, stored.Code, nil
}

const linkByCode = ` WHERE l.network = $1 AND l.code_key = $2`

// addedRow lays the one session out by column. It takes the place of one that was rebuilt from a token.
func addedRow(one []Record) Rows {
	s, rows := one[0].Session, sessionRows("", one)
	rows.Columns = append(rows.Columns,
		Column{Name: "query_params", Text: []string{s.QueryParams}},
		Column{Name: "quote_share_id", Text: []string{s.QuoteShareID}},
	)
	return replacing(rows)
}
