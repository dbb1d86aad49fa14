package tracker

import "time"

// AffiliateStatus is what a network thinks of an affiliate. Only an approved one earns.
type AffiliateStatus string

// The statuses of an affiliate (Invoca's, in lower case).
const (
	AffiliateApplied   AffiliateStatus = "applied"
	AffiliateApproved  AffiliateStatus = "approved" // the default
	AffiliateDeclined  AffiliateStatus = "declined"
	AffiliateSuspended AffiliateStatus = "suspended"
	AffiliateArchived  AffiliateStatus = "archived"
)

// Affiliate is a partner who refers visitors, as the books keep them.
type Affiliate struct {
	ID      int64  `json:"id"`
	Network string `json:"network"`
	AffiliateFields
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// AffiliateFields is what may be said of an affiliate.
type AffiliateFields struct {
	IDFromNetwork string            `json:"id_from_network,omitempty"` // the merchant's own id, unique in the network unless empty
	Name          string            `json:"name"`                      // unique in the network, 1 to 255 characters
	Status        AffiliateStatus   `json:"status"`
	Sites         []Site            `json:"sites"`
	Users         []User            `json:"users"`
	CustomData    map[string]string `json:"custom_data"`
}

// Site is one of an affiliate's sites.
type Site struct {
	IDFromNetwork string `json:"id_from_network"`
	Name          string `json:"name,omitempty"`
}

// Role is what a user may do in the affiliate's organisation.
type Role string

// The roles of a user (Invoca's, in lower case).
const (
	RoleSuper    Role = "super" // the default
	RoleManager  Role = "manager"
	RoleMember   Role = "member"
	RoleObserver Role = "observer"
)

// User is a person of an affiliate. The fields are those of Invoca's API of 2018-11-01.
type User struct {
	IDFromNetwork      string         `json:"id_from_network"`
	FirstName          string         `json:"first_name"`
	LastName           string         `json:"last_name"`
	EmailSettings      []EmailSetting `json:"email_settings"` // at least one is used for notifications
	ContactPhoneNumber string         `json:"contact_phone_number,omitempty"`
	Role               Role           `json:"role"`

	NotifyOnBudgets                           bool `json:"notify_on_budgets"`
	NotifyOnCampaignApplications              bool `json:"notify_on_campaign_applications"`
	NotifyOnCampaignExpirations               bool `json:"notify_on_campaign_expirations"`
	NotifyOnCreativeDuplicationRequests       bool `json:"notify_on_creative_duplication_requests"`
	NotifyOnNetworkAnnouncements              bool `json:"notify_on_network_announcements"`
	NotifyOnPerformanceNotifications          bool `json:"notify_on_performance_notifications"`
	NotifyOnMonthlyCampaignPerformanceReports bool `json:"notify_on_monthly_campaign_performance_reports"`
	NotifyOnWeeklyCampaignPerformanceReports  bool `json:"notify_on_weekly_campaign_performance_reports"`
	NotifyOnCallActivities                    bool `json:"notify_on_call_activities"`
}

// EmailSetting is an address of a user.
type EmailSetting struct {
	EmailAddress        string `json:"email_address"` // RFC 5322 addr-spec, unique for the user
	UseForNotifications bool   `json:"use_for_notifications"`
}

// AffiliateFilter selects affiliates; a zero field selects all.
type AffiliateFilter struct {
	Status        AffiliateStatus
	Name          string
	IDFromNetwork string
}
