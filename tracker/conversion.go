package tracker

import (
	"encoding/json"
	"time"
)

// ConversionType says what a conversion is.
type ConversionType string

// The types of conversion. Affili's first version says buy, its second sale.
const (
	TypeBuy   ConversionType = "buy"
	TypeSale  ConversionType = "sale"
	TypeLead  ConversionType = "lead"
	TypeClick ConversionType = "click"
)

// ConversionStatus is what the merchant thinks of a conversion.
type ConversionStatus string

// The statuses of a conversion.
const (
	StatusPending    ConversionStatus = "pending" // the default
	StatusApproved   ConversionStatus = "approved"
	StatusRejected   ConversionStatus = "rejected"
	StatusDuplicated ConversionStatus = "duplicated"
)

// The sources of a conversion: by which way it came. An external id is unique within its source.
const (
	SourceAPI      = "api"
	SourceHeader   = "header"   // the response field of the site's own upstream
	SourceBlock    = "block"    // a matcher block of the configuration
	SourcePixel    = "pixel"    // a request for the pixel
	SourcePostback = "postback" // a tracker's postback

	SourceAffili        = "affili"         // the Affili dialect, with a key
	SourceAffiliBrowser = "affili_browser" // the same from a visitor's browser, without one
)

// Sources are all of them.
var Sources = []string{
	SourceAPI, SourceHeader, SourceBlock, SourcePixel, SourcePostback, SourceAffili, SourceAffiliBrowser,
}

// Conversion is a sale, lead or click that earns money, as the books keep it. Amount, commissions and wage are what the
// entries of its history add up to.
type Conversion struct {
	ID         string           `json:"id"` // UUIDv7
	Network    string           `json:"network"`
	Source     string           `json:"source"`
	ExternalID string           `json:"external_id"`
	Repeat     int              `json:"repeat"` // 0 for the first of its identity; later ones were duplicates of it
	Type       ConversionType   `json:"type"`
	Status     ConversionStatus `json:"status"`

	Amount      int64  `json:"amount"` // minor units
	Currency    string `json:"currency"`
	Commissions []Part `json:"commissions"`
	Wage        int64  `json:"wage"` // the fee on it, minor units: the sum of the parts' wages

	IsClosed   bool       `json:"is_closed"`   // only refunds and reversals change it any more
	IsReversed bool       `json:"is_reversed"` // nothing is left of it; only a reversal does that, and nothing changes it any more
	CheckedOut bool       `json:"checked_out"` // paid
	PaidAt     *time.Time `json:"paid_at,omitempty"`

	AffiliateID int64  `json:"affiliate_id,omitempty"` // 0: nobody earns it
	Affiliate   string `json:"affiliate,omitempty"`
	CampaignID  int64  `json:"campaign_id,omitempty"`
	Campaign    string `json:"campaign,omitempty"`
	LinkID      int64  `json:"link_id,omitempty"`
	Code        string `json:"code,omitempty"`
	SessionID   string `json:"session_id,omitempty"`
	VisitorID   string `json:"visitor_id,omitempty"`
	CustomerID  string `json:"customer_id,omitempty"`
	Sub1        string `json:"sub1,omitempty"` // of the session

	Coupon   string          `json:"coupon,omitempty"`
	Name     string          `json:"name,omitempty"` // of a lead
	MetaData json.RawMessage `json:"meta_data,omitempty"`

	OccurredAt time.Time `json:"occurred_at"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`

	Decision Decision `json:"decision"`
	History  []Change `json:"history,omitempty"` // not in lists
}

// Part is a named part of a conversion's amount, with the fee on it. Both in minor units.
type Part struct {
	Name      string `json:"name"`
	SubAmount int64  `json:"sub_amount"`
	Wage      int64  `json:"wage"`
}

// ChangeKind says what an entry of a conversion's history is.
type ChangeKind string

// The kinds of entry. Amount and wage of all entries of a conversion add up to the conversion's.
const (
	ChangeCreated  ChangeKind = "created"
	ChangeStatus   ChangeKind = "status"   // amount 0; the wage goes or comes back with a rejection
	ChangeAmount   ChangeKind = "amount"   // the difference to what it was
	ChangeRefund   ChangeKind = "refund"   // negative
	ChangeReversed ChangeKind = "reversed" // negative: all that was left
	ChangePaid     ChangeKind = "paid"     // amount 0
	ChangeRefused  ChangeKind = "refused"  // amount 0: a repeat with other content, which was not taken
)

// Change is an entry of a conversion's history. Entries are only ever added.
type Change struct {
	N          int              `json:"n"` // 1, 2, 3 …
	Time       time.Time        `json:"time"`
	Kind       ChangeKind       `json:"kind"`
	Status     ConversionStatus `json:"status"`                // after the entry
	Amount     int64            `json:"amount"`                // what it adds, minor units
	Wage       int64            `json:"wage"`                  // likewise
	ExternalID string           `json:"external_id,omitempty"` // of a refund
	Note       string           `json:"note,omitempty"`
	Actor      string           `json:"actor,omitempty"` // the id of the key that did it, or "admin", "edge"
}

// NewConversion reports a conversion. Its identity is (network, source, type, external id), for ever; its content is what
// ContentHash covers. Who reports the same one again gets the first one's answer.
type NewConversion struct {
	ID             string // UUIDv7; default: a new one. The edge gives it, so that a record has one id wherever it is applied
	Network        string
	Source         string // default: SourceAPI
	ExternalID     string // required, at most 255 characters
	Type           ConversionType
	Amount         int64 // minor units, 0 to MaxAmount
	Currency       string
	Commissions    []Part           // wages are ignored; default: one part "default" of the whole amount. Sub-amounts add up to the amount
	Status         ConversionStatus // pending (default) or approved
	Coupon         string
	Name           string
	MetaData       json.RawMessage // a JSON object; default none
	OccurredAt     time.Time       // default: now
	Evidence       Evidence
	Duplicates     DuplicatePolicy // default: the campaign's
	IdempotencyKey string          // of the request; may be empty
	Actor          string
	Aliased        bool // its short id is made with it, see ConversionAliases of the ledger
	Erased         bool // content was taken out on its way (see EraseRecord), so it cannot be compared with that of other reports
}

// Evidence is what tells who brought a visitor, or a customer.
type Evidence struct {
	Token              *Token    // given explicitly: the visitor's token, opened
	Session            SessionID // given explicitly
	CustomerID         string    // the books' id of a customer
	CustomerExternalID string    // the merchant's id of a customer
	CustomerBrand      string
	Coupon             string
	Cookie             *Token // from the request itself; for edge conversions
	Consent            string // given, refused or empty where nobody asked; kept in the decision
}

// ConversionUpdate changes a conversion that is not closed; nil fields stay.
type ConversionUpdate struct {
	Status      *ConversionStatus // pending, approved or rejected
	Amount      *int64            // the new amount; needs Commissions where the conversion has several parts
	Commissions []Part
	Paid        *bool // true: checked out and closed, from approved only; false is refused
	Note        string
	Actor       string
}

// NewRefund takes an amount back from the conversions of an external id that are in its currency and no duplicates, the
// oldest first. It may come after the payout. What they do not have waits for more: for the first conversion, for a further
// one of the duplicate policy new, and for a larger amount by the policy update. Its identity is (network, source, external
// id), until it is withdrawn.
type NewRefund struct {
	Network              string
	Source               string         // default: SourceAPI; of the refund and the conversion
	ExternalID           string         // the refund's own, required
	ConversionType       ConversionType // of the conversion
	ConversionExternalID string         // of the conversion
	Amount               int64          // minor units, above 0
	Currency             string
	Note                 string
	Actor                string
}

// Refund is what became of a refund.
type Refund struct {
	ID                   string         `json:"id"` // UUIDv7
	Network              string         `json:"network"`
	Source               string         `json:"source"`
	ExternalID           string         `json:"external_id"`
	ConversionType       ConversionType `json:"conversion_type"`
	ConversionExternalID string         `json:"conversion_external_id"`
	ConversionID         string         `json:"conversion_id,omitempty"` // the first that it took something from; empty: none yet
	Amount               int64          `json:"amount"`                  // asked for, minor units
	Taken                int64          `json:"taken"`                   // of it, what the conversions had
	Waiting              int64          `json:"waiting"`                 // of it, what waits for more of them
	Currency             string         `json:"currency"`
	Note                 string         `json:"note,omitempty"`
	CreatedAt            time.Time      `json:"created_at"`
}

// RefundFilter selects refunds; a zero field selects all.
type RefundFilter struct {
	Waiting              *bool // whether anything of it waits
	ExternalID           string
	ConversionExternalID string
	ConversionType       ConversionType
	Source               string
}

// ConversionFilter selects conversions; a zero field selects all. Bounds are inclusive. The first ten are Affili's.
type ConversionFilter struct {
	Status              ConversionStatus
	ExternalID          string
	IsClosed            *bool
	IsReversed          *bool // not Affili's
	CheckedOut          *bool
	MinCommissionAmount *int64 // of the sum of the sub-amounts
	MaxCommissionAmount *int64
	MinCreated          time.Time
	MaxCreated          time.Time
	MinUpdated          time.Time
	MaxUpdated          time.Time
	MinAmount           *int64
	MaxAmount           *int64
	MinWage             *int64
	MaxWage             *int64

	Type        ConversionType
	Source      string
	Currency    string // in which amounts are compared, too
	AffiliateID int64
	CampaignID  int64
	LinkID      int64
	SessionID   string
	VisitorID   string
	CustomerID  string
	MinOccurred time.Time
	MaxOccurred time.Time
}
