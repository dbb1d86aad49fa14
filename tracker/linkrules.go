package tracker

import (
	"strings"
	"time"
)

// Check trims, fills defaults and returns an Invalid if anything is wrong. Lists are not nil afterwards.
func (f *LinkFields) Check() error {
	var wrong Invalid
	wrong.err("code", CheckCode(f.Code))
	if f.AffiliateID <= 0 {
		wrong.Add("affiliate_id", "is required")
	}
	if f.CampaignID < 0 {
		wrong.Add("campaign_id", "is negative")
	}
	f.Subdomain = strings.ToLower(f.Subdomain)
	if f.Subdomain != "" && !isHostLabel(f.Subdomain) {
		wrong.Add("subdomain", "is not one label of a host name")
	}
	wrong.err("destination", CheckDestination(f.Destination))
	f.DeepLinkHosts = wrong.hosts("deep_link_hosts", f.DeepLinkHosts)
	f.checkProgram(&wrong)
	wrong.window("window_seconds", f.Window)
	f.ExpiresAt = checkExpiry(&wrong, f.ExpiresAt)
	f.checkContact(&wrong)
	return wrong.Err()
}

func (f *LinkFields) checkProgram(wrong *Invalid) {
	if f.Program != "" {
		wrong.program("program", f.Program)
	} else if f.GroupID != 0 {
		wrong.Add("group_id", "is given without a program")
	}
	if f.GroupID < 0 || f.GroupID > MaxGroup {
		wrong.Add("group_id", "is not from 0 to 4294967295")
	}
}

// checkExpiry returns a copy in UTC and whole milliseconds, or nil for none.
func checkExpiry(wrong *Invalid, at *time.Time) *time.Time {
	if at == nil || at.IsZero() {
		return nil
	}
	wrong.time("expires_at", *at)
	expiry := at.UTC().Truncate(time.Millisecond)
	return &expiry
}

func (f *LinkFields) checkContact(wrong *Invalid) {
	f.ContactName, f.ContactEmail = strings.TrimSpace(f.ContactName), strings.TrimSpace(f.ContactEmail)
	f.Organisation = strings.TrimSpace(f.Organisation)
	wrong.text("contact_name", f.ContactName, MaxName)
	if f.ContactEmail != "" {
		wrong.email("contact_email", f.ContactEmail)
	}
	wrong.text("organisation", f.Organisation, MaxName)
	orDefault(&f.TrainingStatus, TrainingNotApplicable)
	oneOf(wrong, "training_status", f.TrainingStatus, TrainingNotApplicable, TrainingInTraining, TrainingQualified)
}
