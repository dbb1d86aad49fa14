package ledgertest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var importTests = []test{
	{"affiliates", testImportAffiliates},
	{"links", testImportLinks},
	{"one wrong row, and nothing is imported", testImportWrong},
	{"at most 100 errors", testImportManyWrong},
	{"a session's links are taken over", testImportTakesOver},
}

// importLinks imports into network acme.
func importLinks(t *testing.T, l *ledger.Ledger, rows []ledger.NewLink) []ledger.RowError {
	t.Helper()
	wrong, err := l.ImportLinks(t.Context(), "acme", rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	return wrong
}

// wantRows compares the numbers of the wrong rows.
func wantRows(t *testing.T, wrong []ledger.RowError, want ...int) {
	t.Helper()
	var got []int
	for _, w := range wrong {
		got = append(got, w.Row)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("wrong are %+v, want rows %v", wrong, want)
	}
}

func testImportAffiliates(t *testing.T, db Database) {
	l := open(t, db)
	makeAffiliate(t, l, "other", "affiliate 7")
	rows := make([]tracker.AffiliateFields, 1250)
	for i := range rows {
		rows[i] = tracker.AffiliateFields{
			Name: fmt.Sprintf(" affiliate %d", i), IDFromNetwork: fmt.Sprint(i), CustomData: map[string]string{"n": fmt.Sprint(i)},
		}
	}
	var progress []int
	wrong, err := l.ImportAffiliates(t.Context(), "acme", rows, func(done int) { progress = append(progress, done) })
	if err != nil || len(wrong) > 0 || len(progress) != 13 || progress[0] != 100 || progress[12] != 1250 {
		t.Fatalf("imported %v: %+v, %v", progress, wrong, err)
	}
	var list []tracker.Affiliate
	for p, pages := (tracker.Page{Limit: 500}), 0; pages < 3; pages++ {
		page, next, err := l.Affiliates(t.Context(), "acme", tracker.AffiliateFilter{}, p)
		if err != nil || (next == "") != (pages == 2) {
			t.Fatalf("page %d ends with %q, %v", pages, next, err)
		}
		list, p.After = append(list, page...), next
	}
	if len(list) != len(rows) {
		t.Fatalf("%d affiliates are there", len(list))
	}
	for i, a := range list {
		if a.Name != fmt.Sprintf("affiliate %d", i) || a.CustomData["n"] != fmt.Sprint(i) || a.Status != tracker.AffiliateApproved {
			t.Fatalf("row %d has become %+v", i+1, a)
		}
	}
	if next := makeAffiliate(t, l, "acme", "next"); next.ID != list[1249].ID+1 {
		t.Errorf("the next one has the number %d", next.ID)
	}
	before := version(t, l)
	if wrong, err = l.ImportAffiliates(t.Context(), "acme", rows, nil); err != nil || len(wrong) != 100 {
		t.Fatalf("imported again: %d errors, %v", len(wrong), err)
	}
	for _, w := range wrong {
		if !errors.Is(w.Err, ledger.ErrExists) {
			t.Errorf("row %d again: %v", w.Row, w.Err)
		}
	}
	wantUntouched(t, l, before)
}

func testImportLinks(t *testing.T, db Database) {
	l := open(t, db)
	known := makeAffiliate(t, l, "acme", "partner 1")
	rows := make([]ledger.NewLink, 205)
	for i := range rows {
		rows[i] = ledger.NewLink{Code: fmt.Sprintf("code-%03d", i), Affiliate: fmt.Sprintf(" partner %d ", i%3), Campaign: "summer"}
	}
	rows[204] = ledger.NewLink{
		Network: "ignored", Code: "Full", Source: "config", Subdomain: "FULL", Destination: "/x", DeepLinkHosts: []string{"X.example"},
		Window: time.Minute, ExpiresAt: epoch.Add(24000 * time.Hour), ContactName: " n ", ContactEmail: "n@example.com", Organisation: "o",
		TrainingStatus: tracker.TrainingQualified, IsBusiness: true,
	}
	var progress []int
	wrong, err := l.ImportLinks(t.Context(), "acme", rows, func(done int) { progress = append(progress, done) })
	if err != nil || len(wrong) > 0 || !slices.Equal(progress, []int{100, 200, 205}) {
		t.Fatalf("imported %v: %+v, %v", progress, wrong, err)
	}
	list, _, err := l.CatalogLinks(t.Context(), "acme", tracker.LinkFilter{}, tracker.Page{Limit: 500})
	if err != nil || len(list) != 205 {
		t.Fatalf("%d links are there (%v)", len(list), err)
	}
	if got := list[1]; got.AffiliateID != known.ID || got.Campaign != "summer" || !got.Live || got.Source != ledger.SourceAPI {
		t.Errorf("row 2 has become %+v", got)
	}
	if a, b := list[3], list[0]; a.AffiliateID != b.AffiliateID || a.Affiliate != "partner 0" || a.CampaignID != b.CampaignID {
		t.Errorf("one name leads to %+v and %+v", a, b)
	}
	full := list[204]
	want := tracker.LinkFields{
		Code: "Full", AffiliateID: full.AffiliateID, CampaignID: full.CampaignID, Subdomain: "full", Destination: "/x",
		DeepLinkHosts: []string{"x.example"}, Window: 60, Enabled: true, ExpiresAt: full.ExpiresAt, ContactName: "n",
		ContactEmail: "n@example.com", Organisation: "o", TrainingStatus: tracker.TrainingQualified, IsBusiness: true,
	}
	if !reflect.DeepEqual(full.LinkFields, want) || full.Affiliate != "Full" || full.Campaign != "default" ||
		!full.ExpiresAt.Equal(rows[204].ExpiresAt) {
		t.Errorf("row 205 has become %+v", full)
	}
	before := version(t, l)
	wantRows(t, importLinks(t, l, rows[100:103]), 1, 2, 3)
	wantUntouched(t, l, before)
	addLink(t, l, ledger.NewLink{Network: "acme", Code: "next"})
}

func testImportWrong(t *testing.T, db Database) {
	l := open(t, db)
	addLink(t, l, ledger.NewLink{Network: "acme", Code: "There", Subdomain: "there"})
	before := version(t, l)
	rows := make([]ledger.NewLink, 150)
	for i := range rows {
		rows[i] = ledger.NewLink{Code: fmt.Sprintf("c%d", i), Affiliate: "new"}
	}
	rows[3].Code = "there"
	rows[4].Subdomain = "there"
	rows[5] = ledger.NewLink{Code: "a b", Affiliate: "\xff", Destination: "ftp://x", Window: -time.Hour}
	rows[7].Code = "C6"
	rows[149].Code = "c0"
	wrong := importLinks(t, l, rows)
	wantRows(t, wrong, 4, 5, 6, 8, 150)
	wantExists(t, wrong[0].Err, "code", "there")
	wantExists(t, wrong[1].Err, "subdomain", "there")
	wantInvalid(t, wrong[2].Err, "affiliate", "code", "destination", "window_seconds")
	wantExists(t, wrong[3].Err, "code", "C6")
	wantExists(t, wrong[4].Err, "code", "c0")
	if got := links(t, l, ""); len(got) != 1 {
		t.Errorf("%d links are there", len(got))
	}
	if list, _, err := l.Affiliates(t.Context(), "acme", tracker.AffiliateFilter{Name: "new"}, tracker.Page{}); err != nil || len(list) > 0 {
		t.Errorf("the affiliates are %+v, %v", list, err)
	}
	wantUntouched(t, l, before)
	rows = slices.DeleteFunc(rows, func(n ledger.NewLink) bool {
		return n.Subdomain != "" || slices.Contains([]string{"there", "a b", "C6", "c0"}, n.Code)
	})
	wantRows(t, importLinks(t, l, rows))
}

func testImportManyWrong(t *testing.T, db Database) {
	l := open(t, db)
	rows := make([]ledger.NewLink, 1000)
	for i := range rows {
		rows[i].Code = "twice"
	}
	done := 0
	wrong, err := l.ImportLinks(t.Context(), "acme", rows, func(n int) { done = n })
	if err != nil || len(wrong) != 100 || wrong[0].Row != 2 || wrong[99].Row != 101 || done != 0 {
		t.Fatalf("%d errors, and %d rows were made, %v", len(wrong), done, err)
	}
	if wrong, err = l.ImportLinks(t.Context(), "acme", nil, nil); err != nil || len(wrong) > 0 {
		t.Errorf("no rows: %+v, %v", wrong, err)
	}
}

func testImportTakesOver(t *testing.T, db Database) {
	l := open(t, db)
	records := Sessions(1, 50)
	for _, r := range records {
		r.Session.Network = "acme"
	}
	apply(t, l, newOrigin(), records)
	seen := links(t, l, "acme")
	rows := []ledger.NewLink{{Code: "new", Affiliate: "Ann"}}
	for _, link := range seen[:10] {
		rows = append(rows, ledger.NewLink{Code: link.Code, Affiliate: "Ann"})
	}
	twice := append(slices.Clone(rows), rows[5])
	wantRows(t, importLinks(t, l, twice), 12)
	var progress []int
	wrong, err := l.ImportLinks(t.Context(), "acme", rows, func(done int) { progress = append(progress, done) })
	if err != nil || len(wrong) > 0 || !slices.Equal(progress, []int{10, 11}) {
		t.Fatalf("imported %v: %+v, %v", progress, wrong, err)
	}
	for _, link := range seen[:10] {
		if got := catalogLink(t, l, link.ID); !got.Live || got.Affiliate != "Ann" || got.Source != ledger.SourceAPI {
			t.Errorf("taken over it is %+v", got)
		}
	}
	if got := catalogLink(t, l, seen[10].ID); got.Live || got.Source != ledger.SourceSession {
		t.Errorf("the others are %+v", got)
	}
}
