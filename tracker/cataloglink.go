package tracker

import "time"

// TrainingStatus says whether a link's people have been trained (Kraken's LinkTrainingStatus, in lower case).
type TrainingStatus string

// The training statuses.
const (
	TrainingNotApplicable TrainingStatus = "not_applicable" // the default
	TrainingInTraining    TrainingStatus = "in_training"
	TrainingQualified     TrainingStatus = "qualified"
)

// CatalogLink is a link as the books keep it, with what an edge does not need.
type CatalogLink struct {
	ID      int64  `json:"id"`
	Network string `json:"network"`
	LinkFields
	Affiliate string    `json:"affiliate"` // its name
	Campaign  string    `json:"campaign"`  // its name
	Live      bool      `json:"live"`      // enabled, not expired, still in the configuration, affiliate approved, campaign not archived
	Source    string    `json:"source"`    // api, config or session
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// LinkFields is what may be said of a link. Its code is given once and never changes.
type LinkFields struct {
	Code           string         `json:"code"`
	AffiliateID    int64          `json:"affiliate_id"`
	CampaignID     int64          `json:"campaign_id"` // 0: the campaign "default", made where it is missing
	Subdomain      string         `json:"subdomain,omitempty"`
	Destination    string         `json:"destination,omitempty"` // empty: the campaign's landing page, or "/"
	DeepLinkHosts  []string       `json:"deep_link_hosts,omitempty"`
	Program        string         `json:"program,omitempty"`  // guid of the affiliate programme whose parameters are added to the destination
	GroupID        int64          `json:"group_id,omitempty"` // the group that has them
	Window         Seconds        `json:"window_seconds"`     // 0: the campaign's
	Enabled        bool           `json:"enabled"`
	ExpiresAt      *time.Time     `json:"expires_at,omitempty"`
	ContactName    string         `json:"contact_name,omitempty"`
	ContactEmail   string         `json:"contact_email,omitempty"`
	Organisation   string         `json:"organisation,omitempty"`
	TrainingStatus TrainingStatus `json:"training_status"`
	IsBusiness     bool           `json:"is_business"`
}

// LinkFilter selects links; a zero field selects all.
type LinkFilter struct {
	Code         string // without case
	Subdomain    string
	AffiliateID  int64
	CampaignID   int64
	Enabled      *bool
	ContactEmail string
	Source       string
}
