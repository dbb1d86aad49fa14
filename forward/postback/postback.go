// Package postback tells a tracker or a network of events by its postback URL: a request whose macros are replaced by what the
// event has, as trackers have done it for twenty years.
package postback

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Options is what a postback is told.
type Options struct {
	// URL has macros in its path and query: {name} is replaced by the value, encoded for a URL, and {_name} by the value as it is.
	// {status:pending=hold approved=sale} names a status as the receiver does.
	URL string
	// Method is GET, the default, or POST: then the query is sent as a form.
	Method string
	// Secret is the key of {sig}; without it there is no such macro.
	Secret string
	// Hidden are parts of URL that are secret, such as a token, however short. Nothing that the endpoint sends back of them is kept.
	Hidden []string
}

// Postback is a destination.
type Postback struct {
	template template
	host     string
	method   string
	secret   []byte
	secrets  []string // that an endpoint may send back: those of its URL
}

// New checks the options: the URL, and that each macro is one that is known.
func New(o Options) (*Postback, error) {
	t, err := parseTemplate(o.URL)
	if err != nil {
		return nil, err
	}
	if t.signed() && o.Secret == "" {
		return nil, errors.New("{sig} needs a secret")
	}
	if o.Method == "" {
		o.Method = http.MethodGet
	}
	if o.Method != http.MethodGet && o.Method != http.MethodPost {
		return nil, errors.New("the method is GET or POST")
	}
	u, err := url.Parse(t.fill(func(macro) string { return "x" }))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, errors.New("the url is not one such as https://example.com/postback?cid={click_id}, without a user in it")
	}
	if rest := strings.TrimPrefix(o.URL, u.Scheme+"://"); len(rest) == len(o.URL) || strings.Contains(hostOf(rest), "{") {
		return nil, errors.New("a macro cannot stand in the url's scheme or host")
	}
	return &Postback{template: t, host: u.Host, method: o.Method, secret: []byte(o.Secret), secrets: append(t.secrets(), o.Hidden...)}, nil
}

func hostOf(rest string) string {
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		return rest[:end]
	}
	return rest
}

// Kinds implements forward.Destination.
func (*Postback) Kinds() []tracker.EventKind {
	return []tracker.EventKind{
		tracker.EventConversion, tracker.EventConversionChanged, tracker.EventSession, tracker.EventCustomer, tracker.EventTransaction,
	}
}

// Host implements forward.Destination.
func (p *Postback) Host() string { return p.host }

// Send implements forward.Destination.
func (p *Postback) Send(ctx context.Context, client *forward.Client, e tracker.Event) (forward.Answer, error) {
	values := valuesOf(e)
	text := p.template.fill(func(m macro) string {
		if m.name == sigMacro {
			return sigPlace
		}
		value := m.value(values)
		if value == "" {
			unresolved.WithLabelValues(m.name).Inc()
		}
		return value
	})
	r, err := p.request(sign(text, p.secret))
	if err != nil {
		return forward.Answer{}, forward.Permanent(err)
	}
	answer, err := client.Do(ctx, r)
	kept := forward.Keep(answer, p.secrets...)
	if err != nil {
		return kept, err
	}
	return kept, forward.Judge(answer, time.Now())
}

// request makes the request of a URL whose macros are filled in.
func (p *Postback) request(text string) (*http.Request, error) {
	var body strings.Reader
	if p.method == http.MethodPost {
		target, form, _ := strings.Cut(text, "?")
		text, body = target, *strings.NewReader(form)
	}
	r, err := http.NewRequest(p.method, text, &body)
	if err != nil {
		return nil, errors.New("what the macros stand for makes no url")
	}
	if p.method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.ContentLength = body.Size()
	}
	r.Header.Set("User-Agent", "caddy-affiliate")
	return r, nil
}
