package api

import (
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// byID is the parameter of a route to one session, customer, transaction or conversion.
type byID struct {
	ID string `path:"id" doc:"a UUID"`
}

// canonical returns the id as the books write it; for what is no id there is nothing to be found.
func (b byID) canonical() (string, error) {
	id, err := tracker.ParseSessionID(b.ID)
	if err != nil {
		return "", tracker.ErrNotFound
	}
	return id.String(), nil
}

// byNumber is the parameter of a route to one affiliate, campaign or link.
type byNumber struct {
	ID int64 `path:"id" minimum:"1"`
}

// wantedIDs reads the ids among a list's filters as the books write them, and notes those that are none.
type wantedIDs struct{ wrong tracker.Invalid }

// uuid returns the id of a session or a customer; empty where none is asked for.
func (w *wantedIDs) uuid(name, text string) string {
	if text == "" {
		return ""
	}
	id, err := tracker.ParseSessionID(text)
	if err != nil {
		w.wrong.Add(name, "must be a UUID")
	}
	return id.String()
}

// visitor returns the id of a visitor; zero where none is asked for.
func (w *wantedIDs) visitor(name, text string) tracker.VisitorID {
	if text == "" {
		return tracker.VisitorID{}
	}
	id, err := tracker.ParseVisitorID(text)
	if err != nil || id.IsZero() {
		w.wrong.Add(name, "must be 32 hexadecimal digits, not all of them 0")
	}
	return id
}
