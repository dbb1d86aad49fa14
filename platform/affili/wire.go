package affili

import "encoding/json"

// apiVersion is what every answer says, as in the platform's documents.
const apiVersion = "1.0.0"

// Tags name what an answer is of. findConversion is the platform's; the others its documents do not show, and are ours.
const (
	tagSetCookie        = "setCookie"
	tagConversions      = "conversionsList"
	tagFindConversion   = "findConversion"
	tagCreateConversion = "createConversion"
	tagUpdateConversion = "updateConversion"
)

// Envelope is every answer that is no error.
type Envelope struct {
	Status     string `json:"status"` // ok
	Tag        string `json:"tag"`
	Data       any    `json:"data"`
	Meta       *Meta  `json:"meta,omitempty"`
	APIVersion string `json:"api_version"`
}

// Meta is ours: it is there where a list has more rows than one answer.
type Meta struct {
	Next string `json:"next"` // the parameter after for the rows that follow
}

// ErrorEnvelope is every answer that is an error. The platform's documents show none: its form is ours, after Laravel's.
type ErrorEnvelope struct {
	Status     string              `json:"status"` // error
	Tag        string              `json:"tag,omitempty"`
	Errors     map[string][]string `json:"errors"` // by field
	APIVersion string              `json:"api_version"`
}

// Conversion is a conversion as the platform shows it. Amounts are json.Number: whole in a currency without decimals.
type Conversion struct {
	ID          string       `json:"id"`
	Publisher   *Publisher   `json:"publisher"` // null: nobody earns it
	Status      int          `json:"status"`    // 0 pending, 1 approved, 2 rejected, 3 duplicated
	Type        any          `json:"type"`      // a number where one is known, else the word
	Wage        json.Number  `json:"wage"`
	Amount      json.Number  `json:"amount"`
	CreatedAt   string       `json:"created_at"`
	UpdatedAt   string       `json:"updated_at"`
	ExternalID  string       `json:"external_id"`
	Commissions []Commission `json:"commissions"`
	IsClosed    int          `json:"is_closed"`   // 1: it cannot be changed any more
	CheckedOut  int          `json:"checked_out"` // 1: paid
	Client      Client       `json:"client"`
	Clicks      []Click      `json:"clicks"`
	Currency    string       `json:"currency,omitempty"` // ours: where it is not the network's
}

// Publisher is the affiliate who earns a conversion.
type Publisher struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Commission is a part of a conversion's amount.
type Commission struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	SubAmount json.Number `json:"sub_amount"`
}

// Client is what is known of the buyer's browser.
type Client struct {
	Agents []string `json:"agents"`
	IPs    []string `json:"ips"`
}

// Click is a session of the conversion's visitor. Its form is ours: the platform's documents show an empty list.
type Click struct {
	ID        string `json:"id"`     // of the session, a UUID
	AffID     string `json:"aff_id"` // the link's code
	Class     string `json:"class"`
	URL       string `json:"url"` // host and path that were asked for
	CreatedAt string `json:"created_at"`
}

// Cookie is what a client is to keep in the visitor's browser. Token is false where there is nothing to keep.
type Cookie struct {
	Token        any  `json:"token"`
	ValidDays    int  `json:"valid_days"`
	DeleteCookie bool `json:"delete_cookie"` // whether a sale ends it
}
