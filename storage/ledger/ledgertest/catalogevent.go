package ledgertest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var catalogEventTests = []test{
	{"group tokens", testGroupTokensEvents},
	{"group tokens that nobody needs to be told of", testNoGroupTokensEvents},
	{"an older copy numbers on", testCatalogEventsAfterRollback},
	{"an affiliate changes", testAffiliateEvents},
	{"an affiliate that is deleted, or gets another id", testFormerIDs},
	{"former ids of other networks", testFormerIDTenancy},
}

// toldOf returns the deliveries of a kind, those of one subject in their order.
func (s *shop) toldOf(kind tracker.EventKind) []tracker.Delivery {
	s.Helper()
	var told []tracker.Delivery
	for {
		claimed := s.claim(100)
		if len(claimed) == 0 {
			return told
		}
		for _, d := range claimed {
			if d.Kind == kind {
				told = append(told, d)
			}
		}
		s.finish(tracker.DeliverySent, 0, claimed...)
	}
}

// routedInOrder is routed with a destination that is told in order.
func routedInOrder(t *testing.T, db Database) *shop {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{{Destination: sink, Network: s.network, Kinds: tracker.EventKinds, Ordered: true}})
	return s
}

func testGroupTokensEvents(t *testing.T, db Database) {
	s := routedInOrder(t, db)
	fields := groupTokens(7, "amazon-de")
	for _, tag := range []string{"ann-20", "ann-21"} { // within one millisecond
		fields.Parameters = map[string]string{"tag": tag}
		putTokens(t, s.Ledger, s.network, fields)
	}
	told := s.toldOf(tracker.EventGroupTokens)
	if len(told) != 2 || told[0].ID == told[1].ID || told[0].N >= told[1].N {
		t.Fatalf("two changes are told as %+v", told)
	}
	stored := tokensOf(t, s.Ledger, s.network, tracker.TokensFilter{GroupID: fields.GroupID})[0]
	for _, d := range told {
		if e := s.event(d); e.Subject != "7/amazon-de" || e.Gone || !reflect.DeepEqual(e.GroupTokens, &stored) {
			t.Errorf("the event is %+v", e)
		}
	}
	if err := s.DeleteTokens(t.Context(), s.network, stored.ID); err != nil {
		t.Fatal(err)
	}
	gone := s.toldOf(tracker.EventGroupTokens)
	if len(gone) != 1 {
		t.Fatalf("the deletion is told as %+v", gone)
	}
	if e := s.event(gone[0]); !e.Gone || e.GroupTokens != nil {
		t.Errorf("of the deletion the event is %+v", e)
	}
	putTokens(t, s.Ledger, s.network, fields)
	if e := s.event(gone[0]); e.Gone || e.GroupTokens == nil {
		t.Errorf("after they are put again it is %+v", e)
	}
}

func testNoGroupTokensEvents(t *testing.T, db Database) {
	s := newShop(t, db)
	s.UseRoutes([]tracker.Route{
		{Destination: sink, Network: s.network, Kinds: tracker.EventKinds},
		{Destination: "other", Network: s.network, Kinds: []tracker.EventKind{tracker.EventAffiliate}},
	})
	fields := groupTokens(7, "p")
	putTokens(t, s.Ledger, s.network, fields)
	s.pass(time.Second)
	putTokens(t, s.Ledger, s.network, fields) // the same
	putTokens(t, s.Ledger, s.network, tracker.TokensFields{Username: "ann", Program: "p", Hosts: []string{}})
	putTokens(t, s.Ledger, "elsewhere", fields)
	if _, err := s.AddTokens(t.Context(), s.network, fields); !errors.Is(err, ledger.ErrExists) {
		t.Fatal(err)
	}
	if err := s.DeleteTokens(t.Context(), s.network, "00000000000000000000000000000000"); !errors.Is(err, ledger.ErrNotFound) {
		t.Fatal(err)
	}
	if got := s.deliveries(tracker.DeliveryFilter{}); len(got) != 1 || got[0].Destination != sink || got[0].Subject != "7/p" {
		t.Errorf("told are %+v", got)
	}
}

// testCatalogEventsAfterRollback changes tokens at a clock that has been set back: nothing that is new looks like what was told.
func testCatalogEventsAfterRollback(t *testing.T, db Database) {
	s := routedInOrder(t, db)
	ids := map[string]bool{}
	for i := range 3 {
		fields := groupTokens(7, "p")
		fields.Username = string(rune('a' + i))
		putTokens(t, s.Ledger, s.network, fields)
		s.pass(-time.Hour)
	}
	s.pass(24 * time.Hour)
	for _, d := range s.toldOf(tracker.EventGroupTokens) {
		ids[d.ID] = true
	}
	if len(ids) != 3 {
		t.Errorf("three changes are told as %d", len(ids))
	}
}

func testAffiliateEvents(t *testing.T, db Database) {
	s := routedInOrder(t, db)
	made := must(s.CreateAffiliate(s.Context(), s.network, tracker.AffiliateFields{Name: "Cleo", IDFromNetwork: "c"}))(s)
	set := func(status tracker.AffiliateStatus) {
		must(s.UpdateAffiliate(s.Context(), s.network, made.ID, func(f *tracker.AffiliateFields) error {
			f.Status = status
			return nil
		}))(s)
	}
	set(tracker.AffiliateApproved) // as it is
	if told := s.toldOf(tracker.EventAffiliate); len(told) != 1 {
		t.Fatalf("one that was made is told as %+v", told)
	}
	set(tracker.AffiliateSuspended)
	set(tracker.AffiliateArchived)
	told := s.toldOf(tracker.EventAffiliate)
	if len(told) != 2 || told[0].ID == told[1].ID {
		t.Fatalf("two changes within a millisecond are told as %+v", told)
	}
	for _, d := range told {
		if e := s.event(d); e.Gone || e.FormerID != "" || e.Affiliate == nil || e.Affiliate.Status != tracker.AffiliateArchived {
			t.Errorf("the event is %+v", e)
		}
	}
}

func testFormerIDs(t *testing.T, db Database) {
	s := routedInOrder(t, db)
	make := func(name, id string) tracker.Affiliate {
		return must(s.CreateAffiliate(s.Context(), s.network, tracker.AffiliateFields{Name: name, IDFromNetwork: id}))(s)
	}
	rename := func(id int64, to string) {
		must(s.UpdateAffiliate(s.Context(), s.network, id, func(f *tracker.AffiliateFields) error {
			f.IDFromNetwork = to
			return nil
		}))(s)
	}
	s.toldOf(tracker.EventAffiliate) // those of the shop itself
	last := func() tracker.Delivery {
		t.Helper()
		told := s.toldOf(tracker.EventAffiliate)
		if len(told) != 1 {
			t.Fatalf("one change is told as %+v", told)
		}
		return told[0]
	}
	want := func(what string, d tracker.Delivery, gone bool, former, now string) {
		t.Helper()
		e := s.event(d)
		id := ""
		if e.Affiliate != nil {
			id = e.Affiliate.IDFromNetwork
		}
		if e.Gone != gone || e.FormerID != former || id != now {
			t.Errorf("%s: the event is %+v, of %q", what, e, id)
		}
	}
	cleo := make("Cleo", "c")
	want("made", last(), false, "", "c")
	rename(cleo.ID, "c2")
	renamed := last()
	want("another id", renamed, false, "c", "c2")
	dora := make("Dora", "c") // takes over what cleo had
	want("made with an id that another has had", last(), false, "", "c")
	want("another id, which somebody else has now", renamed, false, "", "c2")
	rename(cleo.ID, "")
	want("no id", last(), false, "c2", "")

	if err := s.DeleteAffiliate(t.Context(), s.network, dora.ID); err != nil {
		t.Fatal(err)
	}
	deleted := last()
	want("deleted", deleted, true, "c", "")
	eve := make("Eve", "e")
	if eve.ID == dora.ID {
		t.Fatalf("the number %d is given again", dora.ID)
	}
	want("made after another was deleted", last(), false, "", "e")
	want("deleted, and another was made", deleted, true, "c", "")
	if err := s.DeleteAffiliate(t.Context(), s.network, s.ann.AffiliateID); !errors.Is(err, tracker.ErrInUse) {
		t.Fatal(err)
	}
	if told := s.toldOf(tracker.EventAffiliate); len(told) > 0 {
		t.Errorf("a deletion that is refused is told as %+v", told)
	}
}

func testFormerIDTenancy(t *testing.T, db Database) {
	s := routedInOrder(t, db)
	theirs := must(s.CreateAffiliate(s.Context(), "elsewhere", tracker.AffiliateFields{Name: "Cleo", IDFromNetwork: "c"}))(s)
	ours := must(s.CreateAffiliate(s.Context(), s.network, tracker.AffiliateFields{Name: "Cleo", IDFromNetwork: "c"}))(s)
	if err := s.DeleteAffiliate(t.Context(), s.network, ours.ID); err != nil {
		t.Fatal(err)
	}
	told := s.toldOf(tracker.EventAffiliate)
	gone := 0
	for _, d := range told {
		if e := s.event(d); e.Gone && e.FormerID == "c" {
			gone++
		}
	}
	if gone != 1 {
		t.Errorf("beside another network's affiliate of the same id %d events tell of the former id", gone)
	}
	for _, d := range told {
		d.Network = "elsewhere"
		if e := s.event(d); e.FormerID != "" || e.Affiliate != nil && e.Affiliate.ID != theirs.ID {
			t.Errorf("another network's event is %+v", e)
		}
	}
}
