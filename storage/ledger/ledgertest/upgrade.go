package ledgertest

import (
	"database/sql"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// dayMillis is a day in the ledger's milliseconds.
const dayMillis = 24 * 60 * 60 * 1000

// oldRows are what a ledger of the first schema may hold. The first session is of day 20000.
var oldRows = []string{
	`INSERT INTO meta VALUES (1, 'the-ledger', 42)`,
	`INSERT INTO network VALUES ('acme', 1000), ('default', 1000)`,
	`INSERT INTO affiliate VALUES (1, 'acme', 'Ann', 2000), (2, 'default', 'Ann', 3000)`,
	`INSERT INTO campaign VALUES (1, 'acme', 'default', 2000), (2, 'default', 'default', 3000)`,
	`INSERT INTO link VALUES
		(1, 'acme', 'Demo', 'demo', 1, 1, 'sub', '/x', '["a.example"]', 3600000, true, false, 'api', 4000),
		(2, 'acme', 'left', 'left', 1, 1, '', '', '[]', 0, true, true, 'config', 5000),
		(7, 'default', 'seen', 'seen', 2, 2, '', '', '[]', 0, false, false, 'session', 6000)`,
	`INSERT INTO origin VALUES ('edge', 7, 3, 6, 0, 1, 0, 7000, 8000)`,
	`INSERT INTO quarantine VALUES ('edge', 7, 7, false, 'damaged', '', 8000)`,
}

// oldSession is a session of the first schema.
type oldSession struct {
	day     int64 // after the first
	link    int64
	class   tracker.Class
	visitor byte // 0: none
}

var oldSessions = []oldSession{
	{0, 1, tracker.ClassHuman, 'a'}, {0, 1, tracker.ClassHuman, 'a'}, {0, 1, tracker.ClassHuman, 'b'},
	{0, 1, tracker.ClassRepeat, 'a'}, {1, 1, tracker.ClassHuman, 'a'}, {1, 7, tracker.ClassInactiveLink, 0},
}

// Upgrade checks that a ledger of the second schema, with data in it that goes back to the first, is opened with everything in it. raw is an empty
// database, folder that of the schema's files, and openIt opens the ledger in the database.
func Upgrade(t *testing.T, raw *sql.DB, dialect goose.Dialect, folder string, openIt func(t testing.TB) *ledger.Ledger) {
	makeOld(t, raw, dialect, folder)
	l := open(t, Database{Open: openIt})
	if l.ID() != "the-ledger" || version(t, l) != 42 {
		t.Errorf("the ledger %s has version %d of its links", l.ID(), version(t, l))
	}
	wantBooks(t, l, "edge", ledger.Origin{Cursor: 7, Applied: 6, Quarantined: 1})
	wantOldCatalog(t, l)
	if got := sessions(t, l); len(got) != len(oldSessions) || got[0].Code != "seen" || got[5].Query != "q=0" || got[5].Affiliate != "Ann" {
		t.Errorf("the sessions are %+v", got)
	}
	want := []string{
		"acme 20000 1 4 2 0 0", "acme 20001 1 1 1 0 0", "default 20001 7 0 0 0 1",
	}
	if got := clickDays(t, raw, "click_day", "link_id"); !reflect.DeepEqual(got, want) {
		t.Errorf("the sums of clicks are %q, want %q", got, want)
	}
	want = []string{"acme 20000 mail 5 6 7 8", "acme 20000 news 11 22 33 44", "acme 20001 news 9 8 7 6"}
	if got := clickDays(t, raw, "sub_day", "sub1"); !reflect.DeepEqual(got, want) {
		t.Errorf("the sums of sub-ids are %q, want %q", got, want)
	}
	if added := addLink(t, l, ledger.NewLink{Network: "acme", Code: "new"}); added.ID != 8 || added.AffiliateID != 3 || added.CampaignID != 1 {
		t.Errorf("a new link is %+v", added)
	}
	wantApplied(t, l, "edge", []ledger.Record{Record(8, "demo")}, ledger.Applied{Cursor: 8, Sessions: 1})
}

// makeOld makes a database of the first schema, and takes it to the second.
func makeOld(t *testing.T, raw *sql.DB, dialect goose.Dialect, folder string) {
	t.Helper()
	p, err := goose.NewProvider(dialect, raw, os.DirFS(folder), goose.WithTableName("affiliate_migration"),
		goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	fillOld(t, raw)
	if _, err := p.UpTo(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	// What the second schema had counted by sub-id.
	_, err = raw.ExecContext(t.Context(), `INSERT INTO click_sub_day VALUES ('acme', 20000, 1, 'news', 1, 2, 3, 4),
		('acme', 20000, 2, 'news', 10, 20, 30, 40), ('acme', 20000, 2, 'mail', 5, 6, 7, 8), ('acme', 20001, 1, 'news', 9, 8, 7, 6)`)
	if err != nil {
		t.Fatal(err)
	}
}

// fillOld fills a database of the first schema.
func fillOld(t *testing.T, raw *sql.DB) {
	t.Helper()
	statements := oldRows
	for i, s := range oldSessions {
		ms := int64(20000+s.day)*dayMillis + int64(i)
		network, code, visitor := "acme", "Demo", ""
		if s.link == 7 {
			network, code = "default", "seen"
		}
		if s.visitor != 0 {
			visitor = tracker.VisitorID{s.visitor}.String()
		}
		statements = append(statements, fmt.Sprintf(`INSERT INTO session VALUES ('%s', '%s', %d, '%s', '%s', %d, '%s', '203.0.113.0',
			'agent', 'Chrome', 'Linux', 'Other', 'shop.example', '/', 'q=%d', '', 'via', '{"sub1":"news"}', '{}', 'edge', %d, false)`,
			tracker.NewSessionID(time.UnixMilli(ms)), network, s.link, code, s.class, ms, visitor, i, i+1))
	}
	for _, statement := range statements {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// wantOldCatalog checks that the old rows are there, with what the new columns stand for by default.
func wantOldCatalog(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	affiliate, err := l.Affiliate(t.Context(), "acme", 1)
	wantAffiliate := tracker.Affiliate{
		ID: 1, Network: "acme", CreatedAt: time.UnixMilli(2000).UTC(), UpdatedAt: time.UnixMilli(2000).UTC(),
		AffiliateFields: tracker.AffiliateFields{
			Name: "Ann", Status: tracker.AffiliateApproved, Sites: []tracker.Site{}, Users: []tracker.User{}, CustomData: map[string]string{},
		},
	}
	if err != nil || !reflect.DeepEqual(affiliate, wantAffiliate) {
		t.Errorf("the affiliate is %+v, %v", affiliate, err)
	}
	campaign, err := l.Campaign(t.Context(), "acme", 1)
	wantCampaign := tracker.Campaign{
		ID: 1, Network: "acme", CreatedAt: time.UnixMilli(2000).UTC(), UpdatedAt: time.UnixMilli(2000).UTC(),
		CampaignFields: tracker.CampaignFields{
			Name: "default", Commissions: []tracker.Commission{}, DeepLinkHosts: []string{}, Coupons: []tracker.Coupon{},
			Duplicates: tracker.DuplicateReject,
		},
	}
	if err != nil || !reflect.DeepEqual(campaign, wantCampaign) {
		t.Errorf("the campaign is %+v, %v", campaign, err)
	}
	wantLink := tracker.CatalogLink{
		ID: 1, Network: "acme", Affiliate: "Ann", Campaign: "default", Live: true, Source: ledger.SourceAPI,
		CreatedAt: time.UnixMilli(4000).UTC(), UpdatedAt: time.UnixMilli(4000).UTC(),
		LinkFields: tracker.LinkFields{
			Code: "Demo", AffiliateID: 1, CampaignID: 1, Subdomain: "sub", Destination: "/x", DeepLinkHosts: []string{"a.example"},
			Window: 3600, Enabled: true, TrainingStatus: tracker.TrainingNotApplicable,
		},
	}
	if link := catalogLink(t, l, 1); !reflect.DeepEqual(link, wantLink) {
		t.Errorf("the link is %+v, want %+v", link, wantLink)
	}
	if link := catalogLink(t, l, 2); link.Live || link.Enabled || link.Source != ledger.SourceConfig {
		t.Errorf("the link that left the configuration is %+v", link)
	}
	if all := links(t, l, ""); len(all) != 3 || all[2].ID != 7 || all[2].Active {
		t.Errorf("the links are %+v", all)
	}
}

// clickDays reads sums of clicks by network, day and that column.
func clickDays(t *testing.T, raw *sql.DB, table, column string) []string {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), fmt.Sprintf(`SELECT network, day, CAST(%[2]s AS text), clicks, uniques, bots, others
		FROM %[1]s ORDER BY network, day, %[2]s`, table, column))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var days []string
	for rows.Next() {
		var network, of string
		var day, clicks, uniques, bots, others int64
		if err := rows.Scan(&network, &day, &of, &clicks, &uniques, &bots, &others); err != nil {
			t.Fatal(err)
		}
		days = append(days, fmt.Sprint(network, " ", day, " ", of, " ", clicks, " ", uniques, " ", bots, " ", others))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return days
}
