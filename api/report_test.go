package api

import (
	"net/http"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	s := newShop(t)
	p := s.furnish()
	rows := s.do("GET", "reports?from=2026-11-20&to=2026-11-22&by=day,affiliate,currency", nil).rows()
	if len(rows) != 1 || rows[0]["day"] != "2026-11-21" || toText(rows[0]["affiliate_id"]) != p.affiliate || toText(rows[0]["clicks"]) != "1" ||
		toText(rows[0]["unique_clicks"]) != "1" || toText(rows[0]["amount"]) != "9990" || toText(rows[0]["wage"]) != "999" || rows[0]["currency"] != "EUR" {
		t.Errorf("the report is %v", rows)
	}
	for query, path := range map[string]string{
		"": "from", "from=2026-11-20": "to", "to=2026-11-20": "from", "from=2026-13-01&to=2026-11-20": "from", "from=20.11.2026&to=2026-11-20": "from",
		"from=2026-11-20&to=2026-11-19": "to", "from=0001-01-01&to=9999-12-31": "to", "from=2026-11-20&to=2026-11-20&by=moon": "by[0]",
		"from=2026-11-20&to=2026-11-20&by=day,day": "by[1]", "from=2026-11-20&to=2026-11-20&by=day,affiliate,campaign,link": "by",
		"from=2026-11-20&to=2026-11-20&limit=1": "limit",
	} {
		s.do("GET", "reports?"+query, nil).wantProblem(http.StatusUnprocessableEntity, "invalid", path)
	}
	if rows := s.do("GET", "reports?from=2026-11-20&to=2026-11-20", nil).rows(); len(rows) != 0 {
		t.Errorf("the day before has %v", rows)
	}
}

// 2026 and the 35 days after it are 400 days.
func TestReportIsOver400DaysAndThreeDimensions(t *testing.T) {
	s := newShop(t)
	s.do("GET", "reports?from=2026-01-01&to=2027-02-04&by=day,affiliate,campaign,currency", nil).want(http.StatusOK)
	s.do("GET", "reports?from=2026-01-01&to=2027-02-04", nil).want(http.StatusOK) // 400 days
	got := s.do("GET", "reports?from=2026-01-01&to=2027-02-05", nil).wantProblem(http.StatusUnprocessableEntity, "invalid", "to")
	if !strings.Contains(got.body, "at most 400") {
		t.Errorf("401 days are told %s", got.body)
	}
	s.do("GET", "reports?from=2026-01-01&to=2026-01-01&by=day,affiliate,campaign,link,currency", nil).
		wantProblem(http.StatusUnprocessableEntity, "invalid", "by")
}
