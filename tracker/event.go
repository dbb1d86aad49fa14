package tracker

import "time"

// EventKind says what happened in the books.
type EventKind string

// The kinds of event.
const (
	EventSession           EventKind = "session.created"
	EventConversion        EventKind = "conversion.created"
	EventConversionChanged EventKind = "conversion.updated" // another status, amount or payment; a refund; a reversal
	EventCustomer          EventKind = "customer.created"
	EventCustomerChanged   EventKind = "customer.updated"
	EventTransaction       EventKind = "transaction.created"
	EventAffiliate         EventKind = "affiliate.updated"    // made, changed, archived or deleted
	EventGroupTokens       EventKind = "group_tokens.updated" // put or deleted
	EventTest              EventKind = "test"                 // sent by hand, to see whether a destination works
)

// EventKinds are all that happen by themselves.
var EventKinds = []EventKind{
	EventSession, EventConversion, EventConversionChanged, EventCustomer, EventCustomerChanged, EventTransaction, EventAffiliate,
	EventGroupTokens,
}

// Event is something that happened in the books, as a destination is told of it. What it happened to is as the books have it
// when the event is sent: one of the fields at the end is set, but for a test and for what is gone.
type Event struct {
	ID      string    `json:"id"` // of its delivery: the same in every attempt
	Kind    EventKind `json:"type"`
	Network string    `json:"network"`
	Subject string    `json:"subject"` // the id of what it happened to
	N       int       `json:"n"`       // of a conversion: the entry of its history; of others a running number
	Time    time.Time `json:"timestamp"`
	Gone    bool      `json:"gone,omitempty"` // what it happened to was deleted

	Session     *BookedSession `json:"-"`
	Conversion  *Conversion    `json:"-"` // with its history
	Customer    *Customer      `json:"-"`
	Transaction *Transaction   `json:"-"` // with its Customer
	Affiliate   *Affiliate     `json:"-"`
	FormerID    string         `json:"-"` // of an affiliate: the id_from_network that it had until it was deleted or given another
	GroupTokens *ProgramTokens `json:"-"` // of a group; the subject is its number and the programme, GroupSubject
	Link        *CatalogLink   `json:"-"` // of the session's or the conversion's link, where it has one

	// What the destination is reminded of, if its Route asks for it.
	Ref        string `json:"-"` // what it called the subject when it took an event of it; empty: it did not, or named nothing
	SessionRef string `json:"-"` // likewise, of a conversion's session
	InDoubt    bool   `json:"-"` // nobody knows what became of the attempt before: whoever made it has not lived to say
}

// MaxRef is the longest that a destination may call something, in bytes.
const MaxRef = 1024

// ExternalRef is what a destination calls something of ours.
type ExternalRef struct {
	Destination string `json:"destination"`
	Subject     string `json:"subject"` // our id of it
	Ref         string `json:"ref"`
}

// Route is a destination as the books have to know it: of which events it gets a delivery.
type Route struct {
	Destination string // its name, unique in the configuration
	Network     string
	Kinds       []EventKind
	Classes     []Class            // of sessions; empty: human
	Statuses    []ConversionStatus // of conversions, after the change; empty: all
	Campaigns   []string           // of conversions and customers, by name; empty: all
	Ordered     bool               // events of one subject are sent one after the other, each until it is sent or dead
	BySession   bool               // with Ordered: a conversion comes after its session, and those of one session are one subject
	Remembers   bool               // its events come with what it called things before
	Fingerprint string             // changes with the destination's settings, as they are when their placeholders are replaced; no secret
}
