package affelios

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var _ forward.Remembering = (*Destination)(nil)

// loopback is a client that may connect to the tests' own servers.
var loopback = forward.NewClient([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})

const apiKey = "5XPmdXTl8j93xI0j45b6a3fd-1062-4c11-b434-b8de3e4eafeb"

// destination is one to that endpoint; edits change its options.
func destination(t testing.TB, endpoint string, edits ...func(o *DestinationOptions)) *Destination {
	t.Helper()
	o := DestinationOptions{Endpoint: endpoint, APIKey: apiKey}
	for _, edit := range edits {
		edit(&o)
	}
	d, err := NewDestination(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// toShop is a destination to the dialect that we serve.
func toShop(t testing.TB, s *shop, edits ...func(o *DestinationOptions)) *Destination {
	t.Helper()
	server := httptest.NewServer(s.server)
	t.Cleanup(server.Close)
	return destination(t, server.URL, append(edits, func(o *DestinationOptions) { o.APIKey = s.key })...)
}

// person is the event of a new customer, whom that click key brought.
func person(clickKey string) tracker.Event {
	e := tracker.Event{
		ID: tracker.NewSessionID(noon).String(), Kind: tracker.EventCustomer, Network: "here", Time: noon,
		Customer: &tracker.Customer{
			ID: tracker.NewSessionID(noon).String(), ExternalID: "cust-1", Brand: "brand-1", CustomerFields: tracker.CustomerFields{
				Username: "jo", RegisteredAt: noon.Add(-time.Hour), CountryCode: "GB", CPAExcluded: true,
			},
		},
	}
	e.Subject = e.Customer.ID
	if clickKey != "" {
		e.Session = &tracker.BookedSession{Session: tracker.Session{Query: "via=x&ClickKey=" + clickKey}}
	}
	return e
}

// moneyMoved is the event of a transaction of that person.
func moneyMoved() tracker.Event {
	e := person("")
	e.Kind = tracker.EventTransaction
	e.Transaction = &tracker.Transaction{TransactionFields: tracker.TransactionFields{
		ExternalID: "tx-1", Type: "deposit", Time: noon, Currency: "EUR", Deposit: 2050, GrossRevenue: -30,
	}}
	return e
}

func send(t testing.TB, d *Destination, e tracker.Event) forward.Answer {
	t.Helper()
	answer, err := d.Send(t.Context(), loopback, e)
	if err != nil {
		t.Fatalf("%s: %v, answered %d %s", e.Kind, err, answer.Status, answer.Body)
	}
	return answer
}

// A customer, what is said anew of them and what they spend are at the dialect that we serve as they were here, however often they
// are sent.
func TestForwardToOurOwn(t *testing.T) {
	s := newShop(t)
	d := toShop(t, s)
	send(t, d, tracker.Event{Kind: tracker.EventTest, ID: tracker.NewSessionID(noon).String()})
	click := s.click("acme", "ann")

	if _, err := d.Send(t.Context(), loopback, moneyMoved()); err == nil || isPermanent(err) {
		t.Errorf("before its customer is there, a transaction is answered %v", err)
	}
	e := person(click.ID.String())
	answer := send(t, d, e)
	got, err := s.books.CustomerByExternalID(t.Context(), "acme", "cust-1", "brand-1")
	if err != nil || got.SessionID != click.ID.String() || got.Username != "jo" || !got.RegisteredAt.Equal(noon.Add(-time.Hour)) ||
		got.CountryCode != "GB" || !got.CPAExcluded || got.RevShareExcluded {
		t.Fatalf("there is %+v, %v", got, err)
	}
	if answer.Ref != got.ID || string(answer.Body) != `{"id":"`+got.ID+`"}` {
		t.Errorf("called %q, the log has %s", answer.Ref, answer.Body)
	}
	if again := send(t, d, e); again.Status != http.StatusConflict || again.Ref != "" {
		t.Errorf("the second time it is answered %+v", again)
	}

	e.Kind, e.Ref = tracker.EventCustomerChanged, answer.Ref
	e.Customer.Username, e.Customer.Label = "", "vip"
	for range 2 {
		send(t, d, e)
	}
	if got, _ = s.books.Customer(t.Context(), "acme", got.ID); got.Label != "vip" || got.Username != "" {
		t.Errorf("changed they are %+v", got)
	}
	e.Ref = ""
	if _, err := d.Send(t.Context(), loopback, e); !isPermanent(err) || !errors.Is(err, errUnknownID) {
		t.Errorf("who has lost the id is told %v", err)
	}
	for range 2 {
		send(t, d, moneyMoved())
	}
	if got, _ = s.books.Customer(t.Context(), "acme", got.ID); len(got.Sums) != 1 || got.Sums[0].Deposits != 2050 || got.Sums[0].GrossRevenue != -30 {
		t.Errorf("they have spent %+v", got.Sums)
	}
}

// A change of a customer who is not there makes them; one without a click key is nobody's.
func TestForwardMakesWhomItChanges(t *testing.T) {
	s := newShop(t)
	e := person("")
	e.Kind, e.Customer.Brand = tracker.EventCustomerChanged, ""
	if _, err := toShop(t, s).Send(t.Context(), loopback, e); !errors.Is(err, errBrand) || isPermanent(err) {
		t.Errorf("without a brand: %v", err)
	}
	if answer := send(t, toShop(t, s, func(o *DestinationOptions) { o.Brand = "shop" }), e); answer.Ref == "" {
		t.Errorf("answered %+v", answer)
	}
	if got, err := s.books.CustomerByExternalID(t.Context(), "acme", "cust-1", "shop"); err != nil || !got.Organic {
		t.Errorf("there is %+v, %v", got, err)
	}
}

func isPermanent(err error) bool {
	var f *forward.Failure
	return errors.As(err, &f) && f.Permanent
}

func TestForwardAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		event  func() tracker.Event
		status int
		body   string
		want   forward.Failure
		fails  bool
	}{
		{"a customer", func() tracker.Event { return person("") }, 200, `{"id":"7"}`, forward.Failure{}, false},
		{"a customer of no id", func() tracker.Event { return person("") }, 201, `{"id":null,"externalId":"cust-1"}`, forward.Failure{}, false},
		{"one who is there", func() tracker.Event { return person("") }, 409, `<html>`, forward.Failure{}, false},
		{"HTML", func() tracker.Event { return person("") }, 200, `<html>`, forward.Failure{}, true},
		{"an error under 200", func() tracker.Event { return person("") }, 200, `{"error":"x"}`, forward.Failure{}, true},
		{"nothing", func() tracker.Event { return person("") }, 200, ``, forward.Failure{}, true},
		{"bad data", func() tracker.Event { return person("") }, 400, `{"errors":{"CountryCode":["x"]}}`, forward.Failure{Permanent: true}, true},
		{"nobody knows what", func() tracker.Event { return person("") }, 400, `<html>`, forward.Failure{}, true},
		{"no organic customers", func() tracker.Event { return person("") }, 422, ``, forward.Failure{}, true},
		{"a transaction", moneyMoved, 202, ``, forward.Failure{}, false},
		{"a transaction, with a body", moneyMoved, 200, `{"id":"1"}`, forward.Failure{}, false},
		{"a transaction that is there", moneyMoved, 409, ``, forward.Failure{}, false},
		{"a firewall's page", moneyMoved, 202, `<html>`, forward.Failure{}, true},
		{"a bad key", moneyMoved, 401, ``, forward.Failure{Throttled: true, RetryAfter: time.Minute}, true},
		{"moved", moneyMoved, 307, ``, forward.Failure{}, true},
		{"too many", moneyMoved, 429, ``, forward.Failure{Throttled: true}, true},
		{"gone", moneyMoved, 410, ``, forward.Failure{Gone: true}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			}))
			defer server.Close()
			answer, err := destination(t, server.URL).Send(t.Context(), loopback, test.event())
			if (err != nil) != test.fails {
				t.Fatalf("%+v, %v", answer, err)
			}
			var got forward.Failure
			if f := (*forward.Failure)(nil); errors.As(err, &f) {
				got = *f
			}
			if got.Err = nil; got != test.want {
				t.Errorf("judged %+v, want %+v", got, test.want)
			}
		})
	}
	_, err := destination(t, "http://127.0.0.1:1").Send(t.Context(), loopback, func() tracker.Event {
		e := moneyMoved()
		e.Transaction.Currency = "USD"
		return e
	}())
	if !isPermanent(err) {
		t.Errorf("another currency: %v", err)
	}
}

// What is sent is what Affelios documents: no member that is not, and no click key that is not its own.
func TestForwardBodies(t *testing.T) {
	var got, header string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, header = r.Method+" "+r.URL.Path+" "+string(body), r.Header.Get("X-Api-Key")
		io.WriteString(w, `{"id":"7"}`)
	}))
	defer server.Close()
	d := destination(t, server.URL)
	changed := person("abc")
	changed.Kind, changed.Ref = tracker.EventCustomerChanged, "a/b"
	for _, test := range []struct {
		event tracker.Event
		want  string
	}{
		{person("abc"), `POST /api/v1/customer {"externalId":"cust-1","externalBrandId":"brand-1","clickId":"abc","username":"jo",` +
			`"registrationDate":"2026-11-21T11:00:00Z","country":null,"country_code":"GB","revShareExcluded":false,"cpaExcluded":true}`},
		{person(""), `POST /api/v1/customer {"externalId":"cust-1","externalBrandId":"brand-1","username":"jo",` +
			`"registrationDate":"2026-11-21T11:00:00Z","country":null,"country_code":"GB","revShareExcluded":false,"cpaExcluded":true}`},
		{changed, `PUT /api/v1/customer/a/b {"externalId":"cust-1","externalBrandId":"brand-1","username":"jo",` +
			`"registrationDate":"2026-11-21T11:00:00Z","country":"","country_code":"GB","revShareExcluded":false,"cpaExcluded":true,"category":"","label":""}`},
		{moneyMoved(), `POST /api/v1/transaction {"externalId":"tx-1","type":"deposit","externalCustomerId":"cust-1","externalBrandId":"brand-1",` +
			`"transactionDate":"2026-11-21T12:00:00Z","depositAmount":20.50,"grossRevenue":-0.30}`},
	} {
		send(t, d, test.event)
		if got != test.want || header != apiKey {
			t.Errorf("sent %s\nwant %s", got, test.want)
		}
	}
}

func TestForwardKeepsNoSecret(t *testing.T) {
	for _, status := range []int{200, 202, 400, 500} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]any{"id": "7", "externalId": r.Header})
		}))
		defer server.Close()
		for _, e := range []tracker.Event{person(""), moneyMoved()} {
			answer, err := destination(t, server.URL).Send(t.Context(), loopback, e)
			if text := string(answer.Body); strings.Contains(text, apiKey) || err != nil && strings.Contains(err.Error(), apiKey) {
				t.Errorf("%d, %s: kept is %s", status, e.Kind, text)
			}
		}
	}
}

func TestDestinationOptions(t *testing.T) {
	good := DestinationOptions{Endpoint: "https://platform.affelios.com/", APIKey: apiKey}
	if d, err := NewDestination(good); err != nil || d.Host() != "platform.affelios.com" || d.Currency != "EUR" {
		t.Errorf("%+v, %v", d, err)
	}
	for name, edit := range map[string]func(o *DestinationOptions){
		"no endpoint": func(o *DestinationOptions) { o.Endpoint = "" }, "no key": func(o *DestinationOptions) { o.APIKey = "" },
		"a broken key": func(o *DestinationOptions) { o.APIKey = "hunter2\r\n" }, "currency": func(o *DestinationOptions) { o.Currency = "hunter2" },
	} {
		o := good
		edit(&o)
		if _, err := NewDestination(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzForwardAnswer(f *testing.F) {
	f.Add(`{"id":"7"}`)
	f.Add(`{"id":null,"externalId":{}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, body string) {
		s := &sending{Destination: destination(t, "http://127.0.0.1")}
		err := s.readCustomer(&forward.Response{Status: 200, Body: []byte(body)})
		if err != nil && s.answer.Ref != "" || len(s.answer.Ref) > tracker.MaxRef {
			t.Errorf("%v, and called %q", err, s.answer.Ref)
		}
	})
}
