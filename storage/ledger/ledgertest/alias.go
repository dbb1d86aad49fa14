package ledgertest

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var aliasTests = []test{
	{"aliases are short, unique and stay", testAliases},
	{"sessions of conversions", testSessionsOf},
}

// booked books that many sales, and returns their ids.
func (s *shop) booked(n int) (ids []string) {
	s.Helper()
	for i := range n {
		answer, _, err := s.CreateConversion(s.Context(), s.sale(fmt.Sprintf("order-%d", i), 100))
		if err != nil {
			s.Fatal(err)
		}
		ids = append(ids, decode[tracker.Conversion](s, answer).ID)
	}
	return ids
}

func (s *shop) aliases(ids ...string) map[string]string {
	s.Helper()
	aliases, err := s.ConversionAliases(s.Context(), s.network, ids)
	if err != nil {
		s.Fatal(err)
	}
	return aliases
}

func testAliases(t *testing.T, db Database) {
	s := newShop(t, db)
	ids := s.booked(70) // more than one statement asks for
	first := s.aliases(append(ids, ids[0], "no conversion")...)
	seen := map[string]bool{}
	for _, id := range ids {
		alias := first[id]
		if len(alias) != 8 || seen[alias] {
			t.Fatalf("conversion %s has the alias %q", id, alias)
		}
		seen[alias] = true
		if got, err := s.AliasedConversion(t.Context(), s.network, alias); err != nil || got != id {
			t.Fatalf("%s is that of %s (%v), want %s", alias, got, err, id)
		}
	}
	if again := s.aliases(ids...); len(first) != len(ids) || !maps.Equal(again, first) {
		t.Errorf("the aliases are\n%v, before they were\n%v", again, first)
	}
	n := s.sale("with its alias", 100)
	n.Aliased = true
	answer, _, err := s.CreateConversion(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if id := decode[tracker.Conversion](s, answer).ID; len(s.aliases(id)[id]) != 8 {
		t.Errorf("one that was made with its alias has %v", s.aliases(id))
	}
	other := s.in(t, "other")
	if got := other.aliases(ids...); len(got) != 0 {
		t.Errorf("another network has %v", got)
	}
	for network, alias := range map[string]string{"other": first[ids[0]], s.network: "a\x00b\xff", "": ""} {
		if _, err := s.AliasedConversion(t.Context(), network, alias); !errors.Is(err, tracker.ErrNotFound) {
			t.Errorf("%q in %q: %v", alias, network, err)
		}
	}
	if got := s.aliases(); len(got) != 0 {
		t.Errorf("nothing has the aliases %v", got)
	}
}

func testAliasesAtOnce(t *testing.T, db Database) {
	s := newShop(t, db)
	ids := s.booked(20)
	answers := make([]map[string]string, 4)
	var all sync.WaitGroup
	for i := range answers {
		hub := s.also(db)
		all.Go(func() {
			var err error
			if answers[i], err = hub.ConversionAliases(t.Context(), s.network, ids); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, answer := range answers {
		if len(answer) != len(ids) || !maps.Equal(answer, answers[0]) {
			t.Errorf("one is told %v, another %v", answers[0], answer)
		}
	}
}

func testSessionsOf(t *testing.T, db Database) {
	s := newShop(t, db)
	var conversions []tracker.Conversion
	var want []string // ids, newest first
	add := func(visitor tracker.VisitorID) tracker.SessionID {
		s.pass(time.Second)
		one := tracker.BookedSession{Session: tracker.Session{
			ID: tracker.NewSessionID(s.clock()), Network: s.network, Code: "ann", Time: s.clock(), Visitor: visitor,
		}}
		if err := s.AddSession(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		return one.ID
	}
	ann := tracker.NewVisitorID()
	for i := range 25 {
		if id := add(ann); i >= 5 { // the latest 20
			want = append([]string{id.String()}, want...)
		}
	}
	conversions = append(conversions, tracker.Conversion{VisitorID: ann.String()}, tracker.Conversion{VisitorID: ann.String()})
	for range 70 { // by their session alone, more than one statement asks for
		id := add(tracker.VisitorID{})
		conversions = append(conversions, tracker.Conversion{SessionID: id.String()})
		want = append([]string{id.String()}, want...)
	}
	conversions = append(conversions, tracker.Conversion{VisitorID: ann.String()}, tracker.Conversion{}, tracker.Conversion{SessionID: "none"})
	add(tracker.NewVisitorID()) // somebody else
	got, err := s.SessionsOf(t.Context(), s.network, conversions)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(sessions []ledger.Session) (ids []string) {
		for _, one := range sessions {
			ids = append(ids, one.ID.String())
		}
		return ids
	}
	if fmt.Sprint(ids(got)) != fmt.Sprint(want) {
		t.Errorf("%d sessions, want %d:\n%v\n%v", len(got), len(want), ids(got), want)
	}
	if got, err := s.SessionsOf(t.Context(), "other", conversions); err != nil || len(got) != 0 {
		t.Errorf("another network sees %v (%v)", ids(got), err)
	}
	if got, err := s.SessionsOf(t.Context(), s.network, nil); err != nil || len(got) != 0 {
		t.Errorf("those of nothing are %v (%v)", ids(got), err)
	}
}
