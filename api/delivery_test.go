package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// forwarding is a shop in "acme" with a destination "hook" that is told of sales; another network has "theirs".
func forwarding(t *testing.T) *shop {
	s := newShop(t)
	s.destinations = map[string][]string{"acme": {"hook"}, "rival": {"theirs"}}
	s.books.UseRoutes([]tracker.Route{
		{Destination: "hook", Network: "acme", Kinds: []tracker.EventKind{tracker.EventConversion}},
		{Destination: "theirs", Network: "rival", Kinds: []tracker.EventKind{tracker.EventConversion}},
	})
	return s
}

// sell reports that many sales, an hour apart, and returns the ids of their deliveries, the oldest first.
func (s *shop) sell(n int) (ids []string) {
	s.Helper()
	for i := range n {
		s.do("POST", "conversions", sale.with("external_id", fmt.Sprint("sale-", i))).want(http.StatusCreated)
		s.books.Pass(time.Hour)
	}
	for _, row := range s.do("GET", "deliveries?destination=hook", nil).rows() {
		ids = append([]string{row["id"].(string)}, ids...)
	}
	if len(ids) != n {
		s.Fatalf("%d sales make %d deliveries", n, len(ids))
	}
	return ids
}

// attempt ends an attempt at all that is due.
func (s *shop) attempt(state tracker.DeliveryState) {
	s.Helper()
	claimed, err := s.books.ClaimDeliveries(s.Context(), "acme", "hook", time.Minute, 100)
	if err != nil || len(claimed) == 0 {
		s.Fatalf("claimed %v, %v", claimed, err)
	}
	var outcomes []tracker.DeliveryOutcome
	for _, d := range claimed {
		o := tracker.DeliveryOutcome{Delivery: d, State: state, Attempt: tracker.Attempt{Time: s.books.Now(), Status: 200, Answer: "fine"}}
		if state == tracker.DeliveryDead {
			o.Attempt.Status, o.Attempt.Error, o.Attempt.Answer = 500, "the endpoint answered 500", "broken"
		}
		outcomes = append(outcomes, o)
	}
	if err := s.books.FinishDeliveries(s.Context(), "acme", "hook", outcomes); err != nil {
		s.Fatal(err)
	}
	s.books.Pass(time.Second)
}

func TestDeliveriesAreListedAndShown(t *testing.T) {
	s := forwarding(t)
	ids := s.sell(3)
	s.attempt(tracker.DeliveryDead)
	got := s.do("GET", "deliveries/"+ids[0], nil).want(http.StatusOK).object()
	log := got["log"].([]any)
	if got["state"] != "dead" || got["kind"] != "conversion.created" || len(log) != 1 || log[0].(map[string]any)["answer"] != "broken" {
		t.Errorf("the delivery is %v", got)
	}
	for query, want := range map[string]int{
		"": 3, "?state=dead": 3, "?state=due": 0, "?kind=session.created": 0, "?destination=other": 0, "?subject=" + got["subject"].(string): 1,
		"?min_created_at=2026-11-21T12:30:00Z&max_created_at=2026-11-21T13:30:00Z": 1,
	} {
		if rows := s.do("GET", "deliveries"+query, nil).want(http.StatusOK).rows(); len(rows) != want {
			t.Errorf("deliveries%s lists %d, want %d", query, len(rows), want)
		}
	}
	s.do("GET", "deliveries?state=lost", nil).wantProblem(http.StatusUnprocessableEntity, "invalid", "state")
	s.do("GET", "deliveries/"+someID, nil).wantProblem(http.StatusNotFound, "not-found")
	r := s.request("GET", "deliveries?format=csv", nil)
	if sheet := s.send(r).want(http.StatusOK); strings.Count(sheet.body, "\n") != 4 || !strings.HasPrefix(sheet.body, "id,destination,") {
		t.Errorf("as a sheet: %s", sheet.body)
	}
}

func TestDeliveriesAreSentAgain(t *testing.T) {
	s := forwarding(t)
	ids := s.sell(4)
	s.attempt(tracker.DeliveryDead)
	retried := func(want int64, body fields) {
		t.Helper()
		if got := s.do("POST", "deliveries/retry", body).want(http.StatusOK).number("retried"); got != want {
			t.Errorf("%v: %d are sent again, want %d", body, got, want)
		}
		s.books.Pass(time.Second)
	}
	retried(1, fields{"id": strings.ToUpper(ids[0])})
	retried(1, fields{"id": ids[0]}) // it is due, and gets its attempt at once
	retried(2, fields{"min_created_at": "2026-11-21T12:30:00Z", "max_created_at": "2026-11-21T14:30:00Z"})
	s.do("POST", "deliveries/retry", fields{"destination": "nosuch"}).wantProblem(http.StatusNotFound, "not-found")
	retried(1, fields{})
	s.attempt(tracker.DeliverySent)
	retried(0, fields{"destination": "hook"})
	retried(1, fields{"id": ids[3]})
	retried(3, fields{"destination": "hook", "state": "sent"})
	s.do("POST", "deliveries/retry", fields{"state": "gone"}).wantProblem(http.StatusUnprocessableEntity, "invalid", "state")
	s.do("POST", "deliveries/retry", fields{"id": someID}).wantProblem(http.StatusNotFound, "not-found")
	s.do("POST", "deliveries/retry", fields{"id": "none"}).wantProblem(http.StatusNotFound, "not-found")
}

func TestDestinationsArePausedResumedAndTested(t *testing.T) {
	s := forwarding(t)
	s.sell(2)
	rows := s.do("GET", "destinations", nil).want(http.StatusOK).rows()
	if len(rows) != 1 || rows[0]["name"] != "hook" || fmt.Sprint(rows[0]["due"]) != "2" || rows[0]["paused"] != false {
		t.Errorf("the destinations are %v", rows)
	}
	if got := s.do("POST", "destinations/hook/pause", nil).want(http.StatusOK).object(); got["paused"] != true || fmt.Sprint(got["due"]) != "2" {
		t.Errorf("paused it is %v", got)
	}
	if may, _, err := s.books.MayDeliver(t.Context(), "acme", "hook", ""); may || err != nil {
		t.Errorf("paused it may deliver: %t, %v", may, err)
	}
	if _, err := s.books.DisableDestination(t.Context(), "acme", "hook"); err != nil {
		t.Fatal(err)
	}
	if got := s.do("POST", "destinations/hook/resume", nil).want(http.StatusOK).object(); got["paused"] != false || got["disabled_at"] != nil {
		t.Errorf("resumed it is %v", got)
	}
	if got := s.do("POST", "destinations/hook/test", nil).want(http.StatusOK).number("status"); got != http.StatusNoContent {
		t.Errorf("the test says %d", got)
	}
	if len(s.tested) != 1 || s.tested[0] != "acme hook" {
		t.Errorf("tested are %v", s.tested)
	}
}

func TestAnotherNetworksDeliveriesAreNotFound(t *testing.T) {
	s := forwarding(t)
	ids := s.sell(1)
	s.attempt(tracker.DeliveryDead)
	s.key = s.books.NewKey("rival", tracker.ScopeAll)
	for _, r := range []route{
		{"GET", "deliveries/" + ids[0], "", nil},
		{"POST", "deliveries/retry", "", fields{"id": ids[0]}},
		{"POST", "destinations/hook/pause", "", nil},
		{"POST", "destinations/hook/resume", "", nil},
		{"POST", "destinations/hook/test", "", nil},
		{"POST", "destinations/hook/drop", "", nil},
		{"POST", "deliveries/retry", "", fields{"destination": "hook"}},
	} {
		s.do(r.method, r.path, r.body).wantProblem(http.StatusNotFound, "not-found")
	}
	if rows := s.do("GET", "deliveries?destination=hook", nil).rows(); len(rows) != 0 {
		t.Errorf("another network's deliveries are %v", rows)
	}
	if rows := s.do("GET", "destinations", nil).rows(); len(rows) != 1 || rows[0]["name"] != "theirs" {
		t.Errorf("the destinations are %v", rows)
	}
	if n := s.do("POST", "deliveries/retry", fields{}).want(http.StatusOK).number("retried"); n != 0 {
		t.Errorf("%d of another network's deliveries are sent again", n)
	}
	if len(s.tested) > 0 {
		t.Errorf("tested are %v", s.tested)
	}
}
