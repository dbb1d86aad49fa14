package ledgertest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var campaignTests = []test{
	{"a campaign comes back as it was made", testCampaign},
	{"names are unique", testCampaignUnique},
	{"coupons are unique in the network", testCoupons},
	{"coupons are for the network's affiliates", testCouponAffiliates},
	{"changes", testCampaignChange},
	{"another network's campaign is not found", testCampaignTenancy},
	{"one with a link or a coupon cannot be deleted", testCampaignDelete},
	{"the default one keeps its name", testDefaultCampaign},
	{"pages and filters", testCampaignPages},
}

// testDefaultCampaign renames the campaign of links that name none: the next such link would be in one that pays nothing.
func testDefaultCampaign(t *testing.T, db Database) {
	l := open(t, db)
	link := addLink(t, l, ledger.NewLink{Network: "acme", Code: "one"})
	_, err := l.UpdateCampaign(t.Context(), "acme", link.CampaignID, func(f *tracker.CampaignFields) error {
		f.Name = "Main"
		return nil
	})
	var invalid tracker.Invalid
	if !errors.As(err, &invalid) || len(invalid) != 1 || invalid[0].Field != "name" {
		t.Errorf("it is renamed: %v", err)
	}
	if next := addLink(t, l, ledger.NewLink{Network: "acme", Code: "two"}); next.CampaignID != link.CampaignID {
		t.Errorf("the next link is in the campaign %d, not %d", next.CampaignID, link.CampaignID)
	}
}

func makeCampaign(t *testing.T, l *ledger.Ledger, network string, f tracker.CampaignFields) tracker.Campaign {
	t.Helper()
	c, err := l.CreateCampaign(t.Context(), network, f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// changeCampaign changes a campaign.
func changeCampaign(t *testing.T, l *ledger.Ledger, c tracker.Campaign, change func(f *tracker.CampaignFields)) tracker.Campaign {
	t.Helper()
	changed, err := l.UpdateCampaign(t.Context(), c.Network, c.ID, func(f *tracker.CampaignFields) error {
		change(f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func testCampaign(t *testing.T, db Database) {
	l := open(t, db)
	a := makeAffiliate(t, l, "acme", "Ann")
	fields := tracker.CampaignFields{
		Name: "summer", Window: 86400, LandingPage: "https://shop.example.com/summer", DeepLinkHosts: []string{"shop.example.com"},
		Commissions: []tracker.Commission{
			{Name: "default", Percent: 125000},
			{Name: "signup", Fixed: &tracker.Money{Amount: 500, Currency: "EUR"}},
		},
		Coupons:    []tracker.Coupon{{Code: "b_2", AffiliateID: a.ID}, {Code: "A-1", AffiliateID: a.ID}, {Code: "a1", AffiliateID: a.ID}},
		Duplicates: tracker.DuplicateMark,
	}
	full := makeCampaign(t, l, "acme", fields)
	fields.Coupons = []tracker.Coupon{fields.Coupons[1], fields.Coupons[2], fields.Coupons[0]} // by code
	if !reflect.DeepEqual(full.CampaignFields, fields) || full.Network != "acme" || full.ID == 0 || full.UpdatedAt != full.CreatedAt {
		t.Errorf("made %+v", full)
	}
	bare := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "bare"})
	want := tracker.CampaignFields{
		Name: "bare", Commissions: []tracker.Commission{}, DeepLinkHosts: []string{}, Coupons: []tracker.Coupon{},
		Duplicates: tracker.DuplicateReject,
	}
	if !reflect.DeepEqual(bare.CampaignFields, want) {
		t.Errorf("the defaults are %+v", bare)
	}
	for _, made := range []tracker.Campaign{full, bare} {
		if read, err := l.Campaign(t.Context(), "acme", made.ID); err != nil || !reflect.DeepEqual(read, made) {
			t.Errorf("read %+v (%v), made %+v", read, err, made)
		}
	}
	byName := addLink(t, l, ledger.NewLink{Network: "acme", Code: "x", Campaign: "winter"})
	read, err := l.Campaign(t.Context(), "acme", byName.CampaignID)
	want.Name = "winter"
	if err != nil || !reflect.DeepEqual(read.CampaignFields, want) {
		t.Errorf("the link's campaign is %+v, %v", read, err)
	}
	_, err = l.CreateCampaign(t.Context(), "acme", tracker.CampaignFields{Name: "wrong", LandingPage: "javascript:x", Window: -1})
	wantInvalid(t, err, "window_seconds", "landing_page")
}

func testCampaignUnique(t *testing.T, db Database) {
	l := open(t, db)
	makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "Zelda"})
	second := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "second"})
	makeCampaign(t, l, "other", tracker.CampaignFields{Name: "Zelda"})
	before := version(t, l)
	_, err := l.CreateCampaign(t.Context(), "acme", tracker.CampaignFields{Name: "Zelda"})
	wantExists(t, err, "name", "Zelda")
	_, err = l.UpdateCampaign(t.Context(), "acme", second.ID, func(f *tracker.CampaignFields) error {
		f.Name = "Zelda"
		return nil
	})
	wantExists(t, err, "name", "Zelda")
	wantUntouched(t, l, before)
}

func testCoupons(t *testing.T, db Database) {
	l := open(t, db)
	a, b := makeAffiliate(t, l, "acme", "Ann"), makeAffiliate(t, l, "other", "Ann")
	first := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "1", Coupons: []tracker.Coupon{{Code: "Save", AffiliateID: a.ID}}})
	second := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "2", Coupons: []tracker.Coupon{{Code: "free", AffiliateID: a.ID}}})
	makeCampaign(t, l, "other", tracker.CampaignFields{Name: "1", Coupons: []tracker.Coupon{{Code: "SAVE", AffiliateID: b.ID}}})
	before := version(t, l)
	clash := []tracker.Coupon{{Code: "new", AffiliateID: a.ID}, {Code: "sAVE", AffiliateID: a.ID}}
	_, err := l.CreateCampaign(t.Context(), "acme", tracker.CampaignFields{Name: "3", Coupons: clash})
	wantExists(t, err, "coupons[1].code", "AVE")
	_, err = l.UpdateCampaign(t.Context(), "acme", second.ID, func(f *tracker.CampaignFields) error {
		f.Coupons = clash
		return nil
	})
	wantExists(t, err, "coupons[1].code", "AVE")
	wantUntouched(t, l, before)
	if read, err := l.Campaign(t.Context(), "acme", second.ID); err != nil || !reflect.DeepEqual(read, second) {
		t.Errorf("afterwards it is %+v, %v", read, err)
	}
	_, err = l.CreateCampaign(t.Context(), "acme", tracker.CampaignFields{
		Name: "3", Coupons: []tracker.Coupon{{Code: "x", AffiliateID: a.ID}, {Code: "X", AffiliateID: a.ID}},
	})
	wantInvalid(t, err, "coupons[1].code")

	changeCampaign(t, l, first, func(f *tracker.CampaignFields) { f.Coupons = nil })
	moved := changeCampaign(t, l, second, func(f *tracker.CampaignFields) { f.Coupons = clash })
	if len(moved.Coupons) != 2 || moved.Coupons[1].Code != "sAVE" {
		t.Errorf("the coupon has moved to %+v", moved)
	}
}

func testCouponAffiliates(t *testing.T, db Database) {
	l := open(t, db)
	a, foreign := makeAffiliate(t, l, "acme", "Ann"), makeAffiliate(t, l, "other", "Bob")
	_, err := l.CreateCampaign(t.Context(), "acme", tracker.CampaignFields{Name: "c", Coupons: []tracker.Coupon{
		{Code: "a", AffiliateID: a.ID}, {Code: "b", AffiliateID: foreign.ID}, {Code: "c", AffiliateID: 999},
	}})
	wantInvalid(t, err, "coupons[1].affiliate_id", "coupons[2].affiliate_id")
	if list, _, err := l.Campaigns(t.Context(), "acme", tracker.CampaignFilter{}, tracker.Page{}); err != nil || len(list) > 0 {
		t.Errorf("it was made all the same: %+v, %v", list, err)
	}
}

func testCampaignChange(t *testing.T, db Database) {
	l := open(t, db)
	a, b := makeAffiliate(t, l, "acme", "Ann"), makeAffiliate(t, l, "acme", "Bob")
	c := makeCampaign(t, l, "acme", tracker.CampaignFields{
		Name: "c", Commissions: []tracker.Commission{{Name: "default", Percent: 100000}},
		Coupons: []tracker.Coupon{{Code: "one", AffiliateID: a.ID}, {Code: "two", AffiliateID: a.ID}},
	})
	before := version(t, l)
	stop := errors.New("stop")
	_, err := l.UpdateCampaign(t.Context(), "acme", c.ID, func(f *tracker.CampaignFields) error {
		f.Coupons = nil
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("the callback's error came back as %v", err)
	}
	same := changeCampaign(t, l, c, func(f *tracker.CampaignFields) { f.Coupons[0], f.Coupons[1] = f.Coupons[1], f.Coupons[0] })
	if !reflect.DeepEqual(same, c) {
		t.Errorf("with its coupons in another order it is %+v", same)
	}
	wantUntouched(t, l, before)
	changed := changeCampaign(t, l, c, func(f *tracker.CampaignFields) {
		f.Coupons[0].AffiliateID, f.Commissions[0].Percent, f.Archived = b.ID, 50000, true
	})
	want := c.CampaignFields
	want.Archived, want.Commissions = true, []tracker.Commission{{Name: "default", Percent: 50000}}
	want.Coupons = []tracker.Coupon{{Code: "one", AffiliateID: b.ID}, {Code: "two", AffiliateID: a.ID}}
	if !reflect.DeepEqual(changed.CampaignFields, want) {
		t.Errorf("changed it is %+v, want %+v", changed.CampaignFields, want)
	}
	moved := version(t, l)
	changeCampaign(t, l, c, func(f *tracker.CampaignFields) { f.Coupons = f.Coupons[:1] })
	if moved == before || version(t, l) == moved {
		t.Errorf("the versions are %d, %d, %d", before, moved, version(t, l))
	}
}

func testCampaignTenancy(t *testing.T, db Database) {
	l := open(t, db)
	c := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "c"})
	for _, network := range []string{"other", "default", ""} {
		_, read := l.Campaign(t.Context(), network, c.ID)
		_, changed := l.UpdateCampaign(t.Context(), network, c.ID, func(*tracker.CampaignFields) error { return nil })
		deleted := l.DeleteCampaign(t.Context(), network, c.ID)
		for what, err := range map[string]error{"read": read, "changed": changed, "deleted": deleted} {
			if !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("%s from network %q: %v", what, network, err)
			}
		}
	}
}

func testCampaignDelete(t *testing.T, db Database) {
	l := open(t, db)
	link := addLink(t, l, ledger.NewLink{Network: "acme", Code: "a"})
	couponed := makeCampaign(t, l, "acme", tracker.CampaignFields{
		Name: "couponed", Coupons: []tracker.Coupon{{Code: "SAVE", AffiliateID: link.AffiliateID}},
	})
	for _, id := range []int64{link.CampaignID, couponed.ID} {
		if err := l.DeleteCampaign(t.Context(), "acme", id); !errors.Is(err, tracker.ErrInUse) {
			t.Errorf("deleting what is in use: %v", err)
		}
	}
	changeCampaign(t, l, couponed, func(f *tracker.CampaignFields) { f.Coupons = nil })
	for _, want := range []error{nil, ledger.ErrNotFound} {
		if err := l.DeleteCampaign(t.Context(), "acme", couponed.ID); !errors.Is(err, want) {
			t.Errorf("deleting it: %v, want %v", err, want)
		}
	}
}

func testCampaignPages(t *testing.T, db Database) {
	l := open(t, db)
	a, b := makeAffiliate(t, l, "acme", "Ann"), makeAffiliate(t, l, "other", "Ann")
	for i := range 12 {
		name := fmt.Sprintf("c%02d", i)
		makeCampaign(t, l, "acme", tracker.CampaignFields{
			Name: name, Archived: i%3 == 0, Coupons: []tracker.Coupon{{Code: name + "-1", AffiliateID: a.ID}, {Code: name + "-2", AffiliateID: a.ID}},
		})
		makeCampaign(t, l, "other", tracker.CampaignFields{Name: name, Coupons: []tracker.Coupon{{Code: name, AffiliateID: b.ID}}})
	}
	var got []string
	archived := false
	for p, pages := (tracker.Page{Limit: 3}), 0; pages == 0 || p.After != "" && pages < 10; pages++ {
		list, next, err := l.Campaigns(t.Context(), "acme", tracker.CampaignFilter{Archived: &archived}, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			got = append(got, c.Name)
			if len(c.Coupons) != 2 || c.Coupons[0].Code != c.Name+"-1" || c.Coupons[1].Code != c.Name+"-2" {
				t.Errorf("%s has the coupons %+v", c.Name, c.Coupons)
			}
		}
		p.After = next
	}
	if want := []string{"c01", "c02", "c04", "c05", "c07", "c08", "c10", "c11"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the pages have %q, want %q", got, want)
	}
	list, next, err := l.Campaigns(t.Context(), "acme", tracker.CampaignFilter{Name: "c03"}, tracker.Page{})
	if err != nil || len(list) != 1 || list[0].Name != "c03" || next != "" {
		t.Errorf("by name: %+v, %q, %v", list, next, err)
	}
}
