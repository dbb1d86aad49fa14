package ledgertest

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var catalogLinkTests = []test{
	{"a link comes back as it was created", testCreateLink},
	{"what cannot be created", testCreateLinkRefused},
	{"an edge has its campaign's settings where the link has none", testEdgeSettings},
	{"what decides whether it is live", testLive},
	{"the version moves with all that an edge could notice", testCatalogVersion},
	{"another network's link is not found", testLinkTenancy},
	{"pages and filters", testLinkPages},
}

// createLink creates an enabled link in network acme.
func createLink(t *testing.T, l *ledger.Ledger, f tracker.LinkFields) tracker.CatalogLink {
	t.Helper()
	f.Enabled = true
	link, err := l.CreateLink(t.Context(), "acme", f)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func catalogLink(t *testing.T, l *ledger.Ledger, id int64) tracker.CatalogLink {
	t.Helper()
	link, err := l.CatalogLink(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// edgeLink returns acme's link as an edge has it.
func edgeLink(t *testing.T, l *ledger.Ledger, code string) tracker.Link {
	t.Helper()
	table, err := l.LinkTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	link := table.Lookup("acme", code)
	if link == nil {
		t.Fatalf("the table has no link %s", code)
	}
	return *link
}

func testCreateLink(t *testing.T, db Database) {
	l := open(t, db)
	ann := makeAffiliate(t, l, "acme", "Ann")
	summer := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "summer"})
	expiry := epoch.Add(1000 * time.Hour)
	fields := tracker.LinkFields{
		Code: "Demo_1", AffiliateID: ann.ID, CampaignID: summer.ID, Subdomain: "demo", Destination: "https://shop.example.com/?a=b#c",
		DeepLinkHosts: []string{"shop.example.com", "www.example.com"}, Window: 3600, Enabled: true, ExpiresAt: &expiry,
		ContactName: "Ann Lee", ContactEmail: "ann@example.com", Organisation: "Ünï & Co", TrainingStatus: tracker.TrainingQualified,
		IsBusiness: true,
	}
	full := createLink(t, l, fields)
	want := tracker.CatalogLink{
		ID: full.ID, Network: "acme", LinkFields: fields, Affiliate: "Ann", Campaign: "summer", Live: true, Source: ledger.SourceAPI,
		CreatedAt: full.CreatedAt, UpdatedAt: full.CreatedAt,
	}
	if !reflect.DeepEqual(full, want) || full.ID == 0 || full.CreatedAt.IsZero() {
		t.Errorf("created %+v, want %+v", full, want)
	}
	bare := createLink(t, l, tracker.LinkFields{Code: "bare", AffiliateID: ann.ID})
	if bare.Campaign != ledger.DefaultCampaign || bare.CampaignID == 0 || bare.TrainingStatus != tracker.TrainingNotApplicable || !bare.Live {
		t.Errorf("the defaults are %+v", bare)
	}
	off, err := l.CreateLink(t.Context(), "acme", tracker.LinkFields{Code: "off", AffiliateID: ann.ID})
	if err != nil || off.Enabled || off.Live {
		t.Errorf("created disabled it is %+v, %v", off, err)
	}
	for _, made := range []tracker.CatalogLink{full, bare, off} {
		if read := catalogLink(t, l, made.ID); !reflect.DeepEqual(read, made) {
			t.Errorf("read %+v, created %+v", read, made)
		}
	}
	named := addLink(t, l, ledger.NewLink{Network: "acme", Code: "named", ExpiresAt: expiry, ContactName: "Bob", Window: time.Minute})
	if got := catalogLink(t, l, named.ID); got.ContactName != "Bob" || !got.ExpiresAt.Equal(expiry) || got.Window != 60 {
		t.Errorf("added by names it is %+v", got)
	}
}

func testCreateLinkRefused(t *testing.T, db Database) {
	l := open(t, db)
	ann, foreign := makeAffiliate(t, l, "acme", "Ann"), makeAffiliate(t, l, "other", "Bob")
	offer := makeCampaign(t, l, "other", tracker.CampaignFields{Name: "theirs"})
	createLink(t, l, tracker.LinkFields{Code: "Qq77", AffiliateID: ann.ID, Subdomain: "qq77"})
	before := version(t, l)
	create := func(f tracker.LinkFields) error {
		_, err := l.CreateLink(t.Context(), "acme", f)
		return err
	}
	wantExists(t, create(tracker.LinkFields{Code: "qQ77", AffiliateID: ann.ID}), "code", "qQ77")
	wantExists(t, create(tracker.LinkFields{Code: "x", AffiliateID: ann.ID, Subdomain: "QQ77"}), "subdomain", "qq77")
	wantInvalid(t, create(tracker.LinkFields{Code: "a b", AffiliateID: ann.ID, Destination: "ftp://x"}), "code", "destination")
	wantInvalid(t, create(tracker.LinkFields{Code: "x", AffiliateID: foreign.ID, CampaignID: offer.ID}), "affiliate_id", "campaign_id")
	wantInvalid(t, create(tracker.LinkFields{Code: "x", AffiliateID: 999}), "affiliate_id")
	wantUntouched(t, l, before)
	if list, _, err := l.CatalogLinks(t.Context(), "acme", tracker.LinkFilter{}, tracker.Page{}); err != nil || len(list) != 1 {
		t.Errorf("afterwards there are %+v, %v", list, err)
	}
}

func testEdgeSettings(t *testing.T, db Database) {
	l := open(t, db)
	ann := makeAffiliate(t, l, "acme", "Ann")
	summer := makeCampaign(t, l, "acme", tracker.CampaignFields{
		Name: "summer", Window: 7200, LandingPage: "/summer", DeepLinkHosts: []string{"c.example"},
	})
	takes := createLink(t, l, tracker.LinkFields{Code: "takes", AffiliateID: ann.ID, CampaignID: summer.ID})
	if takes.Window != 0 || takes.Destination != "" || len(takes.DeepLinkHosts) != 0 {
		t.Errorf("the books show the campaign's settings as the link's: %+v", takes)
	}
	has := createLink(t, l, tracker.LinkFields{
		Code: "has", AffiliateID: ann.ID, CampaignID: summer.ID, Window: 60, Destination: "/own", DeepLinkHosts: []string{"l.example"},
	})
	want := tracker.Link{
		ID: takes.ID, Network: "acme", Code: "takes", Affiliate: "Ann", Destination: "/summer", Window: 2 * time.Hour, Active: true,
		DeepLinkHosts: []string{"c.example"},
	}
	if got := edgeLink(t, l, "takes"); !reflect.DeepEqual(got, want) {
		t.Errorf("an edge has %+v, want %+v", got, want)
	}
	if got := links(t, l, "acme")[1].Link; !reflect.DeepEqual(got, want) {
		t.Errorf("the list of the edges' links has %+v, want %+v", got, want)
	}
	want.ID, want.Code, want.Destination, want.Window, want.DeepLinkHosts = has.ID, "has", "/own", time.Minute, []string{"l.example"}
	if got := edgeLink(t, l, "has"); !reflect.DeepEqual(got, want) {
		t.Errorf("an edge has %+v, want %+v", got, want)
	}
	changeCampaign(t, l, summer, func(f *tracker.CampaignFields) { f.Window, f.LandingPage, f.DeepLinkHosts = 0, "", nil })
	want.ID, want.Code, want.Destination, want.Window, want.DeepLinkHosts = takes.ID, "takes", "", 0, nil
	if got := edgeLink(t, l, "takes"); !reflect.DeepEqual(got, want) {
		t.Errorf("where neither says anything an edge has %+v", got)
	}
}

func testLive(t *testing.T, db Database) {
	l := open(t, db)
	now := epoch
	l.SetClock(func() time.Time { return now })
	ann := makeAffiliate(t, l, "acme", "Ann")
	summer := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "summer"})
	expiry := epoch.Add(time.Hour)
	link := createLink(t, l, tracker.LinkFields{Code: "a", AffiliateID: ann.ID, CampaignID: summer.ID, ExpiresAt: &expiry})
	want := func(when string, live bool) {
		t.Helper()
		edge := edgeLink(t, l, "a")
		if got := catalogLink(t, l, link.ID).Live; got != live || edge.Live(now) != live {
			t.Errorf("%s the link is live: %v in the books, %v at an edge, want %v", when, got, edge.Live(now), live)
		}
	}
	want("at first", true)
	for _, status := range []tracker.AffiliateStatus{
		tracker.AffiliateApplied, tracker.AffiliateDeclined, tracker.AffiliateSuspended, tracker.AffiliateArchived, tracker.AffiliateApproved,
	} {
		setStatus(t, l, ann, status)
		want("of an affiliate who is "+string(status), status == tracker.AffiliateApproved)
	}
	for _, archived := range []bool{true, false} {
		changeCampaign(t, l, summer, func(f *tracker.CampaignFields) { f.Archived = archived })
		want("in a campaign that is archived or not", !archived)
	}
	for _, enabled := range []bool{false, true} {
		changeLink(t, l, link.ID, func(f *tracker.LinkFields) { f.Enabled = enabled })
		want("switched", enabled)
	}
	now = expiry.Add(-time.Millisecond)
	want("just before it expires", true)
	now = expiry
	want("when it expires", false)
	if !edgeLink(t, l, "a").Active {
		t.Error("the table has decided about the expiry, which is for the edge's clock")
	}
	changeLink(t, l, link.ID, func(f *tracker.LinkFields) { f.ExpiresAt = nil })
	want("without an expiry", true)
}

func testCatalogVersion(t *testing.T, db Database) {
	l, other := open(t, db), open(t, db)
	ann := makeAffiliate(t, l, "acme", "Ann")
	summer := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "summer"})
	link := createLink(t, l, tracker.LinkFields{Code: "a", AffiliateID: ann.ID, CampaignID: summer.ID})
	for what, change := range map[string]func(){
		"an affiliate's name": func() {
			_, err := l.UpdateAffiliate(t.Context(), "acme", ann.ID, func(f *tracker.AffiliateFields) error {
				f.Name = "Annabel"
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		},
		"an affiliate's status": func() { setStatus(t, l, ann, tracker.AffiliateSuspended) },
		"a campaign's window":   func() { changeCampaign(t, l, summer, func(f *tracker.CampaignFields) { f.Window = 60 }) },
		"a campaign's coupons": func() {
			changeCampaign(t, l, summer, func(f *tracker.CampaignFields) {
				f.Coupons = []tracker.Coupon{{Code: "c", AffiliateID: ann.ID}}
			})
		},
		"a link's destination": func() { changeLink(t, l, link.ID, func(f *tracker.LinkFields) { f.Destination = "/x" }) },
		"a link's expiry": func() {
			changeLink(t, l, link.ID, func(f *tracker.LinkFields) { f.ExpiresAt = &epoch })
		},
	} {
		before := version(t, other)
		change()
		moved := version(t, other)
		change()
		if moved <= before || version(t, other) != moved {
			t.Errorf("%s: the version went from %d to %d, and to %d when it was set again", what, before, moved, version(t, other))
		}
	}
}

func testLinkTenancy(t *testing.T, db Database) {
	l := open(t, db)
	link := addLink(t, l, ledger.NewLink{Network: "acme", Code: "a"})
	for _, network := range []string{"other", "default", ""} {
		_, read := l.CatalogLink(t.Context(), network, link.ID)
		_, changed := l.UpdateLink(t.Context(), network, link.ID, func(*tracker.LinkFields) error { return nil })
		for what, err := range map[string]error{"read": read, "changed": changed} {
			if !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("%s from network %q: %v", what, network, err)
			}
		}
		f := tracker.LinkFilter{AffiliateID: link.AffiliateID}
		if list, _, err := l.CatalogLinks(t.Context(), network, f, tracker.Page{}); err != nil || len(list) > 0 {
			t.Errorf("network %q lists %+v, %v", network, list, err)
		}
	}
}

func testLinkPages(t *testing.T, db Database) {
	l := open(t, db)
	ann, bob := makeAffiliate(t, l, "acme", "Ann"), makeAffiliate(t, l, "acme", "Bob")
	summer := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "summer"})
	createLink(t, l, tracker.LinkFields{Code: "A", AffiliateID: ann.ID, CampaignID: summer.ID, Subdomain: "a"})
	createLink(t, l, tracker.LinkFields{Code: "b", AffiliateID: bob.ID, CampaignID: summer.ID, ContactEmail: "b@example.com"})
	off := createLink(t, l, tracker.LinkFields{Code: "c", AffiliateID: ann.ID})
	changeLink(t, l, off.ID, func(f *tracker.LinkFields) { f.Enabled = false })
	takeOver(t, l, []ledger.NewLink{{Network: "acme", Code: "d"}, {Network: "acme", Code: "e"}})
	takeOver(t, l, []ledger.NewLink{{Network: "acme", Code: "d"}})
	addLink(t, l, ledger.NewLink{Network: "other", Code: "a", Subdomain: "a"})
	yes, no := true, false
	for _, c := range []struct {
		filter tracker.LinkFilter
		want   []string
	}{
		{tracker.LinkFilter{}, []string{"A", "b", "c", "d", "e"}},
		{tracker.LinkFilter{Code: "a"}, []string{"A"}},
		{tracker.LinkFilter{Subdomain: "a"}, []string{"A"}},
		{tracker.LinkFilter{AffiliateID: ann.ID}, []string{"A", "c"}},
		{tracker.LinkFilter{CampaignID: summer.ID}, []string{"A", "b"}},
		{tracker.LinkFilter{AffiliateID: ann.ID, CampaignID: summer.ID}, []string{"A"}},
		{tracker.LinkFilter{Enabled: &yes}, []string{"A", "b", "d"}},
		{tracker.LinkFilter{Enabled: &no}, []string{"c", "e"}},
		{tracker.LinkFilter{ContactEmail: "b@example.com"}, []string{"b"}},
		{tracker.LinkFilter{Source: ledger.SourceConfig}, []string{"d", "e"}},
		{tracker.LinkFilter{Code: "nobody"}, nil},
	} {
		var got []string
		pages := 0
		for p := (tracker.Page{Limit: 2}); pages == 0 || p.After != ""; pages++ {
			list, next, err := l.CatalogLinks(t.Context(), "acme", c.filter, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, link := range list {
				got = append(got, link.Code)
			}
			if next != "" && len(list) != 2 || pages > 3 {
				t.Fatalf("page %d has %d links, and then %q", pages, len(list), next)
			}
			p.After = next
		}
		if !slices.Equal(got, c.want) || pages != max(1, (len(c.want)+1)/2) {
			t.Errorf("%+v selects %q on %d pages, want %q", c.filter, got, pages, c.want)
		}
	}
}

func testLinkTogether(t *testing.T, db Database) {
	hubs := []*ledger.Ledger{open(t, db), open(t, db)}
	ann := makeAffiliate(t, hubs[0], "acme", "Ann")
	results := make(chan error, 20)
	for _, l := range hubs {
		go func() {
			for i := range 10 {
				_, err := l.CreateLink(t.Context(), "acme", tracker.LinkFields{Code: string(rune('a' + i)), AffiliateID: ann.ID})
				results <- err
			}
		}()
	}
	made := 0
	for range cap(results) {
		if err := <-results; err == nil {
			made++
		} else if !errors.Is(err, ledger.ErrExists) {
			t.Error(err)
		}
	}
	if made != 10 {
		t.Errorf("10 links were made %d times", made)
	}
}
