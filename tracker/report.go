package tracker

import "time"

// ReportBy is a dimension of a report.
type ReportBy string

// The dimensions.
const (
	ByDay       ReportBy = "day" // UTC
	ByAffiliate ReportBy = "affiliate"
	ByCampaign  ReportBy = "campaign"
	ByLink      ReportBy = "link"
	BySub1      ReportBy = "sub1"
	ByCurrency  ReportBy = "currency" // always among them where money is shown
)

// ReportQuery asks for a report.
type ReportQuery struct {
	From, To    time.Time  // days, both included; UTC
	By          []ReportBy // up to three; empty: one line for each currency
	AffiliateID int64      // 0: all
	CampaignID  int64      // 0: all
}

// ReportRow is one line of a report: clicks by link, and what conversions came to in one currency. Where a line has
// conversions in several currencies there is one row for each, and the clicks stand in the first.
type ReportRow struct {
	Day         string `json:"day,omitempty"` // 2006-01-02
	AffiliateID int64  `json:"affiliate_id,omitempty"`
	Affiliate   string `json:"affiliate,omitempty"`
	CampaignID  int64  `json:"campaign_id,omitempty"`
	Campaign    string `json:"campaign,omitempty"`
	LinkID      int64  `json:"link_id,omitempty"`
	Code        string `json:"code,omitempty"`
	Sub1        string `json:"sub1,omitempty"`

	Clicks       int64 `json:"clicks"`        // human and repeat
	UniqueClicks int64 `json:"unique_clicks"` // the first of a visitor on a link in a day
	Bots         int64 `json:"bots"`          // bot, prefetch and subresource
	OtherClicks  int64 `json:"other_clicks"`  // no_consent and inactive_link

	Currency    string `json:"currency,omitempty"`
	Conversions int64  `json:"conversions"` // all but rejected and duplicated
	Pending     int64  `json:"pending"`
	Approved    int64  `json:"approved"`
	Rejected    int64  `json:"rejected"`
	Duplicated  int64  `json:"duplicated"`
	Amount      int64  `json:"amount"`    // of pending and approved ones, minor units
	Wage        int64  `json:"wage"`      // likewise
	WagePaid    int64  `json:"wage_paid"` // of it, checked out
}

// Subject names the person whom an erasure or an export is about, in one of three ways.
type Subject struct {
	Visitor            VisitorID // from a token
	CustomerID         string    // the books'
	CustomerExternalID string    // the merchant's, also of one who was never reported
	CustomerBrand      string    // with CustomerExternalID; may be empty
}

// Erasure says what an erasure took away.
type Erasure struct {
	Sessions     int64 `json:"sessions"`
	Conversions  int64 `json:"conversions"`
	Customers    int64 `json:"customers"`
	Transactions int64 `json:"transactions"`
}
