package tracker

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheckCode(t *testing.T) {
	for _, good := range []string{"a", "demo", "Anna_B-1", strings.Repeat("x", 64)} {
		if err := CheckCode(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", "a.b", "a/b", "é", "a\x00", "a%41", "a+b"} {
		if err := CheckCode(bad); !errors.Is(err, ErrCode) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestCheckNetwork(t *testing.T) {
	for _, good := range []string{"a", DefaultNetwork, "Shop_2.example-com", strings.Repeat("x", 64)} {
		if err := CheckNetwork(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", "a/b", "é", "a\x00", "{env.NETWORK}", "a\nb"} {
		if err := CheckNetwork(bad); !errors.Is(err, ErrNetwork) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLinkTable(t *testing.T) {
	if testTable.Version() != 7 || testTable.Len() != 4 {
		t.Fatalf("version %d with %d links", testTable.Version(), testTable.Len())
	}
	tests := []struct {
		network, code string
		id            int64 // 0: none
	}{
		{"default", "demo", 1}, {"default", "DeMo", 1}, {"default", "anna_b-1", 2}, {"default", "Anna_B-1", 2},
		{"other", "theirs", 4}, {"other", "demo", 0}, {"default", "theirs", 0}, {"", "demo", 0},
		{"default", "", 0}, {"default", "dem", 0}, {"default", strings.Repeat("x", 65), 0},
	}
	for _, test := range tests {
		var id int64
		if l := testTable.Lookup(test.network, test.code); l != nil {
			id = l.ID
		}
		if id != test.id {
			t.Errorf("%s/%s is link %d, want %d", test.network, test.code, id, test.id)
		}
	}
	kelvin := NewLinkTable(0, []Link{{ID: 1, Network: "default", Code: "kim"}})
	if l := kelvin.Lookup("default", "\u212aim"); l != nil {
		t.Error("the Kelvin sign is no k")
	}
	if l := testTable.LookupSubdomain("default", "ANNA"); l == nil || l.ID != 2 {
		t.Errorf("subdomain ANNA is %v", l)
	}
	if l := testTable.LookupSubdomain("default", "carl"); l != nil {
		t.Errorf("a code is no subdomain: %v", l)
	}
	all := testTable.All()
	slices.SortFunc(all, func(a, b Link) int { return int(a.ID - b.ID) })
	if len(all) != 4 || all[1].Affiliate != "Anna" {
		t.Errorf("all links are %v", all)
	}
	if n := testing.AllocsPerRun(100, func() { testTable.Lookup("default", "ANNA_B-1") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLinkIsLiveUntilItExpires(t *testing.T) {
	expiry := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		link Link
		at   time.Time
		live bool
	}{
		{Link{Active: true}, expiry, true},
		{Link{}, expiry, false},
		{Link{Active: true, ExpiresAt: expiry}, expiry.Add(-1), true},
		{Link{Active: true, ExpiresAt: expiry}, expiry, false},
		{Link{ExpiresAt: expiry}, expiry.Add(-1), false},
	} {
		if got := c.link.Live(c.at); got != c.live {
			t.Errorf("%+v is live at %v: %v", c.link, c.at, got)
		}
	}
}

// Snapshots and relays may have links that an earlier version wrote, and an earlier version may read ours.
func TestLinkWithoutExpiryIsSpelledAsBefore(t *testing.T) {
	const before = `{"id":1,"network":"default","code":"demo","affiliate":"Ann","window":0,"active":true}`
	var link Link
	if err := json.Unmarshal([]byte(before), &link); err != nil || !link.Live(time.Now()) {
		t.Fatalf("read it is %+v, %v", link, err)
	}
	if text, err := json.Marshal(link); err != nil || string(text) != before {
		t.Errorf("written it is %s, %v", text, err)
	}
}
