package affelios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// DefaultClickKeys are the parameters of a landing page in which Affelios's pages put the click key.
var DefaultClickKeys = []string{"clickkey", "clickid"}

// DestinationOptions is what the destination works with.
type DestinationOptions struct {
	// Endpoint is the platform's host, such as https://platform.affelios.com.
	Endpoint string
	// APIKey is sent in the header X-Api-Key.
	APIKey string
	// Brand is the externalBrandId of customers who have none of their own.
	Brand string
	// Currency is that of the amounts, which name none. Default: EUR. A transaction in another cannot be sent.
	Currency string
	// ClickKeys are the parameters of a session's URL that may hold the click key, in any case, the likelier first. Default:
	// DefaultClickKeys.
	ClickKeys []string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Destination tells Affelios of customers and their transactions. It keeps the id that Affelios gives a customer, for their changes.
type Destination struct {
	DestinationOptions
	base *url.URL
}

// NewDestination checks the options. No error repeats the key.
func NewDestination(o DestinationOptions) (*Destination, error) {
	base, err := forward.ParseEndpoint(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if o.APIKey == "" || strings.ContainsFunc(o.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("api_key is not a key of the platform")
	}
	o.Currency = cmp.Or(o.Currency, "EUR")
	if err := tracker.CheckCurrency(o.Currency); err != nil {
		return nil, fmt.Errorf("currency: %w", err)
	}
	if len(o.ClickKeys) == 0 {
		o.ClickKeys = DefaultClickKeys
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Destination{o, base}, nil
}

// Kinds implements forward.Destination.
func (*Destination) Kinds() []tracker.EventKind {
	return []tracker.EventKind{tracker.EventCustomer, tracker.EventCustomerChanged, tracker.EventTransaction}
}

// Host implements forward.Destination.
func (d *Destination) Host() string { return d.base.Host }

// Remembers implements forward.Remembering.
func (*Destination) Remembers() {}

// errUnknownID is the error of a change of a customer whom Affelios has, under an id that nobody here knows: the answer that told it
// was lost, or somebody else made the customer there.
var errUnknownID = errors.New("the customer is at Affelios already, under an id that is not known here, so that they cannot be changed")

// Send implements forward.Destination. A test event asks for a customer who is not there.
func (d *Destination) Send(ctx context.Context, client *forward.Client, e tracker.Event) (forward.Answer, error) {
	s := &sending{Destination: d, client: client}
	var err error
	switch {
	case e.Kind == tracker.EventTest:
		err = s.ask(ctx, http.MethodGet, customerPath+"/"+url.PathEscape(e.ID), nil)
		if s.answer.Status == http.StatusNotFound { // to somebody with a good key
			err = nil
		}
	case e.Kind == tracker.EventTransaction && e.Transaction != nil && e.Customer != nil:
		err = s.addTransaction(ctx, &e)
	case e.Kind == tracker.EventCustomer && e.Customer != nil:
		err = s.createCustomer(ctx, &e)
	case e.Kind == tracker.EventCustomerChanged && e.Customer != nil:
		err = s.updateCustomer(ctx, &e)
	default:
		err = forward.ErrSkip
	}
	return s.answer, err
}

// createCustomer makes the customer there. That Affelios has them already means that an earlier attempt has been taken.
func (s *sending) createCustomer(ctx context.Context, e *tracker.Event) error {
	if e.Ref != "" {
		return forward.ErrSkip
	}
	c, err := s.newCustomer(e)
	if err != nil {
		return err
	}
	err = s.ask(ctx, http.MethodPost, customerPath, c)
	if s.answer.Status == http.StatusConflict {
		return nil
	}
	return err
}

// updateCustomer changes the customer there, or makes them where they are not.
func (s *sending) updateCustomer(ctx context.Context, e *tracker.Event) error {
	if e.Ref != "" {
		c, err := s.change(e)
		if err != nil {
			return err
		}
		return s.ask(ctx, http.MethodPut, customerPath+"/"+url.PathEscape(e.Ref), c)
	}
	c, err := s.newCustomer(e)
	if err != nil {
		return err
	}
	err = s.ask(ctx, http.MethodPost, customerPath, c)
	if s.answer.Status == http.StatusConflict {
		return forward.Permanent(errUnknownID)
	}
	return err
}

// addTransaction reports a transaction, of which a repeat is no error.
func (s *sending) addTransaction(ctx context.Context, e *tracker.Event) error {
	t, err := s.newTransaction(e)
	if err != nil {
		return err
	}
	err = s.ask(ctx, http.MethodPost, transactionPath, t)
	if s.answer.Status == http.StatusConflict {
		return nil
	}
	return err
}
