package ledger

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// A list that asks for what conversionList does not hold reads the table's rows one by one, and takes ten times as long.
func TestTheListsIndexHoldsAllThatFiltersAsk(t *testing.T) {
	text, err := migrations.ReadFile("migrations/00019_conversion_list.sql")
	if err != nil {
		t.Fatal(err)
	}
	_, index, _ := strings.Cut(string(text), "CREATE INDEX "+conversionList+" ON conversion (")
	index, _, _ = strings.Cut(index, ")")
	columns := strings.FieldsFunc(index, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz_", r) })
	held := map[string]bool{}
	for _, column := range columns {
		held[column] = true
	}
	one, now := int64(1), time.Now()
	for _, truth := range []bool{true, false} {
		for _, c := range conversionConditions(tracker.ConversionFilter{
			LinkID: 1, AffiliateID: 1, CampaignID: 1, Status: "pending", Type: "sale", Source: "api", Currency: "EUR",
			IsClosed: &truth, IsReversed: &truth, CheckedOut: &truth, MinAmount: &one, MaxAmount: &one, MinCommissionAmount: &one,
			MaxCommissionAmount: &one, MinWage: &one, MaxWage: &one, MinUpdated: now, MaxUpdated: now, MinOccurred: now, MaxOccurred: now,
		}) {
			for _, named := range regexp.MustCompile(`c\.(\w+)`).FindAllStringSubmatch(c.column+c.test, -1) {
				if !held[named[1]] {
					t.Errorf("%s does not hold %s", conversionList, named[1])
				}
			}
		}
	}
}
