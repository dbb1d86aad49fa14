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

var linkTests = []test{
	{"a link comes back as it was added", testAddLink},
	{"codes and subdomains are unique without case", testUnique},
	{"disable and enable", testSetActive},
	{"the version moves with each change only", testVersion},
	{"the table has everything at its version", testTable},
	{"a session's link is disabled and can be taken over", testSessionLink},
}

func addLink(t *testing.T, l *ledger.Ledger, n ledger.NewLink) ledger.Link {
	t.Helper()
	link, err := l.AddLink(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func version(t *testing.T, l *ledger.Ledger) int64 {
	t.Helper()
	v, err := l.LinkVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func links(t *testing.T, l *ledger.Ledger, network string) []ledger.Link {
	t.Helper()
	all, err := l.Links(t.Context(), network)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func testAddLink(t *testing.T, db Database) {
	l := open(t, db)
	full := addLink(t, l, ledger.NewLink{
		Network: "acme", Code: "Demo_1", Affiliate: "Demo Partner", Campaign: "summer", Subdomain: "demo",
		Destination: "https://shop.example.com/?a=b#c", DeepLinkHosts: []string{"shop.example.com", "www.example.com"},
		Window: 36 * time.Hour,
	})
	bare := addLink(t, l, ledger.NewLink{Code: "bare"})
	sibling := addLink(t, l, ledger.NewLink{Network: "acme", Code: "demo_2", Affiliate: "Demo Partner", Campaign: "summer"})
	if full.ID == 0 || bare.ID == 0 || full.ID == bare.ID || full.CreatedAt.IsZero() {
		t.Fatalf("added %+v and %+v", full, bare)
	}
	want := ledger.Link{
		Link: tracker.Link{
			ID: full.ID, Network: "acme", Code: "Demo_1", Affiliate: "Demo Partner", Subdomain: "demo",
			Destination: "https://shop.example.com/?a=b#c", DeepLinkHosts: []string{"shop.example.com", "www.example.com"},
			Window: 36 * time.Hour, Active: true,
		},
		Enabled: true, AffiliateID: full.AffiliateID, CampaignID: full.CampaignID, Campaign: "summer", Source: ledger.SourceAPI,
		CreatedAt: full.CreatedAt,
	}
	if !reflect.DeepEqual(full, want) {
		t.Errorf("added %+v, want %+v", full, want)
	}
	if bare.Network != "default" || bare.Affiliate != "bare" || bare.Campaign != "default" || !bare.Active || bare.Window != 0 {
		t.Errorf("the defaults are %+v", bare)
	}
	if sibling.AffiliateID != full.AffiliateID || sibling.CampaignID != full.CampaignID || bare.AffiliateID == full.AffiliateID {
		t.Errorf("affiliates and campaigns are %+v, %+v, %+v", full, sibling, bare)
	}
	if all := links(t, l, "acme"); !reflect.DeepEqual(all, []ledger.Link{full, sibling}) {
		t.Errorf("acme's links are %+v", all)
	}
	if all := links(t, l, ""); !reflect.DeepEqual(all, []ledger.Link{full, sibling, bare}) {
		t.Errorf("all links are %+v", all)
	}
}

func testUnique(t *testing.T, db Database) {
	l := open(t, db)
	addLink(t, l, ledger.NewLink{Code: "demo", Subdomain: "demo"})
	before := version(t, l)
	for _, n := range []ledger.NewLink{{Code: "demo"}, {Code: "DEMO"}, {Code: "other", Subdomain: "demo"}} {
		if _, err := l.AddLink(t.Context(), n); !errors.Is(err, ledger.ErrExists) {
			t.Errorf("adding %+v: %v", n, err)
		}
	}
	for _, code := range []string{"", "a b", "é", string(make([]byte, 65))} {
		if _, err := l.AddLink(t.Context(), ledger.NewLink{Code: code}); !errors.Is(err, tracker.ErrCode) {
			t.Errorf("adding %q: %v", code, err)
		}
	}
	if version(t, l) != before || len(links(t, l, "")) != 1 {
		t.Error("a refused link has changed something")
	}
	addLink(t, l, ledger.NewLink{Network: "acme", Code: "Demo", Subdomain: "demo"})
	addLink(t, l, ledger.NewLink{Code: "third"})
	addLink(t, l, ledger.NewLink{Code: "fourth"}) // any number may have no subdomain
}

func testSetActive(t *testing.T, db Database) {
	l := open(t, db)
	link := addLink(t, l, ledger.NewLink{Code: "Demo"})
	for _, active := range []bool{false, false, true} {
		before := version(t, l)
		set, err := l.SetLinkActive(t.Context(), "", "dEMO", active)
		if err != nil {
			t.Fatal(err)
		}
		moved := active != link.Active
		link.Enabled, link.Active = active, active
		if !reflect.DeepEqual(set, link) || !reflect.DeepEqual(links(t, l, "default"), []ledger.Link{link}) {
			t.Errorf("set to %v the link is %+v", active, set)
		}
		if (version(t, l) > before) != moved {
			t.Errorf("set to %v the version went from %d to %d", active, before, version(t, l))
		}
	}
	for _, network := range []string{"", "acme"} {
		if _, err := l.SetLinkActive(t.Context(), network, "nobody", true); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("setting an unknown link: %v", err)
		}
	}
}

func testVersion(t *testing.T, db Database) {
	l, other := open(t, db), open(t, db)
	if v := version(t, l); v != 0 {
		t.Fatalf("a new ledger's links have version %d", v)
	}
	seen := []int64{0}
	for _, code := range []string{"a", "b", "c"} {
		addLink(t, l, ledger.NewLink{Code: code})
		seen = append(seen, version(t, other))
	}
	apply(t, l, newOrigin(), []ledger.Record{Record(1, "a"), Record(2, "B")})
	if !slices.IsSorted(seen) || len(slices.Compact(seen)) != 4 || version(t, other) != seen[3] {
		t.Fatalf("the versions were %v, and then %d", seen, version(t, other))
	}
}

func testTable(t *testing.T, db Database) {
	l := open(t, db)
	empty, err := l.LinkTable(t.Context())
	if err != nil || empty.Len() != 0 || empty.Version() != 0 {
		t.Fatalf("an empty ledger's table is %+v, %v", empty, err)
	}
	first := addLink(t, l, ledger.NewLink{Code: "Demo", Subdomain: "demo", Window: time.Hour})
	addLink(t, l, ledger.NewLink{Network: "acme", Code: "demo"})
	if _, err := l.SetLinkActive(t.Context(), "acme", "demo", false); err != nil {
		t.Fatal(err)
	}
	table, err := l.LinkTable(t.Context())
	if err != nil || table.Len() != 2 || table.Version() != version(t, l) {
		t.Fatalf("the table is %+v, %v", table, err)
	}
	if got := table.Lookup("default", "DEMO"); !reflect.DeepEqual(got, &first.Link) {
		t.Errorf("default has %+v", got)
	}
	if got := table.LookupSubdomain("default", "demo"); !reflect.DeepEqual(got, &first.Link) {
		t.Errorf("the subdomain leads to %+v", got)
	}
	if got := table.Lookup("acme", "demo"); got == nil || got.Active {
		t.Errorf("acme has %+v", got)
	}
}

func testSessionLink(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	unknown := []ledger.Record{Record(1, "Unknown"), Record(2, "unknown"), Record(3, "UNKNOWN")}
	unknown[2].Session.Network = "acme"
	apply(t, l, origin, unknown)
	all := links(t, l, "")
	if len(all) != 2 || all[0].Network != "acme" || all[1].Code != "Unknown" || version(t, l) == 0 {
		t.Fatalf("links are %+v", all)
	}
	for _, link := range all {
		if link.Active || link.Source != ledger.SourceSession || link.Affiliate != link.Code || link.Campaign != "default" {
			t.Errorf("a session has made %+v", link)
		}
	}
	for _, s := range sessions(t, l) {
		if want := all[map[string]int{"acme": 0, "default": 1}[s.Network]]; s.LinkID != want.ID || s.Affiliate != want.Affiliate {
			t.Errorf("session %d has link %d of %s", s.Seq, s.LinkID, s.Affiliate)
		}
	}
	taken := addLink(t, l, ledger.NewLink{Code: "unknown", Affiliate: "Somebody"})
	if taken.ID != all[1].ID || !taken.Active || taken.Source != ledger.SourceAPI || taken.Affiliate != "Somebody" {
		t.Errorf("taken over it is %+v", taken)
	}
	enabled, err := l.SetLinkActive(t.Context(), "acme", "unknown", true)
	if err != nil || !enabled.Active || enabled.Source != ledger.SourceAPI {
		t.Errorf("enabled it is %+v, %v", enabled, err)
	}
	if _, err := l.AddLink(t.Context(), ledger.NewLink{Code: "unknown"}); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("added again: %v", err)
	}
}
