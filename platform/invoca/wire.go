package invoca

import (
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Affiliate is an affiliate as the platform writes it, its fields in the order of the platform's samples.
type Affiliate struct {
	ID            int64             `json:"id"`
	IDFromNetwork *string           `json:"id_from_network"` // null for one that was made elsewhere, without such an id
	ObjectURL     string            `json:"object_url"`
	Sites         []Site            `json:"sites"`
	Name          string            `json:"name"`
	Users         []User            `json:"users"`
	Status        string            `json:"status"` // Applied, Approved, Declined, Suspended or Archived
	CustomData    map[string]string `json:"custom_data"`
}

// Site is one of an affiliate's sites.
type Site struct {
	IDFromNetwork string `json:"id_from_network"`
	Name          string `json:"name,omitempty"`
}

// User is a person of an affiliate. The platform's table calls the number contact_phone_number, its samples phone_number: a
// string, or null where there is none. Nil is not written.
type User struct {
	EmailSettings      []tracker.EmailSetting `json:"email_settings"`
	IDFromNetwork      string                 `json:"id_from_network"`
	FirstName          string                 `json:"first_name"`
	PhoneNumber        any                    `json:"phone_number,omitempty"`
	ContactPhoneNumber any                    `json:"contact_phone_number,omitempty"`
	LastName           string                 `json:"last_name"`
	Role               string                 `json:"role"` // Super, Manager, Member or Observer

	NotifyOnBudgets                           bool `json:"notify_on_budgets"`
	NotifyOnCampaignApplications              bool `json:"notify_on_campaign_applications"`
	NotifyOnCampaignExpirations               bool `json:"notify_on_campaign_expirations"`
	NotifyOnCreativeDuplicationRequests       bool `json:"notify_on_creative_duplication_requests"`
	NotifyOnNetworkAnnouncements              bool `json:"notify_on_network_announcements"`
	NotifyOnPerformanceNotifications          bool `json:"notify_on_performance_notifications"`
	NotifyOnMonthlyCampaignPerformanceReports bool `json:"notify_on_monthly_campaign_performance_reports"`
	NotifyOnWeeklyCampaignPerformanceReports  bool `json:"notify_on_weekly_campaign_performance_reports"`
	NotifyOnCallActivities                    bool `json:"notify_on_call_activities"`

	CanLoginViaPlatform bool `json:"can_login_via_platform"` // always true, as in the samples
}

// NewAffiliate writes an affiliate of the books in the platform's form, with no object_url.
func NewAffiliate(a *tracker.Affiliate) Affiliate {
	wire := Affiliate{
		ID: a.ID, IDFromNetwork: orNull(a.IDFromNetwork), Sites: []Site{}, Name: a.Name, Users: []User{},
		Status: capital(a.Status), CustomData: a.CustomData,
	}
	for _, site := range a.Sites {
		wire.Sites = append(wire.Sites, Site(site))
	}
	for i := range a.Users {
		wire.Users = append(wire.Users, newUser(&a.Users[i]))
	}
	if wire.CustomData == nil {
		wire.CustomData = map[string]string{}
	}
	return wire
}

func newUser(u *tracker.User) User {
	return User{
		EmailSettings: u.EmailSettings, IDFromNetwork: u.IDFromNetwork, FirstName: u.FirstName,
		PhoneNumber: orNull(u.ContactPhoneNumber), LastName: u.LastName, Role: capital(u.Role),

		NotifyOnBudgets:                           u.NotifyOnBudgets,
		NotifyOnCampaignApplications:              u.NotifyOnCampaignApplications,
		NotifyOnCampaignExpirations:               u.NotifyOnCampaignExpirations,
		NotifyOnCreativeDuplicationRequests:       u.NotifyOnCreativeDuplicationRequests,
		NotifyOnNetworkAnnouncements:              u.NotifyOnNetworkAnnouncements,
		NotifyOnPerformanceNotifications:          u.NotifyOnPerformanceNotifications,
		NotifyOnMonthlyCampaignPerformanceReports: u.NotifyOnMonthlyCampaignPerformanceReports,
		NotifyOnWeeklyCampaignPerformanceReports:  u.NotifyOnWeeklyCampaignPerformanceReports,
		NotifyOnCallActivities:                    u.NotifyOnCallActivities,

		CanLoginViaPlatform: true,
	}
}

// notifications are the settings of a user by the platform's names.
func notifications(u *tracker.User) map[string]*bool {
	return map[string]*bool{
		"notify_on_budgets":                              &u.NotifyOnBudgets,
		"notify_on_campaign_applications":                &u.NotifyOnCampaignApplications,
		"notify_on_campaign_expirations":                 &u.NotifyOnCampaignExpirations,
		"notify_on_creative_duplication_requests":        &u.NotifyOnCreativeDuplicationRequests,
		"notify_on_network_announcements":                &u.NotifyOnNetworkAnnouncements,
		"notify_on_performance_notifications":            &u.NotifyOnPerformanceNotifications,
		"notify_on_monthly_campaign_performance_reports": &u.NotifyOnMonthlyCampaignPerformanceReports,
		"notify_on_weekly_campaign_performance_reports":  &u.NotifyOnWeeklyCampaignPerformanceReports,
		"notify_on_call_activities":                      &u.NotifyOnCallActivities,
	}
}

// capital writes a word of the books as the platform does: Approved for approved.
func capital[T ~string](word T) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(string(word[:1])) + string(word[1:])
}

// plain is the inverse of capital. A word that the platform does not write so stays as it is, and is then none of the books'.
func plain[T ~string](word string) T {
	if small := T(strings.ToLower(word)); word != "" && capital(small) == word {
		return small
	}
	return T("?")
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
