package ledgertest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var programTokensTests = []test{
	{"tokens come back as they were put", testTokens},
	{"a group has one set for each programme", testTokensUnique},
	{"rules", testTokensRules},
	{"another network's are not found", testTokensTenancy},
	{"a link has its group's parameters", testTokensOfLink},
	{"the links' version moves with what they lead to", testTokensVersion},
	{"a configuration's link keeps its programme", testTokensOfConfigLink},
	{"token sets", testTokenSets},
}

// groupTokens are tokens of a group for a shop.
func groupTokens(group uint32, program string) tracker.TokensFields {
	return tracker.TokensFields{
		GroupID: &group, Username: "ann", Program: program, Parameters: map[string]string{"tag": "ann-20", "sub": "a b&c"},
		Hosts: []string{"shop.example"},
	}
}

func putTokens(t *testing.T, l *ledger.Ledger, network string, f tracker.TokensFields) tracker.ProgramTokens {
	t.Helper()
	stored, err := l.PutTokens(t.Context(), network, f)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func tokensOf(t *testing.T, l *ledger.Ledger, network string, f tracker.TokensFilter) []tracker.ProgramTokens {
	t.Helper()
	list, err := l.Tokens(t.Context(), network, f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func testTokens(t *testing.T, db Database) {
	l := open(t, db)
	group := uint32(tracker.MaxGroup)
	first := putTokens(t, l, "acme", groupTokens(group, "p2"))
	if len(first.ID) != 32 || first.Network != "acme" || first.UpdatedAt != first.CreatedAt || !reflect.DeepEqual(first.TokensFields, groupTokens(group, "p2")) {
		t.Errorf("put %+v", first)
	}
	second := putTokens(t, l, "acme", groupTokens(group, "p1"))
	putTokens(t, l, "acme", groupTokens(0, "p1"))
	bob := putTokens(t, l, "acme", tracker.TokensFields{Username: "bob", Program: "p1", Parameters: map[string]string{"tag": "bob-20"}, Hosts: []string{}})
	putTokens(t, l, "acme", tracker.TokensFields{Username: "cat", Program: "p1", Hosts: []string{}})
	for _, c := range []struct {
		filter tracker.TokensFilter
		want   []tracker.ProgramTokens
	}{
		{tracker.TokensFilter{GroupID: &group}, []tracker.ProgramTokens{second, first}},
		{tracker.TokensFilter{GroupID: &group, Username: "ann"}, []tracker.ProgramTokens{second, first}},
		{tracker.TokensFilter{GroupID: &group, Username: "bob"}, nil},
		{tracker.TokensFilter{Username: "bob"}, []tracker.ProgramTokens{bob}},
		{tracker.TokensFilter{Username: "ann"}, nil},
	} {
		if got := tokensOf(t, l, "acme", c.filter); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v selects %+v, want %+v", c.filter, got, c.want)
		}
	}
	if got := tokensOf(t, l, "acme", tracker.TokensFilter{}); len(got) != 2 || got[1].Username != "cat" || len(got[1].Parameters) > 0 {
		t.Errorf("users have %+v", got)
	}
	for _, want := range []error{nil, ledger.ErrNotFound} {
		if err := l.DeleteTokens(t.Context(), "acme", first.ID); !errors.Is(err, want) {
			t.Errorf("deleting: %v, want %v", err, want)
		}
	}
	if got := tokensOf(t, l, "acme", tracker.TokensFilter{GroupID: &group}); !reflect.DeepEqual(got, []tracker.ProgramTokens{second}) {
		t.Errorf("afterwards the group has %+v", got)
	}
}

func testTokensUnique(t *testing.T, db Database) {
	l := open(t, db)
	first, err := l.AddTokens(t.Context(), "acme", groupTokens(1, "p"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddTokens(t.Context(), "acme", groupTokens(1, "p")); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("adding them again: %v", err)
	}
	for _, f := range []tracker.TokensFields{groupTokens(2, "p"), groupTokens(1, "q"), {Username: "ann", Program: "p"}} {
		if _, err := l.AddTokens(t.Context(), "acme", f); err != nil {
			t.Errorf("adding %+v: %v", f, err)
		}
	}
	changed := groupTokens(1, "p")
	changed.Parameters, changed.Username = map[string]string{"tag": "other-21"}, "bob"
	second := putTokens(t, l, "acme", changed)
	if second.ID != first.ID || second.CreatedAt != first.CreatedAt || !reflect.DeepEqual(second.TokensFields, changed) {
		t.Errorf("put over %+v they are %+v", first, second)
	}
	group := uint32(1)
	if got := tokensOf(t, l, "acme", tracker.TokensFilter{GroupID: &group, Username: "bob"}); !reflect.DeepEqual(got, []tracker.ProgramTokens{second}) {
		t.Errorf("the group has %+v", got)
	}
}

func testTokensRules(t *testing.T, db Database) {
	l := open(t, db)
	many := map[string]string{}
	for i := range tracker.MaxParameters + 1 {
		many[fmt.Sprint("p", i)] = "x"
	}
	for _, c := range []struct {
		fields tracker.TokensFields
		wrong  []string
	}{
		{tracker.TokensFields{Program: "p"}, []string{"username"}},
		{tracker.TokensFields{Username: "a\nb", Program: "p/q"}, []string{"username", "program"}},
		{tracker.TokensFields{Username: "a", Program: "p", Parameters: map[string]string{"a b": "x"}}, []string{"parameters"}},
		{tracker.TokensFields{Username: "a", Program: "p", Parameters: map[string]string{"aff_click": "x"}}, []string{"parameters"}},
		{tracker.TokensFields{Username: "a", Program: "p", Parameters: map[string]string{"a": "", "b": "x\x00"}}, []string{"parameters.a", "parameters.b"}},
		{tracker.TokensFields{Username: "a", Program: "p", Parameters: many}, []string{"parameters"}},
		{tracker.TokensFields{Username: "a", Program: "p", Hosts: []string{"a/b"}}, []string{"hosts[0]"}},
	} {
		_, err := l.PutTokens(t.Context(), "acme", c.fields)
		wantInvalid(t, err, c.wrong...)
	}
	if got := tokensOf(t, l, "acme", tracker.TokensFilter{}); len(got) > 0 {
		t.Errorf("all the same there are %+v", got)
	}
}

func testTokensTenancy(t *testing.T, db Database) {
	l := open(t, db)
	ours := putTokens(t, l, "acme", groupTokens(1, "p"))
	theirs := putTokens(t, l, "other", groupTokens(1, "p"))
	if err := l.DeleteTokens(t.Context(), "other", ours.ID); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("deleting another network's: %v", err)
	}
	group := uint32(1)
	if got := tokensOf(t, l, "other", tracker.TokensFilter{GroupID: &group}); !reflect.DeepEqual(got, []tracker.ProgramTokens{theirs}) {
		t.Errorf("the other network has %+v", got)
	}
}

// programLink makes a link that names programme and group.
func programLink(t *testing.T, l *ledger.Ledger, network, code, program string, group int64) tracker.CatalogLink {
	t.Helper()
	a := makeAffiliate(t, l, network, "partner of "+code)
	made, err := l.CreateLink(t.Context(), network, tracker.LinkFields{
		Code: code, AffiliateID: a.ID, Destination: "https://shop.example/", Enabled: true, Program: program, GroupID: group,
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func testTokensOfLink(t *testing.T, db Database) {
	l := open(t, db)
	link := programLink(t, l, "acme", "one", "p", 1)
	if link.Program != "p" || link.GroupID != 1 {
		t.Errorf("the link is %+v", link)
	}
	programLink(t, l, "acme", "none", "", 0)
	programLink(t, l, "other", "theirs", "p", 1)
	if got := edgeLink(t, l, "one").Tokens; got != nil {
		t.Errorf("before there are tokens the link has %+v", got)
	}
	putTokens(t, l, "acme", groupTokens(1, "p"))
	putTokens(t, l, "acme", groupTokens(1, "q"))
	putTokens(t, l, "acme", groupTokens(2, "p"))
	putTokens(t, l, "acme", tracker.TokensFields{Username: "one", Program: "p", Parameters: map[string]string{"tag": "user-20"}})
	want := &tracker.LinkTokens{Query: "sub=a+b%26c&tag=ann-20", Hosts: []string{"shop.example"}}
	if got := edgeLink(t, l, "one").Tokens; !reflect.DeepEqual(got, want) {
		t.Errorf("the link has %+v, want %+v", got, want)
	}
	if got := edgeLink(t, l, "none").Tokens; got != nil {
		t.Errorf("the link without a programme has %+v", got)
	}
	table, err := l.LinkTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Lookup("other", "theirs"); got == nil || got.Tokens != nil {
		t.Errorf("the other network's link is %+v", got)
	}
	empty := groupTokens(1, "p")
	empty.Parameters = nil
	putTokens(t, l, "acme", empty)
	if got := edgeLink(t, l, "one").Tokens; got != nil {
		t.Errorf("without parameters the link has %+v", got)
	}
	_, err = l.UpdateLink(t.Context(), "acme", link.ID, func(f *tracker.LinkFields) error {
		f.Program = ""
		return nil
	})
	wantInvalid(t, err, "group_id")
}

func testTokensVersion(t *testing.T, db Database) {
	l := open(t, db)
	at := version(t, l)
	moves := func(what string, want bool) {
		t.Helper()
		now := version(t, l)
		if (now != at) != want {
			t.Errorf("%s: the version went from %d to %d", what, at, now)
		}
		at = now
	}
	f := groupTokens(1, "p")
	stored := putTokens(t, l, "acme", f)
	moves("put", true)
	putTokens(t, l, "acme", f)
	moves("put again", false)
	f.Parameters = map[string]string{"tag": "other"}
	putTokens(t, l, "acme", f)
	moves("put otherwise", true)
	if err := l.DeleteTokens(t.Context(), "acme", stored.ID); err != nil {
		t.Fatal(err)
	}
	moves("deleted", true)
}

func testTokensOfConfigLink(t *testing.T, db Database) {
	l := open(t, db)
	links := []ledger.NewLink{{Network: "acme", Code: "conf"}}
	sync := func() {
		t.Helper()
		if _, err := l.SyncConfigLinks(t.Context(), links, nil); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	list, _, err := l.CatalogLinks(t.Context(), "acme", tracker.LinkFilter{Code: "conf"}, tracker.Page{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	_, err = l.UpdateLink(t.Context(), "acme", list[0].ID, func(f *tracker.LinkFields) error {
		f.Program, f.GroupID = "p", 7
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	links[0].Destination = "/other"
	sync()
	if got, err := l.CatalogLink(t.Context(), "acme", list[0].ID); err != nil || got.Destination != "/other" || got.Program != "p" || got.GroupID != 7 {
		t.Errorf("the link is %+v, %v", got, err)
	}
}

func testTokenSets(t *testing.T, db Database) {
	l := open(t, db)
	fields := tracker.TokenSetFields{Username: "ann", Programs: []tracker.SetTokens{
		{Program: "p2", Parameters: map[string]string{"tag": "x"}}, {Program: "p1", Parameters: map[string]string{}},
	}}
	first, err := l.AddTokenSet(t.Context(), "acme", fields)
	if err != nil {
		t.Fatal(err)
	}
	second, err := l.AddTokenSet(t.Context(), "other", fields)
	if err != nil || second.GUID == first.GUID || second.ID == first.ID {
		t.Errorf("the second set is %+v, %v", second, err)
	}
	if got, err := l.TokenSet(t.Context(), "acme", first.GUID); err != nil || !reflect.DeepEqual(got, first) {
		t.Errorf("read %+v (%v), added %+v", got, err, first)
	}
	for network, guid := range map[string]string{"other": first.GUID, "acme": "nothing"} {
		if _, err := l.TokenSet(t.Context(), network, guid); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s in %s: %v", guid, network, err)
		}
	}
	fields.Username, fields.Programs[1].Program = "", "p2"
	_, err = l.AddTokenSet(t.Context(), "acme", fields)
	wantInvalid(t, err, "username", "programs[1].program")
}
