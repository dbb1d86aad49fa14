package ledgertest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var linkChangeTests = []test{
	{"changes", testUpdateLink},
	{"a change that is refused changes nothing", testUpdateLinkRefused},
	{"what the configuration says is changed there", testUpdateConfigLink},
	{"the configuration leaves the rest alone", testSyncKeeps},
	{"a session's link can be taken over and enabled", testUpdateSessionLink},
}

// changeLink changes a link of network acme.
func changeLink(t *testing.T, l *ledger.Ledger, id int64, change func(f *tracker.LinkFields)) tracker.CatalogLink {
	t.Helper()
	link, err := tryLink(t, l, id, change)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func tryLink(t *testing.T, l *ledger.Ledger, id int64, change func(f *tracker.LinkFields)) (tracker.CatalogLink, error) {
	t.Helper()
	return l.UpdateLink(t.Context(), "acme", id, func(f *tracker.LinkFields) error {
		change(f)
		return nil
	})
}

func testUpdateLink(t *testing.T, db Database) {
	l := open(t, db)
	ann, bob := makeAffiliate(t, l, "acme", "Ann"), makeAffiliate(t, l, "acme", "Bob")
	winter := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "winter"})
	link := createLink(t, l, tracker.LinkFields{Code: "a", AffiliateID: ann.ID, DeepLinkHosts: []string{"x.example"}})
	expiry := epoch.Add(24000 * time.Hour)
	fields := tracker.LinkFields{
		Code: "a", AffiliateID: bob.ID, CampaignID: winter.ID, Subdomain: "b", Destination: "/b", DeepLinkHosts: []string{"y.example"},
		Window: 5, ExpiresAt: &expiry, ContactName: "n", ContactEmail: "n@example.com", Organisation: "o",
		TrainingStatus: tracker.TrainingInTraining, IsBusiness: true,
	}
	changed := changeLink(t, l, link.ID, func(f *tracker.LinkFields) {
		f.DeepLinkHosts[0] = "y.example" // in place
		hosts := f.DeepLinkHosts
		*f = fields
		f.DeepLinkHosts = hosts
	})
	want := tracker.CatalogLink{
		ID: link.ID, Network: "acme", LinkFields: fields, Affiliate: "Bob", Campaign: "winter", Source: ledger.SourceAPI,
		CreatedAt: link.CreatedAt, UpdatedAt: changed.UpdatedAt,
	}
	if read := catalogLink(t, l, link.ID); !reflect.DeepEqual(changed, want) || !reflect.DeepEqual(read, want) {
		t.Errorf("changed it is %+v, read %+v, want %+v", changed, read, want)
	}
	back := changeLink(t, l, link.ID, func(f *tracker.LinkFields) { f.CampaignID, f.Enabled = 0, true })
	if back.Campaign != ledger.DefaultCampaign || !back.Live {
		t.Errorf("in no campaign it is %+v", back)
	}
}

func testUpdateLinkRefused(t *testing.T, db Database) {
	l := open(t, db)
	ann, foreign := makeAffiliate(t, l, "acme", "Ann"), makeAffiliate(t, l, "other", "Bob")
	link := createLink(t, l, tracker.LinkFields{Code: "a", AffiliateID: ann.ID, Subdomain: "own"})
	createLink(t, l, tracker.LinkFields{Code: "b", AffiliateID: ann.ID, Subdomain: "zelda"})
	before := version(t, l)
	refused := func(change func(f *tracker.LinkFields)) error {
		t.Helper()
		_, err := tryLink(t, l, link.ID, change)
		return err
	}
	wantInvalid(t, refused(func(f *tracker.LinkFields) { f.Code = "other" }), "code")
	wantInvalid(t, refused(func(f *tracker.LinkFields) { f.Code = "A" }), "code")
	wantInvalid(t, refused(func(f *tracker.LinkFields) { f.AffiliateID, f.CampaignID = foreign.ID, 999 }), "affiliate_id", "campaign_id")
	wantInvalid(t, refused(func(f *tracker.LinkFields) { f.Destination = "javascript:x" }), "destination")
	wantExists(t, refused(func(f *tracker.LinkFields) { f.Subdomain = "zelda" }), "subdomain", "zelda")
	stop := errors.New("stop")
	_, err := l.UpdateLink(t.Context(), "acme", link.ID, func(f *tracker.LinkFields) error {
		f.Destination = "/changed"
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("the callback's error came back as %v", err)
	}
	if same := changeLink(t, l, link.ID, func(*tracker.LinkFields) {}); !reflect.DeepEqual(same, link) {
		t.Errorf("unchanged it is %+v", same)
	}
	wantUntouched(t, l, before)
	if read := catalogLink(t, l, link.ID); !reflect.DeepEqual(read, link) {
		t.Errorf("afterwards it is %+v", read)
	}
}

func testUpdateConfigLink(t *testing.T, db Database) {
	l := open(t, db)
	// A host that a check would spell otherwise is no change of the caller's.
	takeOver(t, l, []ledger.NewLink{{Network: "acme", Code: "a", DeepLinkHosts: []string{"X.example"}}})
	ann := makeAffiliate(t, l, "acme", "Ann")
	summer := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "summer"})
	id := links(t, l, "acme")[0].ID
	_, err := tryLink(t, l, id, func(f *tracker.LinkFields) {
		f.AffiliateID, f.CampaignID, f.Subdomain, f.Destination, f.DeepLinkHosts = ann.ID, summer.ID, "s", "/d", nil
		f.Window, f.ExpiresAt = 5, &epoch
	})
	wantInvalid(t, err, "affiliate_id", "campaign_id", "subdomain", "destination", "deep_link_hosts", "window_seconds", "expires_at")
	changed := changeLink(t, l, id, func(f *tracker.LinkFields) {
		f.Enabled, f.ContactName, f.ContactEmail, f.Organisation = false, "n", "n@example.com", "o"
		f.TrainingStatus, f.IsBusiness = tracker.TrainingQualified, true
	})
	if changed.ContactName != "n" || changed.Live || changed.Source != ledger.SourceConfig || !changed.IsBusiness {
		t.Errorf("changed it is %+v", changed)
	}
}

func testSyncKeeps(t *testing.T, db Database) {
	l := open(t, db)
	list := []ledger.NewLink{{Network: "acme", Code: "a", Affiliate: "Ann"}, {Network: "acme", Code: "b", Affiliate: "Ann"}}
	expiry := epoch.Add(-24000 * time.Hour)
	api := addLink(t, l, ledger.NewLink{Network: "acme", Code: "a", Affiliate: "Ann", ExpiresAt: expiry, ContactName: "n"})
	takeOver(t, l, list, "link a was made through the API")
	got := catalogLink(t, l, api.ID)
	if got.ContactName != "n" || got.ExpiresAt != nil || !got.Live {
		t.Errorf("taken over it is %+v", got)
	}
	ann, err := l.Affiliate(t.Context(), "acme", api.AffiliateID)
	if err != nil {
		t.Fatal(err)
	}
	setStatus(t, l, ann, tracker.AffiliateSuspended)
	changeLink(t, l, api.ID, func(f *tracker.LinkFields) { f.Organisation = "o" })
	takeOver(t, l, list)
	if got = catalogLink(t, l, api.ID); got.Live || got.Organisation != "o" || edgeLink(t, l, "b").Active {
		t.Errorf("its affiliate suspended, the configuration has made it %+v", got)
	}

	setStatus(t, l, ann, tracker.AffiliateApproved)
	takeOver(t, l, nil)
	if got = catalogLink(t, l, api.ID); got.Enabled || got.Live {
		t.Errorf("having left the configuration it is %+v", got)
	}
	changeLink(t, l, api.ID, func(f *tracker.LinkFields) { f.ContactName = "m" })
	takeOver(t, l, list)
	if got = catalogLink(t, l, api.ID); !got.Live || got.ContactName != "m" {
		t.Errorf("back in the configuration it is %+v", got)
	}
	takeOver(t, l, nil)
	if got = changeLink(t, l, api.ID, func(f *tracker.LinkFields) { f.Enabled = true }); !got.Live || got.Source != ledger.SourceAPI {
		t.Errorf("enabled by hand it is %+v", got)
	}
}

func testUpdateSessionLink(t *testing.T, db Database) {
	l := open(t, db)
	records := []ledger.Record{Record(1, "Seen"), Record(2, "other")}
	for _, r := range records {
		r.Session.Network = "acme"
	}
	apply(t, l, newOrigin(), records)
	ann := makeAffiliate(t, l, "acme", "Ann")
	all := links(t, l, "acme")
	taken := createLink(t, l, tracker.LinkFields{Code: "seen", AffiliateID: ann.ID})
	if taken.ID != all[1].ID || taken.Code != "seen" || !taken.Live || taken.Source != ledger.SourceAPI || taken.Affiliate != "Ann" {
		t.Errorf("taken over it is %+v", taken)
	}
	if got := changeLink(t, l, all[0].ID, func(f *tracker.LinkFields) { f.Destination = "/x" }); got.Live || got.Source != ledger.SourceSession {
		t.Errorf("changed it is %+v", got)
	}
	if got := changeLink(t, l, all[0].ID, func(f *tracker.LinkFields) { f.Enabled = true }); !got.Live || got.Source != ledger.SourceAPI {
		t.Errorf("enabled it is %+v", got)
	}
	if got := edgeLink(t, l, "other"); !got.Active || got.Destination != "/x" {
		t.Errorf("an edge has %+v", got)
	}
}
