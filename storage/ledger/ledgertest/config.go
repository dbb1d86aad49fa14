package ledgertest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var configTests = []test{
	{"links come, change, go and come back", testSync},
	{"the same list changes nothing", testSyncSame},
	{"another node's links are left alone", testSyncNodes},
	{"configuration wins over the API", testSyncWins},
	{"an operator's disable stays", testSyncDisabled},
	{"subdomains move", testSyncSubdomain},
	{"a code that no link may have", testSyncCode},
}

// takeOver takes over the links of the only node that has any, and compares the warnings' subjects: each is a part of its
// warning.
func takeOver(t *testing.T, l *ledger.Ledger, list []ledger.NewLink, warnings ...string) {
	t.Helper()
	var left []ledger.LinkID
	for _, link := range links(t, l, "") {
		if link.Source == ledger.SourceConfig {
			left = append(left, ledger.LinkID{Network: link.Network, Code: link.Code})
		}
	}
	got, err := l.SyncConfigLinks(t.Context(), list, left)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(warnings) {
		t.Fatalf("the warnings are %q, want %q", got, warnings)
	}
	for i := range got {
		if !strings.Contains(got[i], warnings[i]) {
			t.Errorf("a warning is %q, want %q", got[i], warnings[i])
		}
	}
}

// wantLinks compares the default network's links, each written as code, source and a minus where it is disabled.
func wantLinks(t *testing.T, l *ledger.Ledger, want ...string) {
	t.Helper()
	var got []string
	for _, link := range links(t, l, "default") {
		line := link.Code + " " + link.Source
		if !link.Active {
			line += " -"
		}
		got = append(got, line)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("links are %q, want %q", got, want)
	}
}

func testSync(t *testing.T, db Database) {
	l := open(t, db)
	a := ledger.NewLink{Code: "a", Affiliate: "Ann", Destination: "/a", DeepLinkHosts: []string{"x.example"}, Window: time.Hour}
	b := ledger.NewLink{Code: "b"}
	takeOver(t, l, []ledger.NewLink{a, b})
	wantLinks(t, l, "a config", "b config")
	id := links(t, l, "")[0].ID

	a.Code, a.Affiliate, a.Destination, a.DeepLinkHosts, a.Window = "A", "Bob", "/b", nil, 0
	takeOver(t, l, []ledger.NewLink{a}, `link a goes from affiliate "Ann" to "Bob"`)
	wantLinks(t, l, "A config", "b config -")
	link := links(t, l, "")[0]
	if link.ID != id || link.Affiliate != "Bob" || link.Destination != "/b" || link.DeepLinkHosts != nil || link.Window != 0 {
		t.Errorf("changed it is %+v", link)
	}
	takeOver(t, l, nil)
	wantLinks(t, l, "A config -", "b config -")
	takeOver(t, l, []ledger.NewLink{b})
	wantLinks(t, l, "A config -", "b config")
}

func testSyncNodes(t *testing.T, db Database) {
	l := open(t, db)
	for _, code := range []string{"a", "b"} {
		if _, err := l.SyncConfigLinks(t.Context(), []ledger.NewLink{{Code: code}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	wantLinks(t, l, "a config", "b config")
	left := []ledger.LinkID{{Network: "default", Code: "A"}, {Network: "default", Code: "unheard-of"}}
	if _, err := l.SyncConfigLinks(t.Context(), nil, left); err != nil {
		t.Fatal(err)
	}
	wantLinks(t, l, "a config -", "b config")
}

func testSyncSame(t *testing.T, db Database) {
	l := open(t, db)
	takeOver(t, l, nil)
	if v := version(t, l); v != 0 {
		t.Fatalf("an empty list has made version %d", v)
	}
	list := []ledger.NewLink{
		{Code: "a", Subdomain: "a", DeepLinkHosts: []string{"x.example", "y.example"}, Window: 1500 * time.Microsecond},
		{Code: "b", Network: "acme", Campaign: "summer"},
	}
	takeOver(t, l, list)
	before := version(t, l)
	takeOver(t, l, list)
	takeOver(t, l, append(list, ledger.NewLink{Code: "A"}), "listed twice")
	if v := version(t, l); v != before {
		t.Fatalf("the same list moved the version from %d to %d", before, v)
	}
}

func testSyncWins(t *testing.T, db Database) {
	l := open(t, db)
	made := addLink(t, l, ledger.NewLink{Code: "a", Affiliate: "Ann"})
	addLink(t, l, ledger.NewLink{Code: "other"})
	apply(t, l, newOrigin(), []ledger.Record{Record(1, "seen")})
	takeOver(t, l, []ledger.NewLink{{Code: "a", Affiliate: "Bob"}, {Code: "seen"}}, "link a was made through the API")
	wantLinks(t, l, "a config", "other api", "seen config")
	if link := links(t, l, "")[0]; link.ID != made.ID || link.Affiliate != "Bob" {
		t.Errorf("replaced it is %+v", link)
	}
	takeOver(t, l, nil)
	wantLinks(t, l, "a config -", "other api", "seen config -")
	if _, err := l.SetLinkActive(t.Context(), "default", "a", true); err != nil {
		t.Fatal(err)
	}
	takeOver(t, l, nil)
	wantLinks(t, l, "a api", "other api", "seen config -")
}

func testSyncDisabled(t *testing.T, db Database) {
	l := open(t, db)
	list := []ledger.NewLink{{Code: "a"}}
	takeOver(t, l, list)
	if _, err := l.SetLinkActive(t.Context(), "default", "a", false); err != nil {
		t.Fatal(err)
	}
	takeOver(t, l, list, "stays disabled")
	takeOver(t, l, nil)
	takeOver(t, l, list, "stays disabled")
	wantLinks(t, l, "a config -")
	if _, err := l.SetLinkActive(t.Context(), "default", "a", true); err != nil {
		t.Fatal(err)
	}
	takeOver(t, l, list)
	wantLinks(t, l, "a config")
}

func testSyncSubdomain(t *testing.T, db Database) {
	l := open(t, db)
	addLink(t, l, ledger.NewLink{Code: "api", Subdomain: "one"})
	takeOver(t, l, []ledger.NewLink{{Code: "a", Subdomain: "one"}, {Code: "b", Subdomain: "two"}}, "subdomain one")
	takeOver(t, l, []ledger.NewLink{{Code: "c", Subdomain: "two"}, {Code: "a", Subdomain: "one"}})
	var got []string
	for _, link := range links(t, l, "") {
		got = append(got, link.Code+"="+link.Subdomain)
	}
	if want := []string{"a=one", "api=", "b=", "c=two"}; !slices.Equal(got, want) {
		t.Fatalf("subdomains are %q, want %q", got, want)
	}
	takeOver(t, l, []ledger.NewLink{{Code: "a", Subdomain: "one"}, {Code: "c", Subdomain: "two"}, {Code: "d", Subdomain: "one"}},
		"subdomain one is listed twice")
	// Two links that swap their subdomains.
	takeOver(t, l, []ledger.NewLink{{Code: "c", Subdomain: "one"}, {Code: "a", Subdomain: "two"}})
	table, err := l.LinkTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for label, code := range map[string]string{"one": "c", "two": "a"} {
		if link := table.LookupSubdomain("default", label); link == nil || link.Code != code {
			t.Errorf("subdomain %s leads to %+v, want %s", label, link, code)
		}
	}
}

func testSyncCode(t *testing.T, db Database) {
	l := open(t, db)
	_, err := l.SyncConfigLinks(t.Context(), []ledger.NewLink{{Code: "fine"}, {Code: "not fine"}}, nil)
	if !errors.Is(err, tracker.ErrCode) {
		t.Fatalf("syncing a bad code: %v", err)
	}
	wantLinks(t, l)
}
