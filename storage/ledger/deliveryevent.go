package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// DeliveryEvents returns the events that deliveries of one network are about, by the deliveries' ids, with what it happened to as
// the books have it now. Of one that is missing there is nothing to send any more, since it was erased, or its visitor does not
// want it to be shared. Beside an error there are those that could be read.
func (l *Ledger) DeliveryEvents(ctx context.Context, deliveries []tracker.Delivery) (map[string]tracker.Event, error) {
	r := &eventReader{Ledger: l, sessions: map[string]*tracker.BookedSession{}, links: map[int64]*tracker.CatalogLink{}}
	found := make(map[string]tracker.Event, len(deliveries))
	first := r.readSessions(ctx, deliveries)
	for _, d := range deliveries {
		if ctx.Err() != nil || errors.Is(first, tracker.ErrAway) {
			break
		}
		e, err := r.event(ctx, d)
		switch {
		case err == nil:
			found[d.ID] = e
		case !errors.Is(err, ErrNotFound):
			first = cmp.Or(first, err)
		}
	}
	if err := cmp.Or(ctx.Err(), first); err != nil {
		return found, fmt.Errorf("reading what deliveries are about: %w", err)
	}
	return found, nil
}

// eventReader reads what many events are about, each thing once.
type eventReader struct {
	*Ledger
	sessions map[string]*tracker.BookedSession
	links    map[int64]*tracker.CatalogLink // nil: there is none
}

// selectEventSessions keeps SQLite, by the concatenation, from reading all sessions of the network rather than looking up so many.
var selectEventSessions = ` WHERE s.network || '' = $1 AND s.id IN (` + placeholders(2, lookUpChunk) + `)`

// readSessions reads the sessions that are events by themselves: there are thousands of them where there is one of anything else.
func (r *eventReader) readSessions(ctx context.Context, deliveries []tracker.Delivery) error {
	var ids []string
	for _, d := range deliveries {
		if d.Kind == tracker.EventSession {
			ids = append(ids, d.Subject)
		}
	}
	for chunk := range slices.Chunk(ids, lookUpChunk) {
		args := []any{deliveries[0].Network}
		for i := range lookUpChunk {
			args = append(args, chunk[min(i, len(chunk)-1)])
		}
		sessions, err := r.Ledger.readSessions(ctx, selectEventSessions, args)
		if err != nil {
			return err
		}
		for i := range sessions {
			r.sessions[sessions[i].ID.String()] = &sessions[i]
		}
	}
	return nil
}

func (r *eventReader) event(ctx context.Context, d tracker.Delivery) (e tracker.Event, err error) {
	e = tracker.Event{ID: d.ID, Kind: d.Kind, Network: d.Network, Subject: d.Subject, N: d.N, Time: d.CreatedAt}
	switch d.Kind {
	case tracker.EventSession:
		err = r.sessionEvent(ctx, &e)
	case tracker.EventConversion, tracker.EventConversionChanged:
		err = r.conversionEvent(ctx, &e)
	case tracker.EventCustomer, tracker.EventCustomerChanged:
		err = r.customerEvent(ctx, &e, d.Subject)
	case tracker.EventTransaction:
		err = r.transactionEvent(ctx, &e)
	case tracker.EventAffiliate:
		err = r.affiliateEvent(ctx, &e)
	case tracker.EventGroupTokens:
		err = r.groupTokensEvent(ctx, &e)
	}
	if err == nil {
		err = r.addMemory(ctx, d, &e)
	}
	return e, err
}

func (r *eventReader) sessionEvent(ctx context.Context, e *tracker.Event) error {
	s := r.sessions[e.Subject]
	if s == nil { // it is not there, or stood beside one that could not be read
		read, err := r.FindSession(ctx, e.Network, sessionID(e.Subject))
		if err != nil {
			return err
		}
		s = &read
	}
	if s.NoShare {
		return ErrNotFound
	}
	e.Session = s
	return r.addLink(ctx, e, s.LinkID)
}

// addSession adds the session that something came from, where the books have it. ErrNotFound: its visitor wants nothing shared.
func (r *eventReader) addSession(ctx context.Context, e *tracker.Event, id string) error {
	if id == "" {
		return nil
	}
	s, err := r.FindSession(ctx, e.Network, sessionID(id))
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err == nil && s.NoShare:
		return ErrNotFound
	}
	e.Session = &s
	return err
}

func (r *eventReader) conversionEvent(ctx context.Context, e *tracker.Event) error {
	c, err := r.Conversion(ctx, e.Network, e.Subject)
	if err != nil {
		return err
	}
	e.Conversion = &c
	if err := r.addSession(ctx, e, c.SessionID); err != nil {
		return err
	}
	return r.addLink(ctx, e, c.LinkID)
}

func sessionID(text string) tracker.SessionID {
	id, _ := tracker.ParseSessionID(text) // one that is none is nobody's
	return id
}

func (r *eventReader) customerEvent(ctx context.Context, e *tracker.Event, id string) error {
	c, err := r.Customer(ctx, e.Network, id)
	if err != nil {
		return err
	}
	e.Customer = &c
	if err := r.addSession(ctx, e, c.SessionID); err != nil {
		return err
	}
	return r.addLink(ctx, e, c.LinkID)
}

func (r *eventReader) transactionEvent(ctx context.Context, e *tracker.Event) error {
	t, err := r.Transaction(ctx, e.Network, e.Subject)
	if err != nil {
		return err
	}
	e.Transaction = &t
	return r.customerEvent(ctx, e, t.CustomerID)
}

// addLink adds the link, where there is one.
func (r *eventReader) addLink(ctx context.Context, e *tracker.Event, id int64) error {
	if id == 0 {
		return nil
	}
	link, known := r.links[id]
	if !known {
		read, err := r.CatalogLink(ctx, e.Network, id)
		if err == nil {
			link = &read
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		r.links[id] = link
	}
	e.Link = link
	return nil
}
