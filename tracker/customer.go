package tracker

import "time"

// Customer is a registered person of the merchant, bound to the session that brought them. The fields follow Affelios' object.
type Customer struct {
	ID      string `json:"id"` // UUIDv7
	Network string `json:"network"`
	CustomerFields
	ExternalID string `json:"external_id"`     // the merchant's id, unique in network and brand, never reused
	Brand      string `json:"brand,omitempty"` // the merchant's brand or shop; may be empty

	Organic     bool   `json:"organic"` // no session brought them
	SessionID   string `json:"session_id,omitempty"`
	VisitorID   string `json:"visitor_id,omitempty"`
	LinkID      int64  `json:"link_id,omitempty"`
	AffiliateID int64  `json:"affiliate_id,omitempty"`
	Affiliate   string `json:"affiliate,omitempty"`
	CampaignID  int64  `json:"campaign_id,omitempty"`
	Campaign    string `json:"campaign,omitempty"`

	Sums      []CustomerSum `json:"sums"` // of the transactions, one for each currency, by currency
	CreatedAt time.Time     `json:"created_at"`
	UpdatedAt time.Time     `json:"updated_at"`
	Decision  Decision      `json:"decision"` // why this session
}

// CustomerFields is what may be said of a customer, and said again.
type CustomerFields struct {
	Username         string    `json:"username,omitempty"`
	RegisteredAt     time.Time `json:"registered_at"`          // default: now
	Country          string    `json:"country,omitempty"`      // free text
	CountryCode      string    `json:"country_code,omitempty"` // ISO 3166-1 alpha-2
	RevShareExcluded bool      `json:"rev_share_excluded"`
	CPAExcluded      bool      `json:"cpa_excluded"`
	Category         string    `json:"category,omitempty"`
	Label            string    `json:"label,omitempty"`
	Note             string    `json:"note,omitempty"`
}

// CustomerSum is what a customer's transactions in one currency come to, in minor units.
type CustomerSum struct {
	Currency           string     `json:"currency"`
	Transactions       int64      `json:"transactions"`
	Deposits           int64      `json:"deposits"`
	FirstDepositAt     *time.Time `json:"first_deposit_at,omitempty"`
	FirstDeposit       int64      `json:"first_deposit"`
	GrossRevenue       int64      `json:"gross_revenue"`
	Wagered            int64      `json:"wagered"`
	RevShareCommission int64      `json:"rev_share_commission"`
	CPACommission      int64      `json:"cpa_commission"`
	FixedCommission    int64      `json:"fixed_commission"`
	FirstCPAAt         *time.Time `json:"first_cpa_at,omitempty"` // of the earliest transaction with a CPA commission above zero
}

// NewCustomer reports a customer. Who reports the same one again, with the same content, gets the first one's answer.
type NewCustomer struct {
	Network    string
	ExternalID string // required, at most 255 characters
	Brand      string
	CustomerFields
	Evidence Evidence
}

// OrganicRule says what becomes of a customer whom no session brought.
type OrganicRule string

// The organic rules.
const (
	OrganicAssign OrganicRule = "assign" // the default: kept, in the campaign OrganicCampaign, with no affiliate
	OrganicReject OrganicRule = "reject" // refused with ErrOrganic
)

// OrganicCampaign is the campaign of organic customers.
const OrganicCampaign = "organic"

// Transaction is money that moved for a customer. Amounts are in minor units and may be negative.
type Transaction struct {
	ID         string `json:"id"` // UUIDv7
	Network    string `json:"network"`
	CustomerID string `json:"customer_id"`
	TransactionFields
	CreatedAt time.Time `json:"created_at"`
}

// TransactionFields is what is said of a transaction, once.
type TransactionFields struct {
	ExternalID         string    `json:"external_id"`    // unique in the network for ever, at most 255 characters
	Type               string    `json:"type,omitempty"` // deposit, revenue … free text, at most 64 characters
	Time               time.Time `json:"time"`           // default: now
	Currency           string    `json:"currency"`
	Deposit            int64     `json:"deposit"`
	GrossRevenue       int64     `json:"gross_revenue"`
	Wagered            int64     `json:"wagered"`
	RevShareCommission int64     `json:"rev_share_commission"`
	CPACommission      int64     `json:"cpa_commission"`
	FixedCommission    int64     `json:"fixed_commission"`
	Product            string    `json:"product,omitempty"`
	Country            string    `json:"country,omitempty"`      // free text
	CountryCode        string    `json:"country_code,omitempty"` // ISO 3166-1 alpha-2
	Category           string    `json:"category,omitempty"`
	Label              string    `json:"label,omitempty"`
	Note               string    `json:"note,omitempty"`
}

// NewTransaction reports a transaction of the customer with that external id and brand.
type NewTransaction struct {
	Network            string
	CustomerExternalID string
	CustomerBrand      string
	TransactionFields
}

// CustomerFilter selects customers; a zero field selects all.
type CustomerFilter struct {
	ExternalID  string
	Brand       string
	AffiliateID int64
	SessionID   string
	Organic     *bool
	MinCreated  time.Time
	MaxCreated  time.Time
}

// TransactionFilter selects transactions; a zero field selects all.
type TransactionFilter struct {
	CustomerID string
	ExternalID string
	Type       string
	MinTime    time.Time
	MaxTime    time.Time
}
