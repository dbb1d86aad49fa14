package affili

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// NewConversion is the body of a new conversion.
type NewConversion struct {
	Token       any             `json:"token"` // of the visitor; false where the platform gave none, as its script sends it
	AffID       string          `json:"aff_id"`
	Referrer    string          `json:"referrer"`
	Type        string          `json:"type"`
	ExternalID  string          `json:"external_id"`
	Amount      json.Number     `json:"amount,omitempty"`
	Commissions []NewCommission `json:"commissions,omitempty"`
	Name        string          `json:"name,omitempty"`
}

// NewCommission is a part of its amount.
type NewCommission struct {
	Name      string      `json:"name"`
	SubAmount json.Number `json:"sub_amount"`
}

// Update is the body of a change.
type Update struct {
	Status      int             `json:"status"`
	Amount      json.Number     `json:"amount,omitempty"`
	Commissions []NewCommission `json:"commissions,omitempty"`
}

// told is what is read of the platform's conversions.
type told struct {
	ID         text `json:"id"`
	Status     text `json:"status"`
	ExternalID text `json:"external_id"`
	IsClosed   text `json:"is_closed"`
	Amount     text `json:"amount"`
}

// duplicated is the platform's status of a conversion whose external id it knew already.
const duplicated = "3"

// errCurrency is the error of a conversion that has no amount in the platform's currency.
var errCurrency = errors.New("the conversion is in another currency than the platform's")

// externalID is what the platform is to know the conversion by.
func (d *Destination) externalID(c *tracker.Conversion) string {
	if d.OwnIDs {
		return c.ID
	}
	return c.ExternalID
}

// create reports a conversion, with its status, and returns the platform's id of it. That the platform calls it a duplicate means
// that an earlier attempt has been taken.
func (s *sending) create(ctx context.Context, e *tracker.Event) (string, error) {
	if e.Ref != "" || e.Conversion.LinkID == 0 {
		return "", forward.ErrSkip
	}
	p, err := s.partner(e)
	if err != nil {
		return "", err
	}
	n, err := s.newConversion(e, p)
	if err != nil {
		return "", err
	}
	var made told
	if err := s.ask(ctx, http.MethodPost, "conversions", n, &made); err != nil {
		return "", err
	}
	s.summarize(tagCreateConversion, &made)
	if made.Status == duplicated {
		first, err := s.find(ctx, n.ExternalID)
		if err != nil || first == nil { // it is taken, which has to be enough
			return "", err
		}
		made = *first
		s.summarize(tagCreateConversion, &told{ID: made.ID, Status: duplicated})
	}
	u := Update{Status: slices.Index(statuses, e.Conversion.Status)}
	if u.Status == 0 || string(made.Status) == strconv.Itoa(u.Status) || made.ID == "" {
		return string(made.ID), nil
	}
	return string(made.ID), s.change(ctx, string(made.ID), u) // a new conversion is pending, whatever is said
}

// newConversion maps a conversion.
func (d *Destination) newConversion(e *tracker.Event, p Partner) (NewConversion, error) {
	c := e.Conversion
	n := NewConversion{Token: false, AffID: p.AffID, Referrer: p.Referrer, Type: string(c.Type), ExternalID: d.externalID(c)}
	if e.SessionRef != "" {
		n.Token = e.SessionRef
	}
	switch c.Type {
	case tracker.TypeBuy, tracker.TypeSale: // the platform's merchants' routes say buy
		if c.Currency != d.Currency {
			return n, forward.Permanent(errCurrency)
		}
		n.Type, n.Amount, n.Commissions = string(tracker.TypeBuy), number(c.Amount, c.Currency), commissions(c)
	case tracker.TypeLead:
		n.Name = c.Name
		if n.Name == "" && len(c.Commissions) > 0 {
			n.Name = c.Commissions[0].Name
		}
		n.Name = cmp.Or(n.Name, tracker.DefaultCommission)
	}
	return n, nil
}

func commissions(c *tracker.Conversion) []NewCommission {
	list := make([]NewCommission, len(c.Commissions))
	for i, part := range c.Commissions {
		list[i] = NewCommission{part.Name, number(part.SubAmount, c.Currency)}
	}
	return list
}

// update tells the platform how a conversion is now, and returns its id there.
func (s *sending) update(ctx context.Context, e *tracker.Event) (string, error) {
	c := e.Conversion
	entry := slices.IndexFunc(c.History, func(h tracker.Change) bool { return h.N == e.N })
	if c.LinkID == 0 || entry >= 0 && c.History[entry].Kind == tracker.ChangePaid { // that is the platform's to say
		return "", forward.ErrSkip
	}
	if _, err := s.partner(e); err != nil && e.Ref == "" {
		return "", err
	}
	u := Update{Status: slices.Index(statuses, c.Status)}
	if changesAmount(c, entry) {
		if c.Currency != s.Currency {
			return "", forward.Permanent(errCurrency)
		}
		u.Amount, u.Commissions = number(c.Amount, c.Currency), commissions(c)
	}
	id := e.Ref
	if id == "" {
		first, err := s.find(ctx, s.externalID(c))
		if err != nil {
			return "", err
		}
		if first == nil {
			return "", errors.New("the platform has no conversion of this external id yet")
		}
		id = string(first.ID)
	}
	return id, s.change(ctx, id, u)
}

func (s *sending) change(ctx context.Context, id string, u Update) error {
	var changed told
	if err := s.ask(ctx, http.MethodPost, "conversions/"+url.PathEscape(id), u, &changed); err != nil {
		return err
	}
	s.summarize(tagUpdateConversion, &changed)
	return nil
}

// changesAmount reports whether the entry of the history, or one that is not known, is about money.
func changesAmount(c *tracker.Conversion, entry int) bool {
	if c.Type != tracker.TypeBuy && c.Type != tracker.TypeSale {
		return false
	}
	return entry < 0 || slices.Contains([]tracker.ChangeKind{tracker.ChangeAmount, tracker.ChangeRefund, tracker.ChangeReversed}, c.History[entry].Kind)
}

// find returns the platform's conversion of that external id, the first where there are duplicates; nil where there is none.
func (s *sending) find(ctx context.Context, externalID string) (*told, error) {
	var data json.RawMessage
	if err := s.ask(ctx, http.MethodGet, "conversions?external_id="+url.QueryEscape(externalID), nil, &data); err != nil {
		return nil, err
	}
	s.summarize(tagConversions, nil)
	var list []told
	if json.Unmarshal(data, &list) != nil {
		var paged struct{ Data []told } // as the platform's framework writes pages
		if err := json.Unmarshal(data, &paged); err != nil {
			return nil, errors.New("the platform's list of conversions cannot be read")
		}
		list = paged.Data
	}
	for i := range list {
		if string(list[i].ExternalID) == externalID && list[i].Status != duplicated && list[i].ID != "" {
			return &list[i], nil
		}
	}
	return nil, nil
}
