package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// DeliveryEvent returns the event that a delivery is about, with what it happened to as the books have it now. ErrNotFound: there
// is nothing to send any more, since it was erased, or its visitor does not want it to be shared.
func (l *Ledger) DeliveryEvent(ctx context.Context, d tracker.Delivery) (e tracker.Event, err error) {
	e = tracker.Event{ID: d.ID, Kind: d.Kind, Network: d.Network, Subject: d.Subject, N: d.N, Time: d.CreatedAt}
	switch d.Kind {
	case tracker.EventSession:
		err = l.sessionEvent(ctx, &e)
	case tracker.EventConversion, tracker.EventConversionChanged:
		err = l.conversionEvent(ctx, &e)
	case tracker.EventCustomer, tracker.EventCustomerChanged:
		err = l.customerEvent(ctx, &e, d.Subject)
	case tracker.EventTransaction:
		err = l.transactionEvent(ctx, &e)
	case tracker.EventAffiliate:
		err = l.affiliateEvent(ctx, &e)
	case tracker.EventGroupTokens:
		err = l.groupTokensEvent(ctx, &e)
	}
	if err == nil {
		err = l.addMemory(ctx, d, &e)
	}
	if err != nil {
		return tracker.Event{}, fmt.Errorf("reading what a delivery is about: %w", err)
	}
	return e, nil
}

func (l *Ledger) sessionEvent(ctx context.Context, e *tracker.Event) error {
	s, err := l.sharedSession(ctx, e.Network, e.Subject)
	if err != nil {
		return err
	}
	e.Session = s
	return l.eventLink(ctx, e, s.LinkID)
}

// sharedSession returns a session that may be shared.
func (l *Ledger) sharedSession(ctx context.Context, network, text string) (*tracker.BookedSession, error) {
	id, err := tracker.ParseSessionID(text)
	if err != nil {
		return nil, ErrNotFound
	}
	s, err := l.FindSession(ctx, network, id)
	if err == nil && s.NoShare {
		err = ErrNotFound
	}
	return &s, err
}

// conversionEvent sends a conversion without a session's leave only where its session is not known.
func (l *Ledger) conversionEvent(ctx context.Context, e *tracker.Event) error {
	c, err := l.Conversion(ctx, e.Network, e.Subject)
	if err != nil {
		return err
	}
	e.Conversion = &c
	if c.SessionID != "" {
		s, err := l.FindSession(ctx, e.Network, sessionID(c.SessionID))
		switch {
		case err == nil && s.NoShare:
			return ErrNotFound
		case err == nil:
			e.Session = &s
		case !errors.Is(err, ErrNotFound):
			return err
		}
	}
	return l.eventLink(ctx, e, c.LinkID)
}

func sessionID(text string) tracker.SessionID {
	id, _ := tracker.ParseSessionID(text) // one that is none is nobody's
	return id
}

func (l *Ledger) customerEvent(ctx context.Context, e *tracker.Event, id string) error {
	c, err := l.Customer(ctx, e.Network, id)
	if err != nil {
		return err
	}
	e.Customer = &c
	if c.SessionID != "" {
		s, err := l.FindSession(ctx, e.Network, sessionID(c.SessionID))
		switch {
		case err == nil && s.NoShare:
			return ErrNotFound
		case err == nil:
			e.Session = &s
		case !errors.Is(err, ErrNotFound):
			return err
		}
	}
	return l.eventLink(ctx, e, c.LinkID)
}

func (l *Ledger) transactionEvent(ctx context.Context, e *tracker.Event) error {
	t, err := l.Transaction(ctx, e.Network, e.Subject)
	if err != nil {
		return err
	}
	e.Transaction = &t
	return l.customerEvent(ctx, e, t.CustomerID)
}

// eventLink adds the link, where there is one.
func (l *Ledger) eventLink(ctx context.Context, e *tracker.Event, id int64) error {
	if id == 0 {
		return nil
	}
	link, err := l.CatalogLink(ctx, e.Network, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	e.Link = &link
	return err
}
