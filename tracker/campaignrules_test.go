package tracker

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestCampaignDefaults(t *testing.T) {
	fixed := &Money{Amount: 500, Currency: "eur"}
	f := CampaignFields{
		Name: " Summer ", LandingPage: "/summer", Window: 30 * 86400, DeepLinkHosts: []string{"Shop.com", "shop.com"},
		Commissions: []Commission{{Name: " default ", Percent: 125_000}, {Name: "lead", Fixed: fixed}, {Name: "shipping"}},
		Coupons:     []Coupon{{Code: "SARA10", AffiliateID: 1}},
	}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	want := CampaignFields{
		Name: "Summer", LandingPage: "/summer", Window: 30 * 86400, DeepLinkHosts: []string{"shop.com"}, Duplicates: DuplicateReject,
		Commissions: []Commission{{Name: "default", Percent: 125_000}, {Name: "lead", Fixed: &Money{Amount: 500, Currency: "EUR"}}, {Name: "shipping"}},
		Coupons:     []Coupon{{Code: "SARA10", AffiliateID: 1}},
	}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("%+v\nwant %+v", f, want)
	}
	if fixed.Currency != "eur" {
		t.Error("the money that was given has changed")
	}
	bare := CampaignFields{Name: "x"}
	if err := bare.Check(); err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(bare); err != nil || string(text) != `{"name":"x","archived":false,"commissions":[],"window_seconds":0,"coupons":[],"duplicates":"reject"}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestCampaignText(t *testing.T) {
	checkText(t, "name", func(value string) error { return (&CampaignFields{Name: value}).Check() })
	checkText(t, "commissions[0].name", func(value string) error {
		return (&CampaignFields{Name: "x", Commissions: []Commission{{Name: value}}}).Check()
	})
}

func TestWrongCampaigns(t *testing.T) {
	tests := []struct {
		name string
		f    CampaignFields
		want string
	}{
		{"no name", CampaignFields{}, "name"},
		{"a negative window", CampaignFields{Window: -1}, "name window_seconds"},
		{"a window of 401 days", CampaignFields{Name: "x", Window: 401 * 86400}, "window_seconds"},
		{"the longest number", CampaignFields{Name: "x", Window: 1<<63 - 1}, "window_seconds"},
		{"an open redirect", CampaignFields{Name: "x", LandingPage: "//evil.com"}, "landing_page"},
		{"a script", CampaignFields{Name: "x", LandingPage: "javascript:alert(1)"}, "landing_page"},
		{"no host", CampaignFields{Name: "x", DeepLinkHosts: []string{"shop.com/x"}}, "deep_link_hosts[0]"},
		{"an unknown policy", CampaignFields{Name: "x", Duplicates: "secret"}, "duplicates"},
		{"a commission without a name", CampaignFields{Name: "x", Commissions: []Commission{{Percent: 1}}}, "commissions[0].name"},
		{"a name of 65", CampaignFields{Name: "x", Commissions: []Commission{{Name: strings.Repeat("é", 65)}}}, "commissions[0].name"},
		{"a commission twice", CampaignFields{Name: "x", Commissions: []Commission{{Name: "a"}, {Name: "a "}}}, "commissions[1].name"},
		{"more than all", CampaignFields{Name: "x", Commissions: []Commission{{Name: "a", Percent: Hundred + 1}}}, "commissions[0].percent"},
		{"less than nothing", CampaignFields{Name: "x", Commissions: []Commission{{Name: "a", Percent: -1}}}, "commissions[0].percent"},
		{"percent and fixed", CampaignFields{Name: "x", Commissions: []Commission{{Name: "a", Percent: 1, Fixed: &Money{1, "EUR"}}}}, "commissions[0].percent"},
		{"a negative sum", CampaignFields{Name: "x", Commissions: []Commission{fixedRule("a", -1, "EUR")}}, "commissions[0].fixed.amount"},
		{"a sum that is too large", CampaignFields{Name: "x", Commissions: []Commission{fixedRule("a", MaxAmount+1, "EUR")}}, "commissions[0].fixed.amount"},
		{"no currency", CampaignFields{Name: "x", Commissions: []Commission{fixedRule("a", 1, "")}}, "commissions[0].fixed.currency"},
		{"too many commissions", CampaignFields{Name: "x", Commissions: make([]Commission, MaxCommissions+1)}, "commissions"},
		{"a coupon without a code", CampaignFields{Name: "x", Coupons: []Coupon{{AffiliateID: 1}}}, "coupons[0].code"},
		{"a coupon with a space", CampaignFields{Name: "x", Coupons: []Coupon{{Code: "secret 10", AffiliateID: 1}}}, "coupons[0].code"},
		{"a coupon of nobody", CampaignFields{Name: "x", Coupons: []Coupon{{Code: "A"}}}, "coupons[0].affiliate_id"},
		{"a coupon twice", CampaignFields{Name: "x", Coupons: []Coupon{{"Sara", 1}, {"SARA", 2}}}, "coupons[1].code"},
		{"too many coupons", CampaignFields{Name: "x", Coupons: make([]Coupon, MaxCoupons+1)}, "coupons"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.f.Check()
			if got := paths(err); got != test.want || strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("wrong are %s (%v), want %s", got, err, test.want)
			}
		})
	}
}
