package tracker

import "time"

// BookedSession is a session as the ledger keeps it: what the edge captured, and what the apply step made of it.
type BookedSession struct {
	Session
	LinkID        int64             // the ledger's number of the link
	Affiliate     string            // the name of the link's affiliate; set on reading
	Browser       string            // from the user agent
	OS            string            // likewise
	Device        string            // likewise
	SubIDs        map[string]string // sub1 … sub5
	ClickIDs      map[string]string // the advertising networks' own click ids, under their own names
	Origin        string            // where it was recorded
	Seq           uint64            // its number there
	Reconstructed bool              // rebuilt from a token, since its row was gone
	QueryParams   string            // of a session that Kraken's API made: its queryParams, a JSON text as it came
	QuoteShareID  string            // likewise: the quote share that led to it
}

// SessionFilter selects sessions; a zero field selects all.
type SessionFilter struct {
	Class         Class
	Code          string // without case
	LinkID        int64
	AffiliateID   int64
	Visitor       VisitorID
	MinTime       time.Time // inclusive
	MaxTime       time.Time // inclusive
	SubIDName     string    // sub1 … sub5, with SubIDValue
	SubIDValue    string
	Reconstructed *bool
}
