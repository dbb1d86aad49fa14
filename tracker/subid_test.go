package tracker

import (
	"maps"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSubIDs(t *testing.T) {
	long := strings.Repeat("x", MaxSubID)
	tests := []struct {
		query string
		want  map[string]string
	}{
		{"", nil},
		{"via=demo&sub6=x&sub=y&c5=z", nil},
		{"sub1=a&sub5=e", map[string]string{"sub1": "a", "sub5": "e"}},
		{"s1=a&s5=e", map[string]string{"sub1": "a", "sub5": "e"}},
		{"aff_sub=a&aff_sub2=b&aff_sub5=e", map[string]string{"sub1": "a", "sub2": "b", "sub5": "e"}},
		{"c1=a&c4=d", map[string]string{"sub1": "a", "sub4": "d"}},
		{"sub_id_1=a&sub_id_3=c", map[string]string{"sub1": "a", "sub3": "c"}},
		{"c1=alias&sub1=own&s1=late&sub1=later", map[string]string{"sub1": "own"}},
		{"s2=first&c2=second", map[string]string{"sub2": "first"}},
		{"sub1=&s1=a", map[string]string{"sub1": "a"}},
		{"SUB1=a", map[string]string{"sub1": "a"}},
		{"sub1=a%20b+c%C3%A9&sub2=%zz", map[string]string{"sub1": "a b cé", "sub2": "%zz"}},
		{"sub1=%ff%00x&sub2=%00", map[string]string{"sub1": "\ufffdx"}},
		{"sub1=" + long + "y", map[string]string{"sub1": long}},
		{strings.Repeat("x=1&", MaxParams) + "sub1=a", nil},
	}
	for _, test := range tests {
		if got := SubIDs(test.query); !maps.Equal(got, test.want) {
			t.Errorf("SubIDs(%.60q) is %q, want %q", test.query, got, test.want)
		}
	}
}

func TestClickIDs(t *testing.T) {
	tests := []struct {
		query string
		want  map[string]string
	}{
		{"via=demo&utm_source=x", nil},
		{"awc=123_456_abc&irclickid=x.y-z&gclid=Cj0", map[string]string{"awc": "123_456_abc", "irclickid": "x.y-z", "gclid": "Cj0"}},
		{"CJEVENT=ab%2Bcd", map[string]string{"cjevent": "ab+cd"}},
		{"ps_xid=1&ps_partner_key=2&gsxid=3&gspk=4", map[string]string{"ps_xid": "1", "ps_partner_key": "2", "gsxid": "3", "gspk": "4"}},
		{"_ef_transaction_id=e&transaction_id=t&tduid=d", map[string]string{"_ef_transaction_id": "e", "transaction_id": "t", "tduid": "d"}},
		{"fbclid=first&fbclid=second&msclkid=", map[string]string{"fbclid": "first"}},
	}
	for _, test := range tests {
		if got := ClickIDs(test.query); !maps.Equal(got, test.want) {
			t.Errorf("ClickIDs(%q) is %q, want %q", test.query, got, test.want)
		}
	}
}

func FuzzSubIDs(f *testing.F) {
	f.Add("sub1=a&s2=%ff&awc=%00&C1=+")
	f.Fuzz(func(t *testing.T, query string) {
		for _, found := range []map[string]string{SubIDs(query), ClickIDs(query)} {
			for name, value := range found {
				if value == "" || len(value) > MaxSubID || !utf8.ValidString(value) || strings.Contains(value, "\x00") {
					t.Fatalf("%q: %s is %q", query, name, value)
				}
			}
		}
		if captured, cut := CaptureURL(query, MaxQuery); !cut && !maps.Equal(SubIDs(captured), SubIDs(query)) {
			t.Fatalf("capture changed %q to %q", SubIDs(query), SubIDs(captured))
		}
	})
}
