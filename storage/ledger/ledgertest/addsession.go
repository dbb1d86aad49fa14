package ledgertest

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var addSessionTests = []test{
	{"one like those from the edge", testAddSession},
	{"by the link's number", testAddSessionByNumber},
	{"on a link that is not live", testAddSessionDead},
	{"in the place of one rebuilt from a token", testAddSessionRebuilt},
	{"of a visitor who was erased", testAddSessionErased},
	{"its parameters go with the person", testAddSessionErase},
	{"its parameters go when their time is over", testAddSessionForget},
}

// addSession adds and returns what is there then.
func addSession(t *testing.T, l *ledger.Ledger, s tracker.BookedSession) tracker.BookedSession {
	t.Helper()
	if err := l.AddSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	added, err := l.FindSession(t.Context(), s.Network, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// testAddSession adds sessions that Apply books in another network, and compares rows and reports.
func testAddSession(t *testing.T, db Database) {
	l, visitor := open(t, db), tracker.NewVisitorID()
	for _, network := range []string{"default", "acme"} {
		addLink(t, l, ledger.NewLink{Network: network, Code: "Partner", Affiliate: "Partner"})
	}
	batch := Sessions(1, 5)
	for i := range batch {
		s := batch[i].Session
		s.Code, s.Network = "pARTNER", "acme"
		if i < 3 {
			s.Visitor, s.SubIDs = visitor, nil
		}
	}
	apply(t, l, newOrigin(), batch)
	for _, r := range batch {
		applied, err := l.FindSession(t.Context(), "acme", r.Session.ID)
		if err != nil {
			t.Fatal(err)
		}
		given := *r.Session
		given.ID, given.Network, given.LinkID, given.Class = tracker.NewSessionID(given.Time), "default", 0, tracker.ClassBot
		given.QueryParams, given.QuoteShareID = `{"b": 1,  "a":"ü"}`, "34"
		want := applied
		want.ID, want.Network, want.Code, want.LinkID = given.ID, "default", "Partner", 1
		want.Origin, want.Seq, want.QueryParams, want.QuoteShareID = "", 0, given.QueryParams, given.QuoteShareID
		if got := addSession(t, l, given); !reflect.DeepEqual(got, want) {
			t.Errorf("there is\n%+v, want\n%+v", got, want)
		}
	}
	for _, by := range [][]tracker.ReportBy{{tracker.ByDay}, {tracker.BySub1}} {
		got := report(t, l, "default", tracker.ReportQuery{By: by})
		if want := report(t, l, "acme", tracker.ReportQuery{By: by}); !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("the report says\n%+v, want\n%+v", got, want)
		}
	}
}

func testAddSessionByNumber(t *testing.T, db Database) {
	l := open(t, db)
	addLink(t, l, ledger.NewLink{Code: "first"})
	second := addLink(t, l, ledger.NewLink{Code: "Second", Affiliate: "Ann"})
	s := *Record(1, "first").Session
	s.LinkID = second.ID
	if got := addSession(t, l, s); got.LinkID != second.ID || got.Code != "Second" || got.Affiliate != "Ann" {
		t.Errorf("the session is of link %d, code %s, of %s", got.LinkID, got.Code, got.Affiliate)
	}
}

// testAddSessionAgain adds the same session once, then from several goroutines, and another one from as many.
func testAddSessionAgain(t *testing.T, db Database) {
	l, other := open(t, db), open(t, db)
	addLink(t, l, ledger.NewLink{Code: "partner"})
	known, fresh := *Record(1, "partner").Session, *Record(2, "partner").Session
	addSession(t, l, known)
	changed := known
	changed.IP = "192.0.2.99"
	var wait sync.WaitGroup
	for i := range 8 {
		for _, s := range []tracker.BookedSession{changed, fresh} {
			wait.Go(func() {
				if err := []*ledger.Ledger{l, other}[i%2].AddSession(t.Context(), s); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wait.Wait()
	if all := sessions(t, l); len(all) != 2 || all[1].IP != known.IP {
		t.Errorf("there are %+v", all)
	}
	wantClicks(t, l, 2, 2)
}

// wantClicks compares the clicks, and the unique ones, of the default network.
func wantClicks(t *testing.T, l *ledger.Ledger, clicks, uniques int64) {
	t.Helper()
	var all tracker.ReportRow
	for _, row := range report(t, l, "default", tracker.ReportQuery{}) {
		all.Clicks, all.UniqueClicks = all.Clicks+row.Clicks, all.UniqueClicks+row.UniqueClicks
	}
	if all.Clicks != clicks || all.UniqueClicks != uniques {
		t.Errorf("%d clicks, %d unique, want %d and %d", all.Clicks, all.UniqueClicks, clicks, uniques)
	}
}

func testAddSessionDead(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	l.SetClock(func() time.Time { return epoch })
	addLink(t, l, ledger.NewLink{Code: "disabled"})
	if _, err := l.SetLinkActive(t.Context(), "", "disabled", false); err != nil {
		t.Fatal(err)
	}
	addLink(t, l, ledger.NewLink{Code: "expired", ExpiresAt: epoch})
	foreign := addLink(t, l, ledger.NewLink{Network: "acme", Code: "foreign"})
	apply(t, l, origin, []ledger.Record{Record(1, "seen")}) // makes a link that nobody has said anything of
	suspended := addLink(t, l, ledger.NewLink{Code: "suspended"})
	_, err := l.UpdateAffiliate(t.Context(), "default", suspended.AffiliateID, func(f *tracker.AffiliateFields) error {
		f.Status = tracker.AffiliateSuspended
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"disabled", "expired", "foreign", "seen", "suspended", "unknown", ""} {
		if err := l.AddSession(t.Context(), *Record(2, code).Session); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("code %q: %v", code, err)
		}
	}
	for _, id := range []int64{foreign.ID, 999, -1} {
		s := *Record(2, "").Session
		s.LinkID = id
		if err := l.AddSession(t.Context(), s); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("link %d: %v", id, err)
		}
	}
	if all := sessions(t, l); len(all) != 1 {
		t.Errorf("there are %+v", all)
	}
	if rows := report(t, l, "acme", tracker.ReportQuery{}); len(rows) != 0 {
		t.Errorf("another network's report says %+v", rows)
	}
}

// testAddSessionRebuilt has a conversion come with a token whose session is missing, as after a ledger came back older.
func testAddSessionRebuilt(t *testing.T, db Database) {
	s := newShop(t, db)
	touch := s.click("ann")
	given := *Record(1, "ann").Session
	given.ID, given.Network, given.Time = touch.Session, s.network, touch.Time
	n := s.sale("1", 1000)
	n.Evidence = tracker.Evidence{Token: &tracker.Token{Network: s.network, Visitor: given.Visitor, First: touch, Last: touch}}
	s.report(n)
	if found := must(s.FindSession(t.Context(), s.network, given.ID))(s); !found.Reconstructed {
		t.Fatalf("the session is not one rebuilt: %+v", found)
	}
	if got := addSession(t, s.Ledger, given); got.Reconstructed || got.IP != given.IP {
		t.Errorf("there is %+v", got)
	}
	if rows := s.reportBy(); len(rows) != 1 || rows[0].Clicks != 1 || rows[0].UniqueClicks != 1 {
		t.Errorf("the report says %+v", rows)
	}
}

func testAddSessionErased(t *testing.T, db Database) {
	l := open(t, db)
	addLink(t, l, ledger.NewLink{Code: "partner"})
	s := *Record(1, "partner").Session
	if _, err := l.Erase(t.Context(), s.Network, tracker.Subject{Visitor: s.Visitor}); err != nil {
		t.Fatal(err)
	}
	if got := addSession(t, l, s); !got.Visitor.IsZero() || got.IP != "" || got.Query != "" || got.SubIDs != nil {
		t.Errorf("there is %+v", got)
	}
	wantClicks(t, l, 1, 0)
}

// testAddSessionErase erases the customer whom a session brought that has nothing but what an API said of it.
func testAddSessionErase(t *testing.T, db Database) {
	s := newShop(t, db)
	given := *Record(1, "ann").Session
	given.Network, given.Visitor = s.network, tracker.VisitorID{}
	given.IP, given.UserAgent, given.Query, given.Referrer = "", "", "", ""
	given.QueryParams, given.QuoteShareID = `{"name":"jane"}`, "jane's"
	if got := addSession(t, s.Ledger, given); got.QueryParams != given.QueryParams {
		t.Fatalf("there is %+v", got)
	}
	n := s.newCustomer("jane")
	n.Evidence = tracker.Evidence{Session: given.ID}
	jane := s.addCustomer(n)
	s.wantErased(tracker.Subject{CustomerID: jane.ID}, tracker.Erasure{Sessions: 1, Customers: 1})
	found := must(s.FindSession(t.Context(), s.network, given.ID))(s)
	if found.QueryParams != "" || found.QuoteShareID != "" || found.Code != "ann" {
		t.Errorf("there is %+v", found)
	}
}

func testAddSessionForget(t *testing.T, db Database) {
	s := newShop(t, db)
	old, young := *Record(1, "ann").Session, *Record(2, "ann").Session
	for i, given := range []*tracker.BookedSession{&old, &young} {
		given.Network, given.Time = s.network, epoch.AddDate(0, 0, 10*i-20)
		given.Query, given.Referrer, given.ClickIDs, given.QueryParams = "", "", nil, `{"a":1}`
		addSession(t, s.Ledger, *given)
	}
	s.forget(tracker.Retention{Query: 15 * day}, 1)
	for id, want := range map[tracker.SessionID]string{old.ID: "", young.ID: `{"a":1}`} {
		if found := must(s.FindSession(t.Context(), s.network, id))(s); found.QueryParams != want {
			t.Errorf("there is %+v", found)
		}
	}
	old.ID = tracker.NewSessionID(old.Time)
	if got := addSession(t, s.Ledger, old); got.QueryParams != "" { // it comes too late
		t.Errorf("there is %+v", got)
	}
}
