package tracker

import "time"

// Campaign is the offer that affiliates promote, as the books keep it.
type Campaign struct {
	ID      int64  `json:"id"`
	Network string `json:"network"`
	CampaignFields
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// CampaignFields is what may be said of a campaign.
type CampaignFields struct {
	Name          string          `json:"name"`        // unique in the network, 1 to 255 characters
	Archived      bool            `json:"archived"`    // an archived campaign earns nothing any more
	Commissions   []Commission    `json:"commissions"` // what is paid, by name; a part of a conversion without a rule of its name follows "default"
	Window        Seconds         `json:"window_seconds"`
	LandingPage   string          `json:"landing_page,omitempty"`    // where links without a destination go: an http or https URL, or a path
	DeepLinkHosts []string        `json:"deep_link_hosts,omitempty"` // hosts that a deep-link parameter may name, for links that list none
	Coupons       []Coupon        `json:"coupons"`
	Duplicates    DuplicatePolicy `json:"duplicates"`
}

// Seconds is a duration in whole seconds, as the API spells it; 0: the default. Of a window that is the configuration's.
type Seconds int64

// Duration returns s as a duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// DefaultCommission is the name of the commission for what no other commission is named for.
const DefaultCommission = "default"

// Commission is what a campaign pays on a conversion, or on the part of it that has the commission's name: a share or a
// fixed sum, never both.
type Commission struct {
	Name    string  `json:"name" required:"true"`            // 1 to 64 characters
	Percent Percent `json:"percent" requiredWithout:"fixed"` // of the amount, "12.5"; "0" where Fixed is given
	Fixed   *Money  `json:"fixed,omitempty"`                 // for each conversion in this currency; others earn nothing by it
}

// Coupon is a code that a buyer types in, which tells who sent them. Codes are compared without case and unique in the network.
type Coupon struct {
	Code        string `json:"code" required:"true"` // 1 to 64 characters, as link codes
	AffiliateID int64  `json:"affiliate_id" required:"true"`
}

// DuplicatePolicy says what becomes of a conversion that was reported before with other content.
type DuplicatePolicy string

// The duplicate policies. With each of them an exact repeat gets the first one's answer and counts once.
const (
	DuplicateReject DuplicatePolicy = "reject" // the default: refused with a conflict, noted in the history of the first
	DuplicateUpdate DuplicatePolicy = "update" // the first takes the new content, unless it is closed
	DuplicateNew    DuplicatePolicy = "new"    // one more conversion
	DuplicateMark   DuplicatePolicy = "mark"   // one more, with the status duplicated, which earns nothing
	DuplicateIgnore DuplicatePolicy = "ignore" // answered as the first, which stays as it is
)

// CampaignFilter selects campaigns; a zero field selects all.
type CampaignFilter struct {
	Name     string
	Archived *bool
}
