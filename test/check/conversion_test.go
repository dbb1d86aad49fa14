package check

import (
	"strings"
	"testing"
)

// The judge of orders sees each thing that it is there to see.
func TestJudgeOrders(t *testing.T) {
	for _, c := range []struct {
		name       string
		orders     string
		unrecorded int
		ledger     string
		want       string // part of the only complaint; empty: none
	}{
		{"all is well", "a b", 0, "b a", ""},
		{"an order nobody was answered", "a", 0, "a b", ""},
		{"lost", "a b", 0, "a", "1 orders were answered and are not in the ledger, where 0 may be missing: b"},
		{"unrecorded", "a b", 1, "a", ""},
		{"more lost than unrecorded", "a b c", 1, "a", "where 1 may be missing: b c"},
		{"unrecorded and there all the same", "a b", 1, "a b", ""},
		{"doubled", "a b", 0, "a b a", "order a is in the ledger 2 times"},
		{"doubled, unanswered", "", 0, "a a", "2 times"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ledger []Conversion
			for _, id := range strings.Fields(c.ledger) {
				ledger = append(ledger, Conversion{ExternalID: id})
			}
			got := judgeOrders(strings.Fields(c.orders), c.unrecorded, ledger)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
				t.Errorf("the judge says %q, want %q", got, c.want)
			}
		})
	}
}
