package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The values of the options attribution and organic.
const (
	lastClick     = string(tracker.LastClick)
	firstClick    = string(tracker.FirstClick)
	organicAssign = string(tracker.OrganicAssign)
	organicReject = string(tracker.OrganicReject)
)

// Retention says how long the ledger keeps what tells of a visitor. What is older is blanked once an hour; the session itself
// stays, and everything that is counted and earned with it. The journal keeps its own copies for
// its `retain`, and until the file that they are in is full or the process ends; Redis until they are applied.
type Retention struct {
	// IP addresses. At least 1h. Default: for ever.
	IP caddy.Duration `json:"ip,omitempty"`

	// User agents. At least 1h. Default: for ever.
	UserAgent caddy.Duration `json:"user_agent,omitempty"`

	// Queries and referrers. At least 1h. Default: for ever.
	Query caddy.Duration `json:"query,omitempty"`
}

// minRetention is the shortest retention: what is older is looked for once an hour.
const minRetention = time.Hour

var errShortRetention = errors.New("a retention is at least 1h, since it is put into effect once an hour")

// parseRetention parses the block of that name.
func (a *App) parseRetention(d *caddyfile.Dispenser) error {
	a.Retention = new(Retention)
	return parseSubBlock(d, parsers{
		"ip":         age(&a.Retention.IP),
		"user_agent": age(&a.Retention.UserAgent),
		"query":      age(&a.Retention.Query),
	})
}

// limits checks r, which may be nil.
func (r *Retention) limits() (tracker.Retention, error) {
	if r == nil {
		return tracker.Retention{}, nil
	}
	for _, limit := range []caddy.Duration{r.IP, r.UserAgent, r.Query} {
		if limit != 0 && time.Duration(limit) < minRetention {
			return tracker.Retention{}, errShortRetention
		}
	}
	return tracker.Retention{IP: time.Duration(r.IP), UserAgent: time.Duration(r.UserAgent), Query: time.Duration(r.Query)}, nil
}

// terms are the rules of the books that the app's settings come to.
func (a *App) terms() (tracker.Terms, error) {
	t := tracker.Terms{
		Rule:    tracker.Rule(cmp.Or(a.Attribution, lastClick)),
		Window:  cmp.Or(time.Duration(a.Window), tracker.DefaultWindow),
		Organic: tracker.OrganicRule(cmp.Or(a.Organic, organicAssign)),
	}
	if t.Rule != tracker.LastClick && t.Rule != tracker.FirstClick {
		return t, fmt.Errorf("attribution %q is none of: %s, %s", a.Attribution, lastClick, firstClick)
	}
	if t.Organic != tracker.OrganicAssign && t.Organic != tracker.OrganicReject {
		return t, fmt.Errorf("organic %q is none of: %s, %s", a.Organic, organicAssign, organicReject)
	}
	return t, nil
}
