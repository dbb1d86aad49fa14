package tracker

import "time"

// Retention says how long the books keep what tells of a visitor, field class by field class. Sessions stay; what is older in
// them is blanked. Zero keeps it for ever.
type Retention struct {
	IP        time.Duration // the client's address
	UserAgent time.Duration // the user agent; what was made of it (browser, system, device) stays
	Query     time.Duration // the query with the networks' click ids in it, and the referrer
}
