package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// waiting is why the answer to a retry of what is due says that the destination sends nothing.
func (s *shop) waiting() string {
	s.Helper()
	body := fields{"destination": "hook", "state": "due"}
	why, _ := s.do("POST", "deliveries/retry", body).want(http.StatusOK).object()["waiting"].(string)
	return why
}

// An endpoint that asks for a pause is shown with it, and resume ends it.
func TestAHeldDestinationSaysSo(t *testing.T) {
	s := forwarding(t)
	s.sell(1)
	if why := s.waiting(); why != "" {
		t.Errorf("it says that it waits: %s", why)
	}
	until := s.books.Now().Add(time.Hour)
	if err := s.books.HoldDestination(t.Context(), "acme", "hook", tracker.Hold{Until: until, Why: "the endpoint answered 429"}); err != nil {
		t.Fatal(err)
	}
	row := s.do("GET", "destinations", nil).want(http.StatusOK).rows()[0]
	if row["held_until"] != until.UTC().Format(time.RFC3339) || row["held_because"] != "the endpoint answered 429" || row["configured"] != true {
		t.Errorf("it is %v", row)
	}
	if why := s.waiting(); !strings.Contains(why, until.UTC().Format(time.RFC3339)) || !strings.Contains(why, "429") {
		t.Errorf("it says %q", why)
	}
	if got := s.do("POST", "destinations/hook/resume", nil).want(http.StatusOK).object(); got["held_until"] != nil || got["held_because"] != nil {
		t.Errorf("resumed it is %v", got)
	}
}

// Deliveries of a destination that was taken out of the configuration are seen, and can be given up.
func TestADestinationThatIsNotConfiguredAnyMore(t *testing.T) {
	s := forwarding(t)
	ids := s.sell(3)
	s.attempt(tracker.DeliveryDead)
	s.destinations["acme"] = nil
	rows := s.do("GET", "destinations", nil).want(http.StatusOK).rows()
	if len(rows) != 1 || rows[0]["name"] != "hook" || rows[0]["configured"] != false || fmt.Sprint(rows[0]["dead"]) != "3" {
		t.Fatalf("the destinations are %v", rows)
	}
	got := s.do("POST", "deliveries/retry", fields{"destination": "hook"}).want(http.StatusOK).object()
	if why, _ := got["waiting"].(string); fmt.Sprint(got["retried"]) != "3" || !strings.Contains(why, "not configured") {
		t.Errorf("to retry says %v", got)
	}
	s.do("POST", "destinations/hook/test", nil).wantProblem(http.StatusNotFound, "not-found")
	s.do("POST", "destinations/nosuch/drop", nil).wantProblem(http.StatusNotFound, "not-found")
	if n := s.do("POST", "destinations/hook/drop", nil).want(http.StatusOK).number("dropped"); n != 3 {
		t.Errorf("%d are given up", n)
	}
	if got := s.do("GET", "deliveries/"+ids[0], nil).want(http.StatusOK).object(); got["state"] != "gone" {
		t.Errorf("it is %v", got)
	}
	if rows := s.do("GET", "destinations", nil).want(http.StatusOK).rows(); len(rows) != 0 {
		t.Errorf("with nothing left the destinations are %v", rows)
	}
	s.do("POST", "deliveries/retry", fields{"id": ids[0]}).wantProblem(http.StatusUnprocessableEntity, "invalid", "state")
}
