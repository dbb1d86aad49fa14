package invoca

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// change is what a body says of an affiliate: nil is what it does not say, and that stays.
type change struct {
	id, name, status *string
	sites            []siteChange // all sites there shall be, if given
	users            []userChange // all users there shall be, if given
	sitesGiven       bool
	usersGiven       bool
	data             map[string]*string // merged into what is there; nil takes a value away
}

type siteChange struct{ id, name *string }

type userChange struct {
	id, first, last, role, phone *string
	emails                       []tracker.EmailSetting
	emailsGiven                  bool
	notify                       map[string]*bool
}

// readChange reads a body. The error is a tracker.Invalid with everything that is wrong.
func readChange(o object, strict bool) (*change, error) {
	c := &change{}
	r := &reader{strict: strict}
	r.fields("", o, map[string]func(string, json.RawMessage){
		"oauth_token": nil, "id": nil, "object_url": nil,
		"id_from_network": nullable(r.id(&c.id)),
		"name":            r.text(&c.name),
		"status":          r.text(&c.status),
		"sites": func(path string, raw json.RawMessage) {
			c.sitesGiven = r.objects(path, raw, tracker.MaxSites, func(path string, o object) { c.sites = append(c.sites, r.site(path, o)) })
		},
		"users": func(path string, raw json.RawMessage) {
			c.usersGiven = r.objects(path, raw, tracker.MaxUsers, func(path string, o object) { c.users = append(c.users, r.user(path, o)) })
		},
		"custom_data": func(path string, raw json.RawMessage) { c.data = r.data(path, raw) },
	})
	return c, r.wrong.Err()
}

func (r *reader) site(path string, o object) (s siteChange) {
	r.fields(path, o, map[string]func(string, json.RawMessage){
		"id_from_network": r.id(&s.id),
		"name":            r.text(&s.name),
	})
	return s
}

func (r *reader) user(path string, o object) (u userChange) {
	var table, sample *string // the phone number by the two names that the platform has for it
	var address *string
	known := map[string]func(string, json.RawMessage){
		"oauth_refresh_token": nil, "can_login_via_platform": nil,
		"id_from_network":      r.id(&u.id),
		"first_name":           r.text(&u.first),
		"last_name":            r.text(&u.last),
		"role":                 r.text(&u.role),
		"contact_phone_number": nullable(r.phone(&table)),
		"email_settings": func(path string, raw json.RawMessage) {
			u.emailsGiven = r.objects(path, raw, tracker.MaxEmails, func(path string, o object) { u.emails = append(u.emails, r.email(path, o)) })
		},
	}
	if !r.strict {
		known["phone_number"] = nullable(r.phone(&sample))
		known["email_address"] = nullable(r.text(&address))
	}
	u.notify = map[string]*bool{}
	for name := range notifications(&tracker.User{}) {
		known[name] = func(path string, raw json.RawMessage) {
			var is *bool
			r.truth(&is)(path, raw)
			u.notify[name] = is
		}
	}
	r.fields(path, o, known)
	if u.phone = table; u.phone == nil {
		u.phone = sample
	}
	if _, given := o["email_settings"]; !given && address != nil {
		u.emails, u.emailsGiven = []tracker.EmailSetting{{EmailAddress: *address, UseForNotifications: true}}, true
	}
	return u
}

// email reads an address, of which both fields are required.
func (r *reader) email(path string, o object) tracker.EmailSetting {
	var address *string
	var notify *bool
	r.fields(path, o, map[string]func(string, json.RawMessage){
		"email_address":         r.text(&address),
		"use_for_notifications": r.truth(&notify),
	})
	for _, name := range []string{"email_address", "use_for_notifications"} {
		if _, given := o[name]; !given {
			r.wrong.Add(path+name, "is required")
		}
	}
	if address == nil || notify == nil {
		return tracker.EmailSetting{}
	}
	return tracker.EmailSetting{EmailAddress: *address, UseForNotifications: *notify}
}

// plainNumber is a phone number as the platform's table wants it: without punctuation.
var plainNumber = regexp.MustCompile(`\A\+?[0-9]*\z`)

func (r *reader) phone(to **string) func(path string, raw json.RawMessage) {
	return func(path string, raw json.RawMessage) {
		r.text(to)(path, raw)
		if *to != nil && r.strict && !plainNumber.MatchString(**to) {
			r.wrong.Add(path, invalid)
		}
	}
}

func (r *reader) data(path string, raw json.RawMessage) map[string]*string {
	values, err := members(raw)
	if err != nil {
		r.wrong.Add(path, invalid)
		return nil
	}
	data := map[string]*string{}
	for key, value := range values {
		var text *string
		nullable(r.id(&text))(path, value)
		data[key] = text
	}
	return data
}

// apply changes an affiliate's fields. Of a list that is given, the entries that the affiliate has already are found by their
// ids and keep what is not said of them.
func (c *change) apply(f *tracker.AffiliateFields, fields customFields) error {
	set(&f.Name, c.name)
	if c.status != nil {
		f.Status = plain[tracker.AffiliateStatus](*c.status)
	}
	if c.sitesGiven {
		f.Sites = appliedSites(c.sites, f.Sites)
	}
	if c.usersGiven {
		f.Users = appliedUsers(c.users, f.Users)
	}
	return c.applyData(f, fields)
}

func appliedSites(changes []siteChange, before []tracker.Site) []tracker.Site {
	sites := []tracker.Site{}
	for _, c := range changes {
		var site tracker.Site
		if i := slices.IndexFunc(before, func(s tracker.Site) bool { return c.id != nil && s.IDFromNetwork == *c.id }); i >= 0 {
			site = before[i]
		}
		set(&site.IDFromNetwork, c.id)
		set(&site.Name, c.name)
		sites = append(sites, site)
	}
	return sites
}

func appliedUsers(changes []userChange, before []tracker.User) []tracker.User {
	users := []tracker.User{}
	for _, c := range changes {
		var user tracker.User
		if i := slices.IndexFunc(before, func(u tracker.User) bool { return c.id != nil && u.IDFromNetwork == *c.id }); i >= 0 {
			user = before[i]
		}
		c.apply(&user)
		users = append(users, user)
	}
	return users
}

func (c *userChange) apply(u *tracker.User) {
	set(&u.IDFromNetwork, c.id)
	set(&u.FirstName, c.first)
	set(&u.LastName, c.last)
	set(&u.ContactPhoneNumber, c.phone)
	if c.role != nil {
		u.Role = plain[tracker.Role](*c.role)
	}
	if c.emailsGiven {
		u.EmailSettings = c.emails
	}
	for name, to := range notifications(u) {
		set(to, c.notify[name])
	}
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// customFields are the names that custom data may have.
type customFields struct {
	names  []string // none: any
	ignore bool     // whether others are left out instead of refused
}

// applyData merges custom data. A name that the affiliate has already is known, since clients send back what they got.
func (c *change) applyData(f *tracker.AffiliateFields, fields customFields) error {
	data := maps.Clone(f.CustomData)
	if data == nil {
		data = map[string]string{}
	}
	for name, value := range c.data {
		_, there := f.CustomData[name]
		switch known := there || len(fields.names) == 0 || slices.Contains(fields.names, name); {
		case !known && !fields.ignore:
			return tracker.Invalid{{Field: "custom_data", Message: "has a key that is no Custom Data field of the network"}}
		case !known:
		case value == nil:
			delete(data, name)
		default:
			data[name] = *value
		}
	}
	f.CustomData = data
	return nil
}
