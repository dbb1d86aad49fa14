package api

import (
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// readEvidence turns what a body says of who brought a visitor into evidence. path names each thing that is wrong.
func (a *API) readEvidence(c *call, token, sessionID string) (tracker.Evidence, error) {
	var e tracker.Evidence
	var wrong tracker.Invalid
	if token != "" {
		opened, ok := a.openToken(c.network, token)
		if !ok {
			wrong.Add("token", "is not a token of this network")
		}
		e.Token = &opened
	}
	if sessionID != "" {
		var err error
		if e.Session, err = tracker.ParseSessionID(sessionID); err != nil {
			wrong.Add("session_id", "must be a UUID")
		}
	}
	return e, wrong.Err()
}
