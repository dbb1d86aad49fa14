package tracker

import "time"

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryDue  DeliveryState = "due"  // it is sent at its time, and again after a failure
	DeliverySent DeliveryState = "sent" // the destination took it
	DeliveryDead DeliveryState = "dead" // the last attempt failed, or no attempt can succeed; it can be retried by hand
	DeliveryGone DeliveryState = "gone" // what it was about was erased or must not be shared; nothing is sent
)

// Delivery is an event on its way to one destination. Its id stays the same through all attempts.
type Delivery struct {
	ID          string        `json:"id"` // UUIDv7
	Network     string        `json:"network"`
	Destination string        `json:"destination"`
	Kind        EventKind     `json:"kind"`
	Subject     string        `json:"subject"` // the id of what the event happened to
	N           int           `json:"n"`
	State       DeliveryState `json:"state"`
	DueAt       time.Time     `json:"due_at"`
	Attempts    int           `json:"attempts"`
	Step        int           `json:"-"` // attempts since it was last made due by hand, this one included
	CreatedAt   time.Time     `json:"created_at"`
	UpdatedAt   time.Time     `json:"updated_at"`

	Log []Attempt `json:"log,omitempty"` // not in lists
}

// Attempt is one try at a delivery.
type Attempt struct {
	N          int       `json:"n"` // 1, 2, 3 …
	Time       time.Time `json:"time"`
	DurationUS int64     `json:"duration_us"`      // microseconds
	Status     int       `json:"status,omitempty"` // of the answer; 0: there was none
	Error      string    `json:"error,omitempty"`  // empty: it was taken
	Answer     string    `json:"answer,omitempty"` // its first kilobyte
}

// DeliveryOutcome is what an attempt has led to.
type DeliveryOutcome struct {
	Delivery Delivery // as it was claimed; whoever has claimed it since has the say, unless it was sent
	Attempt  Attempt  // N is ignored: it is the claim's
	State    DeliveryState
	DueAt    time.Time // of the next attempt; with DeliveryDue
	Ref      string    // what the destination calls the subject; empty: what is known of it stays
	Skipped  bool      // it counts as sent, but the destination had nothing to do with it, so it says nothing of its health
	Cut      bool      // nobody knows whether it was taken: no failure, so it brings the delivery no nearer to its death
}

// Hold is a pause of a whole destination, for which its endpoint has asked.
type Hold struct {
	Until time.Time
	Why   string
	By    string // the Route's fingerprint: settings that have changed since are not held
}

// MaxHold is the longest pause that an endpoint may ask for.
const MaxHold = 24 * time.Hour

// CutShort is the error of an attempt whose process ended before there was an answer.
const CutShort = "cut short by the end of the process; nobody knows whether it was taken"

// DestinationState is what the books know of a destination.
type DestinationState struct {
	Name          string     `json:"name"`
	Paused        bool       `json:"paused"`                  // by hand
	DisabledAt    *time.Time `json:"disabled_at,omitempty"`   // nothing but failures for too long, or the endpoint wants no more
	FailingSince  *time.Time `json:"failing_since,omitempty"` // the first failure after the last success
	LastSuccessAt *time.Time `json:"last_success_at,omitempty"`
	HeldUntil     *time.Time `json:"held_until,omitempty"` // nothing is sent before, on any hub
	HeldBecause   string     `json:"held_because,omitempty"`
	LeftAlone     bool       `json:"left_alone"` // by the node that answers, for a moment, since its endpoint fails
	Configured    bool       `json:"configured"` // on the node that answers; else it sends nothing
	Due           int64      `json:"due"`
	Dead          int64      `json:"dead"`
	OldestDueAt   *time.Time `json:"oldest_due_at,omitempty"` // since when the one waits that waits the longest
}

// DestinationName is what a destination is called in the books.
type DestinationName struct {
	Network string
	Name    string
}

// DeliveryFilter selects deliveries; a zero field selects all.
type DeliveryFilter struct {
	ID          string
	Destination string
	State       DeliveryState
	Kind        EventKind
	Subject     string
	MinCreated  time.Time // inclusive
	MaxCreated  time.Time // inclusive
}
