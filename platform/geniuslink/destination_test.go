package geniuslink

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// mirror is books whose groups' tokens are kept in a shop, which is served in the dialect.
type mirror struct {
	testing.TB
	ours   *ledger.Ledger
	theirs *shop
	to     *Destination
	client *forward.Client
}

func newMirror(t testing.TB, strict bool, settings func(*DestinationOptions)) *mirror {
	t.Helper()
	ours := sqlitetest.Open(t)
	ours.UseRoutes([]tracker.Route{{Destination: "geniuslink", Network: "shop", Kinds: []tracker.EventKind{tracker.EventGroupTokens}, Ordered: true}})
	theirs := newShop(t, strict)
	server := httptest.NewServer(theirs.server)
	t.Cleanup(server.Close)
	key, secret := pair(theirs.key)
	o := DestinationOptions{Endpoint: server.URL + "/", Key: key, Secret: secret}
	if settings != nil {
		settings(&o)
	}
	to, err := NewDestination(o)
	if err != nil {
		t.Fatal(err)
	}
	return &mirror{t, ours, theirs, to, forward.NewClient(loopback)}
}

func (m *mirror) put(group uint32, program string, parameters map[string]string) tracker.ProgramTokens {
	m.Helper()
	stored, err := m.ours.PutTokens(m.Context(), "shop", tracker.TokensFields{
		GroupID: &group, Username: "ann", Program: program, Parameters: parameters, Hosts: []string{"shop.example"},
	})
	if err != nil {
		m.Fatal(err)
	}
	return stored
}

// deliver sends all that is due, each twice as after a crash, and returns the errors of the second attempts.
func (m *mirror) deliver() (failed []error) {
	m.Helper()
	for {
		due, err := m.ours.ClaimDeliveries(m.Context(), "shop", "geniuslink", time.Minute, 100)
		if err != nil {
			m.Fatal(err)
		}
		if len(due) == 0 {
			return failed
		}
		events, err := m.ours.DeliveryEvents(m.Context(), due)
		if err != nil || len(events) != len(due) {
			m.Fatalf("%d events of %d deliveries: %v", len(events), len(due), err)
		}
		var outcomes []tracker.DeliveryOutcome
		for _, d := range due {
			m.to.Send(m.Context(), m.client, events[d.ID])
			if _, err := m.to.Send(m.Context(), m.client, events[d.ID]); err != nil {
				failed = append(failed, err)
			}
			outcomes = append(outcomes, tracker.DeliveryOutcome{Delivery: d, State: tracker.DeliverySent})
		}
		if err := m.ours.FinishDeliveries(m.Context(), "shop", "geniuslink", outcomes); err != nil {
			m.Fatal(err)
		}
	}
}

// want fails unless what is due is taken, and the group then has these parameters there, by programme.
func (m *mirror) want(group uint32, want map[string]map[string]string) {
	m.Helper()
	if failed := m.deliver(); len(failed) > 0 {
		m.Fatal(failed)
	}
	m.wantThere(group, want)
}

func (m *mirror) wantThere(group uint32, want map[string]map[string]string) {
	m.Helper()
	list, err := m.theirs.books.Tokens(m.Context(), "acme", tracker.TokensFilter{GroupID: &group})
	if err != nil {
		m.Fatal(err)
	}
	got := map[string]map[string]string{}
	for _, t := range list {
		got[t.Program] = t.Parameters
	}
	if !reflect.DeepEqual(got, want) {
		m.Fatalf("group %d has %v there, want %v", group, got, want)
	}
}

func TestTokensAreKeptThere(t *testing.T) {
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict %t", strict), func(t *testing.T) {
			m := newMirror(t, strict, nil)
			m.put(7, "amazon-de", map[string]string{"tag": "ann & bob-20", "ascsubtag": "ü\"<x>"})
			m.put(7, guid, map[string]string{"tag": "x"})
			m.put(tracker.MaxGroup, "ebay", map[string]string{"campid": "1"})
			m.want(7, map[string]map[string]string{"amazon-de": {"tag": "ann & bob-20", "ascsubtag": "ü\"<x>"}, guid: {"tag": "x"}})
			m.wantThere(tracker.MaxGroup, map[string]map[string]string{"ebay": {"campid": "1"}})

			m.put(7, "amazon-de", map[string]string{"tag": "ann-20"})
			m.put(7, "amazon-de", map[string]string{"tag": "ann-21"}) // at once
			stored := m.put(7, guid, nil)
			m.want(7, map[string]map[string]string{"amazon-de": {"tag": "ann-21"}, guid: {}})

			if err := m.ours.DeleteTokens(t.Context(), "shop", stored.ID); err != nil {
				t.Fatal(err)
			}
			m.want(7, map[string]map[string]string{"amazon-de": {"tag": "ann-21"}})
			m.put(7, guid, map[string]string{"tag": "again"})
			m.want(7, map[string]map[string]string{"amazon-de": {"tag": "ann-21"}, guid: {"tag": "again"}})
		})
	}
}

// Geniuslink's guids and groups may be others than ours, and so may the user.
func TestOtherNamesThere(t *testing.T) {
	m := newMirror(t, true, func(o *DestinationOptions) {
		o.Programs, o.Groups, o.Username = map[string]string{"ours": guid}, map[uint32]uint32{7: 123}, "merchant"
	})
	stored := m.put(7, "ours", map[string]string{"tag": "x"})
	m.want(123, map[string]map[string]string{guid: {"tag": "x"}})
	group := uint32(123)
	there, err := m.theirs.books.Tokens(t.Context(), "acme", tracker.TokensFilter{GroupID: &group})
	if err != nil || there[0].Username != "merchant" {
		t.Errorf("they are kept by %q, %v", there[0].Username, err)
	}
	if err := m.ours.DeleteTokens(t.Context(), "shop", stored.ID); err != nil {
		t.Fatal(err)
	}
	m.want(123, map[string]map[string]string{})
}

// What Geniuslink can never take is dead at once; what it does not have may be connected there later.
func TestRefusedTokens(t *testing.T) {
	m := newMirror(t, false, nil)
	m.put(7, "amazon-de", map[string]string{"tagg": "secret-20"})
	failed := m.deliver()
	if len(failed) != 1 || what(failed[0]) != "dead" || !strings.Contains(failed[0].Error(), "UnknownParameter") || strings.Contains(failed[0].Error(), "tagg") {
		t.Errorf("an unknown parameter: %v", failed)
	}
	m.put(7, "elsewhere", map[string]string{"tag": "x"})
	if failed = m.deliver(); len(failed) != 1 || what(failed[0]) != "again" {
		t.Errorf("an unknown programme: %v", failed)
	}
	m.wantThere(7, map[string]map[string]string{})
}

func TestTheKeyIsRefused(t *testing.T) {
	m := newMirror(t, false, nil)
	_, reads := pair(m.theirs.books.NewKey("acme", "links:read"))
	for name, secret := range map[string]string{"wrong": "wrong", "of another key": reads} {
		m.to.Secret = secret
		if _, err := m.to.Send(t.Context(), m.client, event()); what(err) != "pause" {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.to.Key, m.to.Secret = pair(m.theirs.books.NewKey("acme", "links:read"))
	if _, err := m.to.Send(t.Context(), m.client, event()); what(err) != "pause" {
		t.Errorf("a key that may not: %v", err)
	}
}

// A test event changes nothing, and shows whether the key is good.
func TestTestEvent(t *testing.T) {
	m := newMirror(t, true, nil)
	test := tracker.Event{Kind: tracker.EventTest, Subject: "test"}
	if answer, err := m.to.Send(t.Context(), m.client, test); err != nil || answer.Status != http.StatusOK {
		t.Errorf("%+v, %v", answer, err)
	}
	m.to.Secret = "wrong"
	if answer, err := m.to.Send(t.Context(), m.client, test); err == nil || answer.Status != http.StatusUnauthorized {
		t.Errorf("without a key %+v, %v", answer, err)
	}
}

func event() tracker.Event {
	group := uint32(7)
	return tracker.Event{Kind: tracker.EventGroupTokens, Subject: "7/amazon-de", GroupTokens: &tracker.ProgramTokens{
		TokensFields: tracker.TokensFields{GroupID: &group, Username: "ann", Program: "amazon-de", Parameters: map[string]string{"tag": "x"}}}}
}

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
	d, err := NewDestination(DestinationOptions{Endpoint: server.URL, Key: "the-key", Secret: "the/secret=1"})
	if err != nil {
		t.Fatal(err)
	}
	client := forward.NewClient(loopback)
	defer client.Close()
	return d.Send(t.Context(), client, e)
}

func TestVerdicts(t *testing.T) {
	gone := tracker.Event{Kind: tracker.EventGroupTokens, Subject: "7/amazon-de", Gone: true}
	const missing = `{"success":false,"responseStatus":{"errorCode":"NotFound","message":"x","errors":[]}}`
	for _, c := range []struct {
		event  tracker.Event
		status int
		body   string
		want   string
	}{
		{event(), 200, `{"success":true,"affiliateTokensId":"x"}`, "taken"},
		{event(), 200, `{"Success":true,"AffiliateTokensId":"x"}`, "taken"},
		{event(), 200, `{"success":false}`, "again"},
		{event(), 200, `{"success":true,"responseStatus":{"errorCode":"Odd"}}`, "again"},
		{event(), 200, `{success:True,affiliateTokensId:x}`, "again"},
		{event(), 200, `{}`, "again"},
		{event(), 200, ``, "again"},
		{event(), 200, `<html>blocked</html>`, "again"},
		{event(), 302, ``, "again"},
		{event(), 400, `{"responseStatus":{"errorCode":"NotEmpty","message":"x"}}`, "dead"},
		{event(), 400, `{"ResponseStatus":{"ErrorCode":"SerializationException"}}`, "dead"},
		{event(), 400, `<html>firewall</html>`, "again"},
		{event(), 400, `{"responseStatus":{}}`, "again"},
		{event(), 401, `{"responseStatus":{"errorCode":"Unauthorized"}}`, "pause"},
		{event(), 403, `<html>firewall</html>`, "again"},
		{event(), 403, `{"ResponseStatus":{"ErrorCode":"Forbidden"}}`, "pause"},
		{event(), 404, missing, "again"},
		{gone, 404, missing, "taken"},
		{gone, 404, `not found`, "again"},
		{gone, 200, `{"success":true}`, "taken"},
		{gone, 200, `<html>blocked</html>`, "again"},
		{event(), 410, ``, "gone"},
		{event(), 429, ``, "pause"},
		{event(), 500, `{"responseStatus":{"errorCode":"InternalServerError"}}`, "again"},
		{event(), 503, ``, "pause"},
	} {
		answer, err := scripted(t, c.event, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		if got := what(err); got != c.want || answer.Status != c.status {
			t.Errorf("%t %d %s: %s, %v; want %s", c.event.Gone, c.status, c.body, got, err, c.want)
		}
	}
}

// The request is that of the platform's document, in JSON.
func TestRequest(t *testing.T) {
	_, err := scripted(t, event(), func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPut || r.RequestURI != "/v4/groups/7/group-affiliate-tokens/amazon-de" || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("X-Api-Key") != "the-key" || r.Header.Get("X-Api-Secret") != "the/secret=1" || string(body) != `{"username":"ann","parameters":{"tag":"x"}}` {
			t.Errorf("%s %s %v %s", r.Method, r.RequestURI, r.Header, body)
		}
		fmt.Fprint(w, `{"success":true}`)
	})
	if err != nil {
		t.Error(err)
	}
}

// Whatever the endpoint sends back of key and secret, the log of attempts has nothing of it.
func TestAnEchoOfTheKey(t *testing.T) {
	answer, err := scripted(t, event(), func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"responseStatus": {"errorCode": "%s %s"}}`, r.Header.Get("X-Api-Key"), r.Header.Get("X-Api-Secret"))
	})
	if kept := string(answer.Body) + err.Error(); strings.Contains(kept, "the-key") || strings.Contains(kept, "secret=1") {
		t.Errorf("kept is %s", kept)
	}
}

func TestDestinationOptions(t *testing.T) {
	for name, o := range map[string]DestinationOptions{
		"no endpoint": {Key: "k3y", Secret: "s3cr3t"},
		"no key":      {Endpoint: "https://api.example.com", Secret: "s3cr3t"},
		"no secret":   {Endpoint: "https://api.example.com", Key: "k3y"},
		"programme":   {Endpoint: "https://api.example.com", Key: "k3y", Secret: "s3cr3t", Programs: map[string]string{"a": "b/c"}},
	} {
		if _, err := NewDestination(o); err == nil || strings.Contains(err.Error()+" ", "3") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(200, []byte(`{"success":true,"affiliateTokensId":"x"}`))
	f.Add(400, []byte(`{"responseStatus":{"errorCode":"NotEmpty","message":"x"}}`))
	f.Add(404, []byte(`{"ResponseStatus":{"ErrorCode":"NotFound"}}`))
	f.Add(200, []byte(`{"a":{`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		r := &forward.Response{Status: status, Body: body}
		for _, write := range []bool{true, false} {
			err := judge(r, write, time.Unix(0, 0))
			if err == nil && (status < 200 || status > 299 || !isAnswer(body, write)) {
				t.Errorf("%t: %d %q is taken", write, status, body)
			}
			if what(err) == "dead" && status != http.StatusBadRequest {
				t.Errorf("%t: %d %q is judged dead", write, status, body)
			}
		}
	})
}
