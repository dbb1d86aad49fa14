package ledgertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var sessionTests = []test{
	{"newest first, by network, up to the limit", testNewestFirst},
	{"a slow reader keeps nobody waiting", testSlowReader},
	{"yield's error ends the stream", testYieldError},
	{"filters and pages", testFindSessions},
	{"what is rare is looked for step by step", testFindRareSessions},
	{"a session alone", testFindSession},
}

// testNewestFirst has more sessions than a page, many of them of one millisecond, in two networks.
func testNewestFirst(t *testing.T, db Database) {
	l := open(t, db)
	const n = 1700
	all := Sessions(1, n)
	for i := range all {
		all[i].Session.Time = epoch.Add(all[i].Session.Time.Sub(epoch) / 3)
		if i%4 == 0 {
			all[i].Session.Network = "acme"
		}
	}
	apply(t, l, newOrigin(), all)
	slices.SortFunc(all, func(a, b ledger.Record) int {
		if by := b.Session.Time.Truncate(1e6).Compare(a.Session.Time.Truncate(1e6)); by != 0 {
			return by
		}
		return slices.Compare(b.Session.ID[:], a.Session.ID[:])
	})
	for _, network := range []string{"", "acme", "default", "nobody"} {
		for _, limit := range []int{0, 1, 3, 499, 500, 501, 1000, 5000} {
			var want []ledger.Record
			for _, r := range all {
				if (network == "" || r.Session.Network == network) && (limit == 0 || len(want) < limit) {
					want = append(want, r)
				}
			}
			i := 0
			err := l.Sessions(t.Context(), network, limit, func(s ledger.Session) error {
				if i >= len(want) || s.ID != want[i].Session.ID {
					return errors.New("out of order")
				}
				i++
				return nil
			})
			if err != nil || i != len(want) {
				t.Fatalf("network %q, limit %d: after %d of %d sessions %v", network, limit, i, len(want), err)
			}
		}
	}
}

// testSlowReader applies while a stream of sessions is being read.
func testSlowReader(t *testing.T, db Database) {
	l, origin := open(t, db), newOrigin()
	apply(t, l, origin, Sessions(1, 1200))
	read := 0
	err := l.Sessions(t.Context(), "", 0, func(s ledger.Session) error {
		if read++; read%300 == 1 {
			apply(t, l, origin, Sessions(uint64(1200+read/300+1), 1))
		}
		return nil
	})
	if err != nil || read != 1200 {
		t.Fatalf("%d sessions were read, want 1200 (%v)", read, err)
	}
	wantBooks(t, l, origin, ledger.Origin{Cursor: 1204, Applied: 1204})
}

func testYieldError(t *testing.T, db Database) {
	l := open(t, db)
	apply(t, l, newOrigin(), Sessions(1, 10))
	enough, read := errors.New("enough"), 0
	err := l.Sessions(t.Context(), "", 0, func(ledger.Session) error {
		if read++; read == 4 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || read != 4 {
		t.Fatalf("after %d sessions %v", read, err)
	}
}

// findAll reads all sessions of the filter, page by page, and checks that no page is longer than it may be.
func findAll(t *testing.T, l *ledger.Ledger, network string, f tracker.SessionFilter, size int) (found []tracker.SessionID, pages int) {
	t.Helper()
	for p := (tracker.Page{Limit: size}); ; pages++ {
		page, next, err := l.FindSessions(t.Context(), network, f, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > size || next == p.After && next != "" {
			t.Fatalf("a page of %d has %d sessions and ends at %q", size, len(page), next)
		}
		for _, s := range page {
			found = append(found, s.ID)
		}
		if next == "" {
			return found, pages + 1
		}
		p.After = next
	}
}

// variedSessions are n sessions of two networks, four links of two affiliates, few visitors, all classes, and few
// milliseconds.
func variedSessions(random *rand.Rand, first uint64, n int) []ledger.Record {
	visitors := []tracker.VisitorID{{1}, {2}, {3}, {}}
	records := make([]ledger.Record, n)
	for i := range records {
		seq := first + uint64(i)
		records[i] = Record(seq, fmt.Sprintf("Code-%d", random.IntN(4)))
		s := records[i].Session
		s.Network = []string{"default", "acme"}[random.IntN(2)]
		s.Class = tracker.Classes[random.IntN(len(tracker.Classes))]
		s.Time = epoch.Add(time.Duration(random.IntN(3*24*20)) * time.Hour / 20)
		s.Visitor = visitors[random.IntN(len(visitors))]
		s.Reconstructed = random.IntN(8) == 0
		s.SubIDs = nil
		if sub := random.IntN(4); sub > 0 {
			s.SubIDs = map[string]string{"sub1": fmt.Sprintf("mail %d", sub), "sub2": "x"}
		}
	}
	return records
}

func testFindSessions(t *testing.T, db Database) {
	l, random := open(t, db), rand.New(rand.NewPCG(3, 4))
	for i := range 4 {
		for _, network := range []string{"default", "acme"} {
			addLink(t, l, ledger.NewLink{Network: network, Code: fmt.Sprintf("code-%d", i), Affiliate: fmt.Sprintf("partner %d", i/2)})
		}
	}
	apply(t, l, newOrigin(), variedSessions(random, 1, 600))
	all := sessions(t, l)
	affiliates, err := l.Links(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	for i := range 200 {
		network := []string{"default", "acme"}[i%2]
		var f tracker.SessionFilter
		link := affiliates[random.IntN(len(affiliates))]
		for _, set := range []func(){
			func() { f.Class = tracker.Classes[random.IntN(len(tracker.Classes))] },
			func() { f.Code = fmt.Sprintf("cODE-%d", random.IntN(5)) },
			func() { f.LinkID = link.ID },
			func() { f.AffiliateID = link.AffiliateID },
			func() { f.Visitor = tracker.VisitorID{byte(1 + random.IntN(4))} },
			func() { f.MinTime = all[random.IntN(len(all))].Time },
			func() { f.MaxTime = all[random.IntN(len(all))].Time },
			func() { f.SubIDName, f.SubIDValue = "sub1", fmt.Sprintf("mail %d", random.IntN(5)) },
			func() { f.Reconstructed = []*bool{&yes, &no}[random.IntN(2)] },
		} {
			if random.IntN(4) == 0 {
				set()
			}
		}
		var want []tracker.SessionID
		for _, s := range all {
			if s.Network == network && selects(f, s, affiliates) {
				want = append(want, s.ID)
			}
		}
		if got, _ := findAll(t, l, network, f, 1+random.IntN(40)); !slices.Equal(got, want) {
			t.Errorf("of network %s and %+v there are %d sessions, want %d", network, f, len(got), len(want))
		}
	}
}

// selects is what a filter says, in plain words.
func selects(f tracker.SessionFilter, s ledger.Session, links []ledger.Link) bool {
	link := links[slices.IndexFunc(links, func(l ledger.Link) bool { return l.ID == s.LinkID })]
	return (f.Class == "" || s.Class == f.Class) &&
		(f.Code == "" || tracker.CodeKey(s.Code) == tracker.CodeKey(f.Code)) &&
		(f.LinkID == 0 || s.LinkID == f.LinkID) &&
		(f.AffiliateID == 0 || link.AffiliateID == f.AffiliateID) &&
		(f.Visitor.IsZero() || s.Visitor == f.Visitor) &&
		(f.MinTime.IsZero() || !s.Time.Before(f.MinTime)) &&
		(f.MaxTime.IsZero() || !s.Time.After(f.MaxTime)) &&
		(f.SubIDName == "" || s.SubIDs[f.SubIDName] == f.SubIDValue) &&
		(f.Reconstructed == nil || s.Reconstructed == *f.Reconstructed)
}

// testFindRareSessions looks for a mark that one of many sessions has. No call looks at all of them.
func testFindRareSessions(t *testing.T, db Database) {
	l := open(t, db)
	const n = 12_000
	all := Sessions(1, n)
	all[10].Session.SubIDs = map[string]string{"sub3": "needle"}
	apply(t, l, newOrigin(), all)
	found, pages := findAll(t, l, "default", tracker.SessionFilter{SubIDName: "sub3", SubIDValue: "needle"}, 50)
	if len(found) != 1 || found[0] != all[10].Session.ID || pages < 3 || pages > 4 {
		t.Fatalf("%d sessions were found in %d pages", len(found), pages)
	}
	if found, pages = findAll(t, l, "default", tracker.SessionFilter{SubIDName: "sub1", SubIDValue: "newsletter"}, 500); len(found) != n-1 {
		t.Fatalf("%d sessions were found in %d pages, want %d", len(found), pages, n-1)
	}
}

func testFindSession(t *testing.T, db Database) {
	l := open(t, db)
	r := Record(1, "demo")
	apply(t, l, newOrigin(), []ledger.Record{r})
	s, err := l.FindSession(t.Context(), "default", r.Session.ID)
	if err != nil || s.ID != r.Session.ID || s.Query != r.Session.Query || s.Affiliate != "demo" {
		t.Fatalf("found %+v, %v", s, err)
	}
	for network, id := range map[string]tracker.SessionID{"acme": r.Session.ID, "default": {7}} {
		if _, err := l.FindSession(t.Context(), network, id); !errors.Is(err, tracker.ErrNotFound) {
			t.Errorf("session %s of network %s: %v", id, network, err)
		}
	}
	_, _, err = l.FindSessions(t.Context(), "default", tracker.SessionFilter{}, tracker.Page{After: "nonsense"})
	if !errors.Is(err, tracker.ErrCursor) {
		t.Errorf("a cursor of somebody else's: %v", err)
	}
}
