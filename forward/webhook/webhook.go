// Package webhook tells a service of the site's owner of events, as Standard Webhooks 1.0 has it
// (https://www.standardwebhooks.com): a POST with the event as JSON, signed with a shared secret.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Options is what a webhook is told.
type Options struct {
	URL string // https, or http
	// Secrets sign: with two of them each message has two signatures, so that a receiver can go over from one to the other. Each
	// is "whsec_" and the base64 of 24 to 64 bytes.
	Secrets []string
	Now     func() time.Time // nil: time.Now
}

// Webhook is a destination.
type Webhook struct {
	url     string
	host    string
	secrets []string // that an endpoint may send back: those of its URL
	signers []*standardwebhooks.Webhook
	now     func() time.Time
}

// The bounds of a secret, in bytes: those of the specification.
const minSecret, maxSecret = 24, 64

// New checks the options. No error repeats a secret.
func New(o Options) (*Webhook, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, errors.New("the url is not one such as https://example.com/hooks, without a user in it")
	}
	if len(o.Secrets) == 0 || len(o.Secrets) > 2 {
		return nil, errors.New("one secret is needed, or two while a receiver goes over to a new one")
	}
	w := &Webhook{url: u.String(), host: u.Host, secrets: forward.URLSecrets(u), now: o.Now}
	if w.now == nil {
		w.now = time.Now
	}
	for i, secret := range o.Secrets {
		signer, err := newSigner(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		w.signers = append(w.signers, signer)
	}
	return w, nil
}

func newSigner(secret string) (*standardwebhooks.Webhook, error) {
	key, err := decodeSecret(secret)
	if err != nil {
		return nil, err
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// Kinds implements forward.Destination.
func (w *Webhook) Kinds() []tracker.EventKind { return slices.Clone(tracker.EventKinds) }

// Host implements forward.Destination.
func (w *Webhook) Host() string { return w.host }

// Message is the body of a webhook.
type Message struct {
	Type      tracker.EventKind `json:"type"`
	Timestamp time.Time         `json:"timestamp"` // of the event
	Data      Data              `json:"data"`
}

// Data is what an event is about. Which of the members is there depends on its type; they are as the native API has them.
type Data struct {
	Network     string                 `json:"network"`
	Subject     string                 `json:"subject"`        // the id of what it happened to
	Test        bool                   `json:"test,omitempty"` // sent by hand
	Gone        bool                   `json:"gone,omitempty"` // it was deleted
	Session     *tracker.ShownSession  `json:"session,omitempty"`
	Conversion  *tracker.Conversion    `json:"conversion,omitempty"`
	Change      *tracker.Change        `json:"change,omitempty"` // of a conversion: the entry of its history that the event is
	Customer    *tracker.Customer      `json:"customer,omitempty"`
	Transaction *tracker.Transaction   `json:"transaction,omitempty"`
	Affiliate   *tracker.Affiliate     `json:"affiliate,omitempty"`
	GroupTokens *tracker.ProgramTokens `json:"group_tokens,omitempty"`
}

// message is the body for an event.
func message(e tracker.Event) Message {
	m := Message{Type: e.Kind, Timestamp: e.Time.UTC(), Data: Data{
		Network: e.Network, Subject: e.Subject, Test: e.Kind == tracker.EventTest, Gone: e.Gone,
		Conversion: e.Conversion, Customer: e.Customer, Transaction: e.Transaction, Affiliate: e.Affiliate, GroupTokens: e.GroupTokens,
	}}
	if e.Session != nil && e.Kind == tracker.EventSession {
		shown := tracker.ShowSession(*e.Session)
		m.Data.Session = &shown
	}
	if e.Conversion != nil {
		for i := range e.Conversion.History {
			if e.Conversion.History[i].N == e.N {
				m.Data.Change = &e.Conversion.History[i]
			}
		}
	}
	return m
}

// Send implements forward.Destination. The id of the message is the delivery's: the same in every attempt.
func (w *Webhook) Send(ctx context.Context, client *forward.Client, e tracker.Event) (forward.Answer, error) {
	body, err := json.Marshal(message(e))
	if err != nil {
		return forward.Answer{}, forward.Permanent(fmt.Errorf("writing the event: %w", err))
	}
	r, err := http.NewRequest(http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return forward.Answer{}, forward.Permanent(errors.New("the url makes no request"))
	}
	now := w.now()
	signatures := make([]string, len(w.signers))
	for i, signer := range w.signers {
		if signatures[i], err = signer.Sign(e.ID, now, body); err != nil {
			return forward.Answer{}, fmt.Errorf("signing: %w", err)
		}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "caddy-affiliate")
	r.Header.Set(standardwebhooks.HeaderWebhookID, e.ID)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	answer, err := client.Do(ctx, r)
	kept := forward.Keep(answer, w.secrets...) // the secrets that sign are not in what was sent, so they cannot come back
	if err != nil {
		return kept, err
	}
	return kept, forward.Judge(answer, now)
}
