package affelios

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// UnknownRule says what becomes of a customer with a click key that is none of the network's.
type UnknownRule string

// The rules for unknown click keys.
const (
	UnknownReject  UnknownRule = "reject"  // the default: 422
	UnknownOrganic UnknownRule = "organic" // as if there were none
)

// A session reaches the books within a second where all is well. So long after the click, one that is not there yet may be on
// its way, and a request that names it waits for a moment.
const (
	onItsWay  = time.Minute
	patience  = 2 * time.Second
	lookAgain = 50 * time.Millisecond
)

// errOnItsWay is the answer where it did not come.
func errOnItsWay() *problem {
	p := away(nil)
	p.Detail, p.retryAfter = "The click was a moment ago and is not in the books yet. Try again.", 1
	return p
}

// click is what a click key stands for.
type click struct {
	evidence tracker.Evidence
	sessions []tracker.SessionID // the likelier first
}

// readKey finds out what a click key stands for: a session's id, a visitor's token, or a session that one site of ours has
// handed another in a URL. known is false for everything else. The first cannot be told from that of nobody, but in the books.
func (c *call) readKey(ctx context.Context, key string) (found click, known bool, err error) {
	if id, err := tracker.ParseSessionID(key); err == nil {
		known, err := c.knowsSession(ctx, id)
		return click{tracker.Evidence{Session: id}, []tracker.SessionID{id}}, known, err
	}
	token, ok := c.server.OpenToken(c.key.Network, key)
	if !ok {
		token, ok = c.server.OpenHandoff(c.key.Network, key)
	}
	if !ok || token.Last.IsZero() {
		return click{}, false, nil
	}
	return click{tracker.Evidence{Token: &token}, []tracker.SessionID{token.Last.Session, token.First.Session}}, true, nil
}

// knowsSession reports whether the session is in the books, for which it waits a little if it is a new one.
func (c *call) knowsSession(ctx context.Context, id tracker.SessionID) (bool, error) {
	for waited := time.Duration(0); ; waited += lookAgain {
		_, err := c.books.FindSession(ctx, c.key.Network, id)
		if !errors.Is(err, tracker.ErrNotFound) {
			return err == nil, err
		}
		if !c.isYoung(id) {
			return false, nil
		}
		if waited >= patience {
			return false, errOnItsWay()
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// isYoung reports whether a session's id, which is a UUIDv7, was made a moment ago.
func (c *call) isYoung(id tracker.SessionID) bool {
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16))
	age := c.server.Now().Sub(at)
	return id[6]>>4 == 7 && age > -onItsWay && age < onItsWay
}
