package tracker

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The most entries of an affiliate's lists.
const (
	MaxSites      = 100
	MaxUsers      = 100
	MaxEmails     = 20 // of one user
	MaxCustomData = 50
)

// The most characters of custom data.
const (
	maxCustomKey   = 64
	maxCustomValue = 1000
)

// Check trims, fills defaults and returns an Invalid if anything is wrong. Lists and maps are not nil afterwards.
func (f *AffiliateFields) Check() error {
	var wrong Invalid
	f.IDFromNetwork, f.Name = strings.TrimSpace(f.IDFromNetwork), strings.TrimSpace(f.Name)
	wrong.text("id_from_network", f.IDFromNetwork, MaxName)
	wrong.required("name", f.Name, MaxName)
	orDefault(&f.Status, AffiliateApproved)
	oneOf(&wrong, "status", f.Status,
		AffiliateApplied, AffiliateApproved, AffiliateDeclined, AffiliateSuspended, AffiliateArchived)
	f.Sites = checkSites(&wrong, f.Sites)
	f.Users = checkUsers(&wrong, f.Users)
	f.CustomData = checkCustomData(&wrong, f.CustomData)
	return wrong.Err()
}

func checkSites(wrong *Invalid, sites []Site) []Site {
	checked := []Site{}
	if wrong.tooMany("sites", len(sites), MaxSites) {
		return checked
	}
	ids := map[string]bool{}
	for i, site := range sites {
		field := fmt.Sprintf("sites[%d].", i)
		site.IDFromNetwork, site.Name = strings.TrimSpace(site.IDFromNetwork), strings.TrimSpace(site.Name)
		wrong.required(field+"id_from_network", site.IDFromNetwork, MaxName)
		wrong.unique(field+"id_from_network", site.IDFromNetwork, ids)
		wrong.text(field+"name", site.Name, MaxName)
		checked = append(checked, site)
	}
	return checked
}

func checkUsers(wrong *Invalid, users []User) []User {
	checked := []User{}
	if wrong.tooMany("users", len(users), MaxUsers) {
		return checked
	}
	ids := map[string]bool{}
	for i, user := range users {
		field := fmt.Sprintf("users[%d].", i)
		user.check(wrong, field)
		wrong.unique(field+"id_from_network", user.IDFromNetwork, ids)
		checked = append(checked, user)
	}
	return checked
}

func (u *User) check(wrong *Invalid, field string) {
	u.IDFromNetwork = strings.TrimSpace(u.IDFromNetwork)
	u.FirstName, u.LastName = strings.TrimSpace(u.FirstName), strings.TrimSpace(u.LastName)
	wrong.required(field+"id_from_network", u.IDFromNetwork, MaxName)
	wrong.required(field+"first_name", u.FirstName, MaxName)
	wrong.required(field+"last_name", u.LastName, MaxName)
	u.EmailSettings = checkEmails(wrong, field+"email_settings", u.EmailSettings)
	u.ContactPhoneNumber = phoneDigits(u.ContactPhoneNumber)
	if u.ContactPhoneNumber != "" && !isPhone(u.ContactPhoneNumber) {
		wrong.Add(field+"contact_phone_number", "is neither an E.164 number such as +18057089876 nor one of 10 digits")
	}
	orDefault(&u.Role, RoleSuper)
	oneOf(wrong, field+"role", u.Role, RoleSuper, RoleManager, RoleMember, RoleObserver)
}

func checkEmails(wrong *Invalid, field string, settings []EmailSetting) []EmailSetting {
	checked := []EmailSetting{}
	if wrong.tooMany(field, len(settings), MaxEmails) {
		return checked
	}
	addresses := map[string]bool{}
	notified := false
	for i, setting := range settings {
		at := fmt.Sprintf("%s[%d].email_address", field, i)
		setting.EmailAddress = strings.TrimSpace(setting.EmailAddress)
		wrong.email(at, setting.EmailAddress)
		wrong.unique(at, strings.ToLower(setting.EmailAddress), addresses)
		notified = notified || setting.UseForNotifications
		checked = append(checked, setting)
	}
	if !notified {
		wrong.Add(field, "needs at least one address with use_for_notifications")
	}
	return checked
}

// checkCustomData names no key in what it notes: keys come from outside as well.
func checkCustomData(wrong *Invalid, data map[string]string) map[string]string {
	checked := map[string]string{}
	if wrong.tooMany("custom_data", len(data), MaxCustomData) {
		return checked
	}
	var keys, values Invalid
	for key, value := range data {
		keys.required("custom_data", key, maxCustomKey)
		values.text("custom_data", value, maxCustomValue)
		checked[key] = value
	}
	const want = "characters of UTF-8 without control characters"
	if len(keys) > 0 {
		wrong.Add("custom_data", fmt.Sprintf("has a key that is not 1 to %d %s", maxCustomKey, want))
	}
	if len(values) > 0 {
		wrong.Add("custom_data", fmt.Sprintf("has a value that is not at most %d %s", maxCustomValue, want))
	}
	return checked
}

// phoneDigits takes out what people write between digits: hyphens and dashes, spaces, dots and parentheses.
func phoneDigits(s string) string {
	if !utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("- .()\u00a0", r) || r >= '\u2010' && r <= '\u2015' {
			return -1
		}
		return r
	}, s)
}

// isPhone reports whether s is a number of E.164 with its plus, or the 10 digits of North America.
func isPhone(s string) bool {
	if number, ok := strings.CutPrefix(s, "+"); ok {
		return len(number) >= 7 && isDigits(number, 15) && number[0] != '0'
	}
	return len(s) == 10 && isDigits(s, 10)
}
