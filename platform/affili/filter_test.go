package affili

import (
	"testing"
	"time"
)

// A moment is the same in all the forms that filters take. Without a zone it is one of Tehran's, which was at +04:30 then.
func TestMomentsOfFilters(t *testing.T) {
	s := &server{Options: Options{}.withDefaults()}
	want := time.Date(2020, 4, 5, 8, 16, 38, 0, time.UTC)
	for _, text := range []string{
		"2020-04-05+12:46:38", "2020-04-05%2012:46:38", "2020-04-05T12:46:38", "2020-04-05T08:16:38Z", "2020-04-05T12:46:38%2B04:30",
		"2020-04-05T12:46:38+04:30",
	} {
		f, _, err := s.parseFilters("min_created_at=" + text + "&max_updated_at=" + text)
		if err != nil || !f.MinCreated.Equal(want) || !f.MaxUpdated.Equal(want.Add(time.Second-time.Millisecond)) {
			t.Errorf("%s is read as %s to %s (%v)", text, f.MinCreated, f.MaxUpdated, err)
		}
	}
	for _, text := range []string{"2020-04-05T12:46", "2020-04-05T12:46:38+04:30+", "1399-01-17T12:46:38", "+2020-04-05", "1586074598"} {
		if f, _, err := s.parseFilters("min_created_at=" + text); err == nil {
			t.Errorf("%s is read as %s", text, f.MinCreated)
		}
	}
}

// Bounds of amounts find what is in the dialect's currency: 9990 cents are not more than 5000 rials.
func TestBoundsOfAmountsAreInOneCurrency(t *testing.T) {
	s := &server{Options: Options{Currency: "IRR"}.withDefaults()}
	for query, want := range map[string]string{"min_amount=5000": "IRR", "max_wage=1": "IRR", "min_commission_amount=1": "IRR", "status=0": ""} {
		if f, _, err := s.parseFilters(query); err != nil || f.Currency != want {
			t.Errorf("%s looks for the currency %q (%v)", query, f.Currency, err)
		}
	}
}
