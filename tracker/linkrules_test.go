package tracker

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLinkDefaults(t *testing.T) {
	expiry := time.Date(2027, 1, 1, 1, 0, 0, 123_456_789, time.FixedZone("", 3600))
	f := LinkFields{
		Code: "Sara", AffiliateID: 1, Subdomain: "SARA", Destination: "https://shop.com/x", DeepLinkHosts: []string{"SHOP.com"}, Enabled: true, ExpiresAt: &expiry,
		ContactName: " Sara ", ContactEmail: " sara@example.com ", Organisation: " Blog Ltd ",
	}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	kept := time.Date(2027, 1, 1, 0, 0, 0, 123_000_000, time.UTC)
	want := LinkFields{
		Code: "Sara", AffiliateID: 1, Subdomain: "sara", Destination: "https://shop.com/x", DeepLinkHosts: []string{"shop.com"}, Enabled: true, ExpiresAt: &kept,
		ContactName: "Sara", ContactEmail: "sara@example.com", Organisation: "Blog Ltd", TrainingStatus: TrainingNotApplicable,
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("%+v\nwant %+v", f, want)
	}
	never := LinkFields{Code: "a", AffiliateID: 1, ExpiresAt: &time.Time{}}
	if err := never.Check(); err != nil || never.ExpiresAt != nil || never.DeepLinkHosts == nil {
		t.Errorf("%+v, %v", never, err)
	}
}

func TestLinkText(t *testing.T) {
	checkText(t, "contact_name", func(value string) error {
		return (&LinkFields{Code: "a", AffiliateID: 1, ContactName: value}).Check()
	})
	checkText(t, "organisation", func(value string) error {
		return (&LinkFields{Code: "a", AffiliateID: 1, Organisation: value}).Check()
	})
}

func TestWrongLinks(t *testing.T) {
	late := time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name string
		edit func(f *LinkFields)
		want string
	}{
		{"no code", func(f *LinkFields) { f.Code = "" }, "code"},
		{"a code with a space", func(f *LinkFields) { f.Code = "secret x" }, "code"},
		{"a long code", func(f *LinkFields) { f.Code = strings.Repeat("a", 65) }, "code"},
		{"no affiliate", func(f *LinkFields) { f.AffiliateID = 0 }, "affiliate_id"},
		{"a negative campaign", func(f *LinkFields) { f.CampaignID = -1 }, "campaign_id"},
		{"two labels", func(f *LinkFields) { f.Subdomain = "a.b" }, "subdomain"},
		{"a label with an underscore", func(f *LinkFields) { f.Subdomain = "a_b" }, "subdomain"},
		{"a label that ends with a hyphen", func(f *LinkFields) { f.Subdomain = "a-" }, "subdomain"},
		{"an open redirect", func(f *LinkFields) { f.Destination = "//secret.com" }, "destination"},
		{"a host with a port", func(f *LinkFields) { f.DeepLinkHosts = []string{"shop.com:80"} }, "deep_link_hosts[0]"},
		{"a long window", func(f *LinkFields) { f.Window = 400*86400 + 1 }, "window_seconds"},
		{"the year 12000", func(f *LinkFields) { f.ExpiresAt = &late }, "expires_at"},
		{"no address", func(f *LinkFields) { f.ContactEmail = "secret" }, "contact_email"},
		{"an unknown training", func(f *LinkFields) { f.TrainingStatus = "QUALIFIED" }, "training_status"},
		{"several", func(f *LinkFields) { f.Code, f.AffiliateID, f.ContactEmail = "", 0, "x" }, "code affiliate_id contact_email"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := LinkFields{Code: "a", AffiliateID: 1}
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
