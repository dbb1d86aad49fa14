package invoca

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// what an attempt is: taken, refused for good, refused for now with a pause, or simply to be repeated.
func what(err error) string {
	var f *forward.Failure
	switch {
	case err == nil:
		return "taken"
	case errors.As(err, &f) && f.Gone:
		return "gone"
	case errors.As(err, &f) && f.Permanent:
		return "dead"
	case errors.As(err, &f) && f.Throttled:
		return "pause"
	}
	return "again"
}

// scripted sends the event to an endpoint that answers so.
func scripted(t *testing.T, e tracker.Event, answer http.HandlerFunc) (forward.Answer, error) {
	t.Helper()
	server := httptest.NewServer(answer)
	defer server.Close()
	d, err := NewDestination(DestinationOptions{Endpoint: server.URL, NetworkID: "1", Token: "to/ken=1"})
	if err != nil {
		t.Fatal(err)
	}
	client := forward.NewClient(loopback)
	defer client.Close()
	return d.Send(t.Context(), client, e)
}

func put() tracker.Event {
	return tracker.Event{Kind: tracker.EventAffiliate, Subject: "7", Affiliate: &tracker.Affiliate{
		ID: 7, AffiliateFields: tracker.AffiliateFields{Name: "Ann", IDFromNetwork: "222", Status: tracker.AffiliateApproved}}}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{200, `{"id": 19, "id_from_network": "222", "name": "Ann"}`, "taken"},
		{201, `{"id": 19, "id_from_network": 222}`, "taken"},
		{200, `{"id": 19, "users": [{"id_from_network": "222"}]}`, "again"},
		{200, `{}`, "again"},
		{200, ``, "again"},
		{200, `[]`, "again"},
		{200, `<html>blocked</html>`, "again"},
		{200, `{"errors": {"name": ["can't be blank"]}}`, "again"},
		{302, ``, "again"},
		{400, `{"errors": {"invalid_data": "x", "class": "InvalidInput"}}`, "again"},
		{401, `{"errors": {"invalid_data": "x", "class": "Unauthorized"}}`, "pause"},
		{403, `<html>firewall</html>`, "again"},
		{403, `{"errors":"this token may not"}`, "pause"},
		{403, `{"errors": {"invalid_data": "x", "class": "UnauthorizedOperation"}}`, "pause"},
		{403, `{"error": {"class": "UnauthorizedAdvertiser", "invalid_data": "x"}}`, "pause"},
		{403, `{"errors": {"name": ["can't be blank"]}}`, "dead"},
		{403, `{"error": {"name": ["can't be blank"]}}`, "dead"},
		{403, `{"errors": {"users": [{"email_settings": [{"email_address": ["is invalid"]}]}]}}`, "dead"},
		{403, `{"errors": {"invalid_data": "Validation failed: x", "class": "RecordInvalid"}}`, "dead"},
		{403, `{"errors":{"status":["cannot transition from 'Approved'"]},"status":"Applied"}`, "dead"},
		{403, `{"errors": {"name": ["has already been taken"]}}`, "again"},
		{404, `{"errors": {"invalid_data": "Could not find Network", "class": "RecordNotFound"}}`, "again"},
		{404, `not found`, "again"},
		{410, ``, "gone"},
		{429, `slow down`, "pause"},
		{500, `{"errors": {"invalid_data": "refer to error handle 1228118400", "class": "InternalServiceError"}}`, "again"},
		{503, ``, "pause"},
	} {
		answer, err := scripted(t, put(), func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		if got := what(err); got != c.want || answer.Status != c.status {
			t.Errorf("%d %s: %s, %v; want %s", c.status, c.body, got, err, c.want)
		}
	}
}

// The requests are those of the platform's pages: verbs, paths, the token alone in the header.
func TestRequests(t *testing.T) {
	type request struct{ verb, path string }
	deletion := tracker.Event{Kind: tracker.EventAffiliate, Subject: "7", Gone: true, FormerID: "a b/1"}
	renamed := put()
	renamed.FormerID = "111"
	refused := `{"errors": {"invalid_data": "Validation failed: campaigns exist", "class": "RecordInvalid"}}`
	for _, c := range []struct {
		name   string
		event  tracker.Event
		status int
		body   string // of the answer to DELETE
		want   []request
	}{
		{"put", put(), 0, "", []request{{"PUT", "/api/2018-11-01/1/affiliates/222.json"}}},
		{"deleted", deletion, 200, "{ }", []request{{"DELETE", "/api/2018-11-01/1/affiliates/a%20b%2F1.json"}}},
		{"deleted before", deletion, 404, `{"errors": {"class": "RecordNotFound", "invalid_data": "x"}}`, []request{{"DELETE", "/api/2018-11-01/1/affiliates/a%20b%2F1.json"}}},
		{"archived", deletion, 403, refused, []request{{"DELETE", "/api/2018-11-01/1/affiliates/a%20b%2F1.json"}, {"PUT", "/api/2018-11-01/1/affiliates/a%20b%2F1.json"}}},
		{"renamed", renamed, 200, "{}", []request{{"DELETE", "/api/2018-11-01/1/affiliates/111.json"}, {"PUT", "/api/2018-11-01/1/affiliates/222.json"}}},
	} {
		var got []request
		_, err := scripted(t, c.event, func(w http.ResponseWriter, r *http.Request) {
			got = append(got, request{r.Method, r.URL.EscapedPath()})
			if r.Header.Get("Authorization") != "to/ken=1" || r.URL.RawQuery != "" {
				t.Errorf("%s: authorized with %q", c.name, r.Header.Get("Authorization"))
			}
			if r.Method == http.MethodDelete {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			} else {
				fmt.Fprint(w, `{"id_from_network": "x"}`)
			}
		})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

// A deletion that is not taken is not passed over, and the affiliate under its new id waits for it.
func TestARenamedAffiliateWaitsForTheOldOne(t *testing.T) {
	e := put()
	e.FormerID = "111"
	puts := 0
	_, err := scripted(t, e, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			puts++
		}
		fmt.Fprint(w, `<html>`)
	})
	if err == nil || puts > 0 {
		t.Errorf("%v, with %d puts", err, puts)
	}
}

// Whatever the endpoint sends back of the token, the log of attempts has nothing of it.
func TestAnEchoOfTheToken(t *testing.T) {
	answer, err := scripted(t, put(), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"errors": {"%s": ["%s"], "class": "%s"}}`, r.Header.Get("Authorization"), r.Header.Get("Authorization"), r.Header.Get("Authorization"))
	})
	if kept := string(answer.Body) + err.Error(); strings.Contains(kept, "ken=1") {
		t.Errorf("kept is %s", kept)
	}
}

// An affiliate that is longer than what is read of an answer is known by its beginning.
func TestALongAnswer(t *testing.T) {
	_, err := scripted(t, put(), func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"id": 19, "id_from_network": "222", "users": ["%s"]}`, strings.Repeat("x", 100_000))
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(200, []byte(`{"id": 19, "id_from_network": "222"}`))
	f.Add(403, []byte(`{"errors":{"users":[{"email_settings":[{"email_address":["is invalid"]}]}]}}`))
	f.Add(403, []byte(`{"error":{"class":"UnauthorizedOperation"}}`))
	f.Add(404, []byte(`{"errors":{"class":"RecordNotFound"}}`))
	f.Add(200, []byte(`{"a":{`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := &forward.Response{Status: status, Body: body}
		for name, taken := range map[string]func([]byte) bool{"list": isList, "empty": isEmpty, "affiliate": isAffiliate} {
			err := judge(r, taken, time.Unix(0, 0))
			if (err == nil) != (status >= 200 && status <= 299 && taken(body)) {
				t.Errorf("%s: %d %q is judged %v", name, status, body, err)
			}
			if what(err) == "dead" && status != http.StatusForbidden {
				t.Errorf("%s: %d %q is judged dead", name, status, body)
			}
		}
	})
}
