package tracker

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func goodUser(id string) User {
	return User{
		IDFromNetwork: id, FirstName: "Sara", LastName: "Miller",
		EmailSettings: []EmailSetting{{EmailAddress: "sara@example.com", UseForNotifications: true}},
	}
}

func TestAffiliateDefaults(t *testing.T) {
	f := AffiliateFields{
		IDFromNetwork: " 123 ", Name: "  Sara's Blog ",
		Sites: []Site{{IDFromNetwork: " s1 ", Name: " blog "}, {IDFromNetwork: "s2"}},
		Users: []User{{
			IDFromNetwork: "u1", FirstName: " Sara ", LastName: "Miller", ContactPhoneNumber: "805\u2010708\u20109876",
			EmailSettings: []EmailSetting{{EmailAddress: " sara@example.com ", UseForNotifications: true}, {EmailAddress: "Other@example.com"}},
		}},
	}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	want := AffiliateFields{
		IDFromNetwork: "123", Name: "Sara's Blog", Status: AffiliateApproved,
		Sites: []Site{{IDFromNetwork: "s1", Name: "blog"}, {IDFromNetwork: "s2"}},
		Users: []User{{
			IDFromNetwork: "u1", FirstName: "Sara", LastName: "Miller", ContactPhoneNumber: "8057089876", Role: RoleSuper,
			EmailSettings: []EmailSetting{{EmailAddress: "sara@example.com", UseForNotifications: true}, {EmailAddress: "Other@example.com"}},
		}},
		CustomData: map[string]string{},
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("%+v\nwant %+v", f, want)
	}
	bare := AffiliateFields{Name: "x"}
	if err := bare.Check(); err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(bare); err != nil || string(text) != `{"name":"x","status":"approved","sites":[],"users":[],"custom_data":{}}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestAffiliateText(t *testing.T) {
	with := func(edit func(f *AffiliateFields, value string)) func(string) error {
		return func(value string) error {
			f := AffiliateFields{Name: "x", Sites: []Site{{IDFromNetwork: "1"}}, Users: []User{goodUser("1")}}
			edit(&f, value)
			return f.Check()
		}
	}
	checkText(t, "name", with(func(f *AffiliateFields, v string) { f.Name = v }))
	checkText(t, "id_from_network", with(func(f *AffiliateFields, v string) { f.IDFromNetwork = v }))
	checkText(t, "sites[0].id_from_network", with(func(f *AffiliateFields, v string) { f.Sites[0].IDFromNetwork = v }))
	checkText(t, "sites[0].name", with(func(f *AffiliateFields, v string) { f.Sites[0].Name = v }))
	checkText(t, "users[0].id_from_network", with(func(f *AffiliateFields, v string) { f.Users[0].IDFromNetwork = v }))
	checkText(t, "users[0].first_name", with(func(f *AffiliateFields, v string) { f.Users[0].FirstName = v }))
	checkText(t, "users[0].last_name", with(func(f *AffiliateFields, v string) { f.Users[0].LastName = v }))
}

func TestWrongAffiliates(t *testing.T) {
	tests := []struct {
		name string
		edit func(f *AffiliateFields)
		want string
	}{
		{"no name", func(f *AffiliateFields) { f.Name = " \t" }, "name"},
		{"an unknown status", func(f *AffiliateFields) { f.Status = "Approved" }, "status"},
		{"a site without an id", func(f *AffiliateFields) { f.Sites = []Site{{Name: "x"}} }, "sites[0].id_from_network"},
		{"a site twice", func(f *AffiliateFields) { f.Sites = []Site{{IDFromNetwork: "1"}, {IDFromNetwork: " 1"}} }, "sites[1].id_from_network"},
		{"too many sites", func(f *AffiliateFields) { f.Sites = make([]Site, MaxSites+1) }, "sites"},
		{"an empty user", func(f *AffiliateFields) { f.Users = []User{{}} }, "users[0].id_from_network users[0].first_name users[0].last_name users[0].email_settings"},
		{"a user twice", func(f *AffiliateFields) { f.Users = []User{goodUser("1"), goodUser("1")} }, "users[1].id_from_network"},
		{"too many users", func(f *AffiliateFields) { f.Users = make([]User, MaxUsers+1) }, "users"},
		{"an unknown role", func(f *AffiliateFields) { f.Users[0].Role = "Super" }, "users[0].role"},
		{"no number", func(f *AffiliateFields) { f.Users[0].ContactPhoneNumber = "secret" }, "users[0].contact_phone_number"},
		{"nobody is notified", func(f *AffiliateFields) { f.Users[0].EmailSettings = []EmailSetting{{EmailAddress: "a@b.com"}} }, "users[0].email_settings"},
		{"no address", func(f *AffiliateFields) { f.Users[0].EmailSettings = []EmailSetting{{UseForNotifications: true}} }, "users[0].email_settings[0].email_address"},
		{"an address twice", func(f *AffiliateFields) {
			f.Users[0].EmailSettings = append(f.Users[0].EmailSettings, EmailSetting{EmailAddress: "SARA@example.com"})
		}, "users[0].email_settings[1].email_address"},
		{"too many addresses", func(f *AffiliateFields) { f.Users[0].EmailSettings = make([]EmailSetting, MaxEmails+1) }, "users[0].email_settings"},
		{"custom data without a key", func(f *AffiliateFields) { f.CustomData = map[string]string{"": "x"} }, "custom_data"},
		{"a long key", func(f *AffiliateFields) { f.CustomData = map[string]string{strings.Repeat("k", 65): "x"} }, "custom_data"},
		{"a broken key", func(f *AffiliateFields) { f.CustomData = map[string]string{"a\x00": "x"} }, "custom_data"},
		{"a long value", func(f *AffiliateFields) { f.CustomData = map[string]string{"k": strings.Repeat("x", 1001)} }, "custom_data"},
		{"a broken value", func(f *AffiliateFields) { f.CustomData = map[string]string{"k": "\xff", "l": "\x00"} }, "custom_data"},
		{"too much custom data", func(f *AffiliateFields) {
			f.CustomData = map[string]string{}
			for i := range MaxCustomData + 1 {
				f.CustomData[fmt.Sprint(i)] = ""
			}
		}, "custom_data"},
		{"everything at once", func(f *AffiliateFields) { f.Name, f.Status, f.Users[0].Role = "", "x", "x" }, "name status users[0].role"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := AffiliateFields{Name: "x", Users: []User{goodUser("1")}}
			test.edit(&f)
			err := f.Check()
			if got := paths(err); got != test.want {
				t.Errorf("wrong are %s (%v), want %s", got, err, test.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats a value: %v", err)
			}
		})
	}
}

func TestLargestAffiliate(t *testing.T) {
	f := AffiliateFields{Name: strings.Repeat("n", MaxName), CustomData: map[string]string{}}
	for i := range MaxSites {
		f.Sites = append(f.Sites, Site{IDFromNetwork: fmt.Sprint(i)})
		f.Users = append(f.Users, goodUser(fmt.Sprint(i)))
	}
	for i := range MaxCustomData {
		f.CustomData[fmt.Sprintf("%064d", i)] = strings.Repeat("é", 1000)
	}
	if err := f.Check(); err != nil {
		t.Error(err)
	}
}
