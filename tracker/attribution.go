package tracker

import "time"

// Rule says which of a visitor's clicks earns.
type Rule string

// The attribution rules.
const (
	LastClick  Rule = "last_click" // the default
	FirstClick Rule = "first_click"
)

// Terms are the rules of a network's books.
type Terms struct {
	Rule    Rule          // default: LastClick
	Window  time.Duration // how long a click earns where neither link nor campaign says; default: DefaultWindow
	Organic OrganicRule   // default: OrganicAssign
}

// EvidenceKind names a piece of evidence. Stronger ones are asked first; the order is that of the constants.
type EvidenceKind string

// The kinds of evidence, strongest first.
const (
	EvidenceToken    EvidenceKind = "token"    // a token that the reporter gave
	EvidenceSession  EvidenceKind = "session"  // a session id that the reporter gave
	EvidenceCustomer EvidenceKind = "customer" // the session to which the customer is bound
	EvidenceCoupon   EvidenceKind = "coupon"   // the affiliate whose coupon was used
	EvidenceCookie   EvidenceKind = "cookie"   // the token of the visitor's own cookie
)

// Considered is one touch, or one coupon, that might have earned, and what became of it.
type Considered struct {
	Evidence    EvidenceKind `json:"evidence"`
	SessionID   string       `json:"session_id,omitempty"`
	Code        string       `json:"code"` // of the link, or the coupon
	LinkID      int64        `json:"link_id,omitempty"`
	AffiliateID int64        `json:"affiliate_id,omitempty"`
	Affiliate   string       `json:"affiliate,omitempty"`
	CampaignID  int64        `json:"campaign_id,omitempty"`
	Campaign    string       `json:"campaign,omitempty"`
	Class       Class        `json:"class,omitempty"`          // of a session that was given, where it is one that never earns
	Time        *time.Time   `json:"time,omitempty"`           // of the click; a coupon has none
	Window      Seconds      `json:"window_seconds,omitempty"` // within which it earns
	Outcome     Outcome      `json:"outcome"`
}

// Outcome says why something considered earns, or does not.
type Outcome string

// The outcomes.
const (
	Won             Outcome = "won"
	Outranked       Outcome = "outranked"         // stronger evidence, or the rule, preferred another
	Expired         Outcome = "expired"           // the click is older than its window
	InFuture        Outcome = "in_future"         // the click is later than the conversion
	UnknownLink     Outcome = "unknown_link"      // the books have no link of that code
	LinkNotLive     Outcome = "link_not_live"     // disabled, expired, or gone from the configuration
	NotApproved     Outcome = "not_approved"      // the affiliate is not approved
	CampaignOver    Outcome = "campaign_archived" // the campaign is archived
	WrongClass      Outcome = "wrong_class"       // the session is of a class that never earns, such as a robot's
	UnknownCoupon   Outcome = "unknown_coupon"
	UnknownSession  Outcome = "unknown_session"  // the books have no such session, and no token told of it
	UnknownCustomer Outcome = "unknown_customer" // the books have no such customer
	OrganicCustomer Outcome = "organic_customer" // nobody brought the customer
)

// Decision is the record of an attribution: everything that was considered, and why it ended so. It is kept with what it
// decided and never changes.
type Decision struct {
	Rule       Rule         `json:"rule"`
	Time       time.Time    `json:"time"` // of the conversion, against which windows are judged
	Consent    string       `json:"consent,omitempty"`
	Considered []Considered `json:"considered"`
	Reason     string       `json:"reason"` // one sentence for people
}

// Winner returns what won, or nil if nothing earns.
func (d *Decision) Winner() *Considered {
	for i := range d.Considered {
		if d.Considered[i].Outcome == Won {
			return &d.Considered[i]
		}
	}
	return nil
}

// LinkTerms is what attribution needs to know of a link, as it is now.
type LinkTerms struct {
	LinkID      int64
	Code        string
	AffiliateID int64
	Affiliate   string
	Status      AffiliateStatus
	CampaignID  int64
	Campaign    string
	Archived    bool          // the campaign
	Enabled     bool          // and not gone from the configuration
	ExpiresAt   time.Time     // zero: never
	Window      time.Duration // the link's or its campaign's; 0: that of the terms
}

// Claim is one piece of evidence, looked up in the books.
type Claim struct {
	Kind    EvidenceKind
	Touches []Touch    // in order of time; of a token both, of a session or a customer one
	Class   Class      // of a session; empty: one that may earn
	Code    string     // of a coupon
	Link    *LinkTerms // of a coupon: its affiliate and campaign, with LinkID 0; nil if the books do not know it
	Failed  Outcome    // set where the evidence led nowhere: UnknownSession, UnknownCustomer, OrganicCustomer
}
