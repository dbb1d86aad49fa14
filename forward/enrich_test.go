package forward

import (
	"maps"
	"testing"
)

func TestEnrichDerivesFromTheCapture(t *testing.T) {
	s := click("partner")
	got := Enrich(s)
	if got.Session != s || got.Browser != "Chrome 130" || got.OS != "Linux" || got.Device == "" {
		t.Errorf("the session becomes %+v", got)
	}
	if !maps.Equal(got.SubIDs, map[string]string{"sub2": "blue sky"}) || !maps.Equal(got.ClickIDs, map[string]string{"irclickid": "xyz"}) {
		t.Errorf("of its query become %v and %v", got.SubIDs, got.ClickIDs)
	}
}
