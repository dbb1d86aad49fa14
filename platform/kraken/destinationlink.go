package kraken

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	// linkTime is how long an id that was looked up is known.
	linkTime = time.Hour
	// noLinkTime is how long it is known that Kraken has no such link, so that its clicks do not ask for it one by one.
	noLinkTime = time.Minute
	// maxLinks bounds what is known at once.
	maxLinks = 10_000
)

const findLink = `query affiliateLink($subdomain: String!) { affiliateLink(subdomain: $subdomain) { id } }`

var errNoLink = errors.New("no link at Kraken has that subdomain; make it there, or name its id by the option link")

// linkFinder keeps what was looked up.
type linkFinder struct {
	mu    sync.Mutex
	known map[string]knownLink // by subdomain
}

type knownLink struct {
	id    string // empty: Kraken has none
	until time.Time
}

func newLinks() linkFinder { return linkFinder{known: map[string]knownLink{}} }

func (l *linkFinder) get(name string, now time.Time) (knownLink, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.known[name]
	return found, ok && now.Before(found.until)
}

func (l *linkFinder) put(name string, found knownLink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= maxLinks {
		clear(l.known)
	}
	l.known[name] = found
}

func (l *linkFinder) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, name)
}

// linkCode is our code of the event's link.
func linkCode(e *tracker.Event) string {
	if e.Link != nil {
		return strings.ToLower(e.Link.Code)
	}
	if e.Session != nil {
		return strings.ToLower(e.Session.Code)
	}
	return ""
}

// linkName is the subdomain by which the event's link is looked up; empty where it has none.
func linkName(e *tracker.Event) string {
	if e.Link == nil {
		return ""
	}
	return strings.ToLower(e.Link.Subdomain)
}

// linkID returns Kraken's id of the event's link: the configured one, or that of the link there with the same subdomain. A link
// with neither is none of Kraken's.
func (d *Destination) linkID(ctx context.Context, s *sending, e *tracker.Event) (string, error) {
	if id, ok := d.Links[linkCode(e)]; ok {
		return id, nil
	}
	name := linkName(e)
	if name == "" {
		return "", forward.ErrSkip
	}
	now := d.Now()
	found, ok := d.links.get(name, now)
	if !ok {
		id, err := s.findLink(ctx, name)
		if err != nil && !errors.Is(err, errNoLink) {
			return "", err
		}
		found = knownLink{id, now.Add(linkTime)}
		if id == "" {
			found.until = now.Add(noLinkTime)
		}
		d.links.put(name, found)
	}
	if found.id == "" {
		return "", errNoLink
	}
	return found.id, nil
}

// findLink asks Kraken for the id of a link. Codes from 7711 to 7719 are those of links.
func (s *sending) findLink(ctx context.Context, subdomain string) (string, error) {
	data, err := s.call(ctx, findLink, map[string]any{"subdomain": subdomain})
	s.written = false // no session was asked for
	var told *graphqlError
	if errors.As(err, &told) && told.has(codeSubdomain.text, codeLinkExpired.text) {
		return "", errNoLink
	}
	if err != nil {
		return "", err
	}
	var found struct{ AffiliateLink *struct{ ID string } }
	if json.Unmarshal(data, &found) != nil {
		return "", errors.New("the answer has no link")
	}
	if found.AffiliateLink == nil || found.AffiliateLink.ID == "" {
		return "", errNoLink
	}
	return found.AffiliateLink.ID, nil
}
