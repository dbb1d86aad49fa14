package ledgertest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var affiliateTests = []test{
	{"an affiliate comes back as it was made", testAffiliate},
	{"names and the network's ids are unique", testAffiliateUnique},
	{"what breaks a rule changes nothing", testAffiliateInvalid},
	{"changes", testAffiliateChange},
	{"another network's affiliate is not found", testAffiliateTenancy},
	{"one with a link or a coupon cannot be deleted", testAffiliateDelete},
	{"pages and filters", testAffiliatePages},
}

func makeAffiliate(t *testing.T, l *ledger.Ledger, network, name string) tracker.Affiliate {
	t.Helper()
	a, err := l.CreateAffiliate(t.Context(), network, tracker.AffiliateFields{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// setStatus gives an affiliate another status.
func setStatus(t *testing.T, l *ledger.Ledger, a tracker.Affiliate, status tracker.AffiliateStatus) {
	t.Helper()
	_, err := l.UpdateAffiliate(t.Context(), a.Network, a.ID, func(f *tracker.AffiliateFields) error {
		f.Status = status
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantInvalid checks that exactly these fields are wrong.
func wantInvalid(t *testing.T, err error, fields ...string) {
	t.Helper()
	var invalid tracker.Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("the error is %v, want one about %q", err, fields)
	}
	var got []string
	for _, f := range invalid {
		got = append(got, f.Field)
	}
	if !reflect.DeepEqual(got, fields) {
		t.Errorf("wrong are %q, want %q", got, fields)
	}
}

// wantExists checks that the error names the field, and not the value.
func wantExists(t *testing.T, err error, field, value string) {
	t.Helper()
	if !errors.Is(err, ledger.ErrExists) || !strings.Contains(err.Error(), field+" exists already") {
		t.Errorf("the error is %v, want that %s exists", err, field)
	} else if strings.Contains(err.Error(), value) {
		t.Errorf("the error tells the value: %v", err)
	}
}

// wantUntouched checks that nothing has moved the links' version since before.
func wantUntouched(t *testing.T, l *ledger.Ledger, before int64) {
	t.Helper()
	if now := version(t, l); now != before {
		t.Errorf("the version went from %d to %d", before, now)
	}
}

func testAffiliate(t *testing.T, db Database) {
	l := open(t, db)
	fields := tracker.AffiliateFields{
		IDFromNetwork: "A-1", Name: "Ann & Söhne", Status: tracker.AffiliateApplied,
		Sites: []tracker.Site{{IDFromNetwork: "s1", Name: "blog"}, {IDFromNetwork: "s2"}},
		Users: []tracker.User{{
			IDFromNetwork: "u1", FirstName: "Ann", LastName: "Lee", ContactPhoneNumber: "+18057089876", Role: tracker.RoleManager,
			EmailSettings:   []tracker.EmailSetting{{EmailAddress: "ann@example.com", UseForNotifications: true}},
			NotifyOnBudgets: true, NotifyOnCallActivities: true,
		}},
		CustomData: map[string]string{"tier": "gold", "note": "ünï"},
	}
	full, err := l.CreateAffiliate(t.Context(), "acme", fields)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(full.AffiliateFields, fields) || full.Network != "acme" || full.ID == 0 ||
		full.CreatedAt.IsZero() || full.UpdatedAt != full.CreatedAt {
		t.Errorf("made %+v", full)
	}
	bare := makeAffiliate(t, l, "acme", "Bob")
	want := tracker.AffiliateFields{
		Name: "Bob", Status: tracker.AffiliateApproved, Sites: []tracker.Site{}, Users: []tracker.User{}, CustomData: map[string]string{},
	}
	if !reflect.DeepEqual(bare.AffiliateFields, want) || bare.ID == full.ID {
		t.Errorf("the defaults are %+v", bare)
	}
	for _, made := range []tracker.Affiliate{full, bare} {
		if read, err := l.Affiliate(t.Context(), "acme", made.ID); err != nil || !reflect.DeepEqual(read, made) {
			t.Errorf("read %+v (%v), made %+v", read, err, made)
		}
	}
	// A link's affiliate that was made by its name is like one that was made here.
	byName := addLink(t, l, ledger.NewLink{Network: "acme", Code: "cat", Affiliate: "Cat"})
	read, err := l.Affiliate(t.Context(), "acme", byName.AffiliateID)
	want.Name = "Cat"
	if err != nil || !reflect.DeepEqual(read.AffiliateFields, want) {
		t.Errorf("the link's affiliate is %+v, %v", read, err)
	}
}

func testAffiliateUnique(t *testing.T, db Database) {
	l := open(t, db)
	first, err := l.CreateAffiliate(t.Context(), "acme", tracker.AffiliateFields{Name: "Zelda", IDFromNetwork: "Q77"})
	if err != nil {
		t.Fatal(err)
	}
	second := makeAffiliate(t, l, "acme", "Link")
	makeAffiliate(t, l, "acme", "Third") // any number may have no id of the network
	before := version(t, l)
	_, err = l.CreateAffiliate(t.Context(), "acme", tracker.AffiliateFields{Name: " Zelda "})
	wantExists(t, err, "name", "Zelda")
	_, err = l.CreateAffiliate(t.Context(), "acme", tracker.AffiliateFields{Name: "New", IDFromNetwork: "Q77"})
	wantExists(t, err, "id_from_network", "Q77")
	for field, change := range map[string]func(*tracker.AffiliateFields) error{
		"name":            func(f *tracker.AffiliateFields) error { f.Name = "Zelda"; return nil },
		"id_from_network": func(f *tracker.AffiliateFields) error { f.IDFromNetwork = "Q77"; return nil },
	} {
		_, err = l.UpdateAffiliate(t.Context(), "acme", second.ID, change)
		wantExists(t, err, field, "Zelda")
	}
	wantUntouched(t, l, before)
	_, err = l.UpdateAffiliate(t.Context(), "acme", first.ID, func(f *tracker.AffiliateFields) error {
		f.Status = tracker.AffiliateSuspended // under its own name
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := l.CreateAffiliate(t.Context(), "other", tracker.AffiliateFields{Name: "Zelda", IDFromNetwork: "Q77"}); err != nil {
		t.Errorf("in another network: %v", err)
	}
}

func testAffiliateInvalid(t *testing.T, db Database) {
	l := open(t, db)
	a := makeAffiliate(t, l, "acme", "Ann")
	before := version(t, l)
	_, err := l.CreateAffiliate(t.Context(), "new", tracker.AffiliateFields{Name: " ", Status: "odd"})
	wantInvalid(t, err, "name", "status")
	_, err = l.UpdateAffiliate(t.Context(), "acme", a.ID, func(f *tracker.AffiliateFields) error {
		f.Name, f.Users = "changed", []tracker.User{{FirstName: "x"}}
		return nil
	})
	var invalid tracker.Invalid
	if !errors.As(err, &invalid) {
		t.Errorf("changing to what breaks a rule: %v", err)
	}
	wantUntouched(t, l, before)
	if read, err := l.Affiliate(t.Context(), "acme", a.ID); err != nil || !reflect.DeepEqual(read, a) {
		t.Errorf("afterwards it is %+v, %v", read, err)
	}
}

func testAffiliateChange(t *testing.T, db Database) {
	l := open(t, db)
	a, err := l.CreateAffiliate(t.Context(), "acme", tracker.AffiliateFields{
		Name: "Ann", Sites: []tracker.Site{{IDFromNetwork: "s1"}}, CustomData: map[string]string{"k": "old"},
	})
	if err != nil {
		t.Fatal(err)
	}
	before := version(t, l)
	stop := errors.New("stop")
	_, err = l.UpdateAffiliate(t.Context(), "acme", a.ID, func(f *tracker.AffiliateFields) error {
		f.Name = "Bob"
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("the callback's error came back as %v", err)
	}
	same, err := l.UpdateAffiliate(t.Context(), "acme", a.ID, func(*tracker.AffiliateFields) error { return nil })
	if err != nil || !reflect.DeepEqual(same, a) {
		t.Errorf("unchanged it is %+v, %v", same, err)
	}
	wantUntouched(t, l, before)
	changed, err := l.UpdateAffiliate(t.Context(), "acme", a.ID, func(f *tracker.AffiliateFields) error {
		f.Sites[0].Name, f.CustomData["k"] = "in place", "new"
		return nil
	})
	if err != nil || changed.Sites[0].Name != "in place" || changed.CustomData["k"] != "new" || changed.CreatedAt != a.CreatedAt {
		t.Errorf("changed it is %+v, %v", changed, err)
	}
	if read, err := l.Affiliate(t.Context(), "acme", a.ID); err != nil || !reflect.DeepEqual(read, changed) {
		t.Errorf("read it is %+v, %v", read, err)
	}
	if version(t, l) == before {
		t.Error("a change has not moved the version")
	}
}

func testAffiliateTenancy(t *testing.T, db Database) {
	l := open(t, db)
	a := makeAffiliate(t, l, "acme", "Ann")
	for _, network := range []string{"other", "default", ""} {
		_, read := l.Affiliate(t.Context(), network, a.ID)
		_, changed := l.UpdateAffiliate(t.Context(), network, a.ID, func(*tracker.AffiliateFields) error { return nil })
		deleted := l.DeleteAffiliate(t.Context(), network, a.ID)
		for what, err := range map[string]error{"read": read, "changed": changed, "deleted": deleted} {
			if !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("%s from network %q: %v", what, network, err)
			}
		}
		if list, _, err := l.Affiliates(t.Context(), network, tracker.AffiliateFilter{}, tracker.Page{}); err != nil || len(list) > 0 {
			t.Errorf("network %q lists %+v, %v", network, list, err)
		}
	}
}

func testAffiliateDelete(t *testing.T, db Database) {
	l := open(t, db)
	linked := addLink(t, l, ledger.NewLink{Network: "acme", Code: "a"}).AffiliateID
	couponed, free := makeAffiliate(t, l, "acme", "couponed").ID, makeAffiliate(t, l, "acme", "free").ID
	_, err := l.CreateCampaign(t.Context(), "acme", tracker.CampaignFields{
		Name: "c", Coupons: []tracker.Coupon{{Code: "SAVE", AffiliateID: couponed}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{linked, couponed} {
		if err := l.DeleteAffiliate(t.Context(), "acme", id); !errors.Is(err, tracker.ErrInUse) {
			t.Errorf("deleting what is in use: %v", err)
		}
	}
	if err := l.DeleteAffiliate(t.Context(), "acme", free); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Affiliate(t.Context(), "acme", free); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("deleted it is %v", err)
	}
	if err := l.DeleteAffiliate(t.Context(), "acme", free); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("deleting it again: %v", err)
	}
	if again := makeAffiliate(t, l, "acme", "Another").ID; again <= free {
		t.Errorf("after number %d was deleted another affiliate got %d", free, again)
	}
}

func testAffiliatePages(t *testing.T, db Database) {
	l := open(t, db)
	var want []int64
	for i := range 25 {
		a := makeAffiliate(t, l, "acme", fmt.Sprintf("affiliate %02d", 25-i))
		makeAffiliate(t, l, "other", fmt.Sprintf("affiliate %02d", i))
		if i%2 == 0 {
			setStatus(t, l, a, tracker.AffiliateArchived)
			want = append(want, a.ID)
		}
	}
	var got []int64
	pages := 0
	for p := (tracker.Page{Limit: 5}); pages == 0 || p.After != "" && pages < 10; pages++ {
		list, next, err := l.Affiliates(t.Context(), "acme", tracker.AffiliateFilter{Status: tracker.AffiliateArchived}, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			got = append(got, a.ID)
		}
		p.After = next
	}
	if pages != 3 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d pages have %v, want %v", pages, got, want)
	}
	list, next, err := l.Affiliates(t.Context(), "acme", tracker.AffiliateFilter{Name: "affiliate 07"}, tracker.Page{})
	if err != nil || len(list) != 1 || list[0].Name != "affiliate 07" || next != "" {
		t.Errorf("by name: %+v, %q, %v", list, next, err)
	}
	if list, _, err = l.Affiliates(t.Context(), "acme", tracker.AffiliateFilter{IDFromNetwork: "none"}, tracker.Page{}); err != nil || len(list) > 0 {
		t.Errorf("by an id that nobody has: %+v, %v", list, err)
	}
	for _, cursor := range []string{"?", "bm90IG91cnM", tracker.EncodeCursor(0, "abc")} {
		_, _, err := l.Affiliates(t.Context(), "acme", tracker.AffiliateFilter{}, tracker.Page{After: cursor})
		if !errors.Is(err, tracker.ErrCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

func testAffiliateTogether(t *testing.T, db Database) {
	const n = 10
	var mu sync.Mutex
	made := map[string]int{}
	var hubs sync.WaitGroup
	for range 2 {
		l := open(t, db)
		hubs.Go(func() {
			for i := range n {
				name := fmt.Sprintf("affiliate %d", i)
				_, err := l.CreateAffiliate(t.Context(), "acme", tracker.AffiliateFields{Name: name})
				if err == nil {
					mu.Lock()
					made[name]++
					mu.Unlock()
				} else if !errors.Is(err, ledger.ErrExists) {
					t.Error(err)
				}
			}
		})
	}
	hubs.Wait()
	for i := range n {
		if name := fmt.Sprintf("affiliate %d", i); made[name] != 1 {
			t.Errorf("%s was made %d times", name, made[name])
		}
	}
}
