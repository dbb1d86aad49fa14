package affili

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

const accessID = "eyJpdiI6IjBtZGhoaE03SmRHMTDU"

// destination is one to that endpoint; edits change its options.
func destination(t testing.TB, endpoint string, edits ...func(o *DestinationOptions)) *Destination {
	t.Helper()
	o := DestinationOptions{Endpoint: endpoint, AccessID: accessID}
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
	return destination(t, server.URL, append(edits, func(o *DestinationOptions) { o.AccessID = s.key })...)
}

// visit is the event of a session that came by the platform's link.
func visit() tracker.Event {
	at := time.Date(2020, 4, 5, 8, 0, 0, 0, time.UTC)
	session := tracker.BookedSession{Session: tracker.Session{
		ID: tracker.NewSessionID(at), Network: "here", Code: "john", Time: at, Class: tracker.ClassHuman,
		Query: "aff_id=" + sampleAffID + "&referrer=" + sampleReferrer,
	}}
	return tracker.Event{
		ID: tracker.NewSessionID(at).String(), Kind: tracker.EventSession, Network: "here", Subject: session.ID.String(), Time: at,
		Session: &session, Link: &tracker.CatalogLink{ID: 3, LinkFields: tracker.LinkFields{Code: "john"}},
	}
}

// order is the event of a sale after that visit.
func order(id string, edits ...func(c *tracker.Conversion)) tracker.Event {
	e := visit()
	e.Kind, e.N = tracker.EventConversion, 1
	e.Conversion = &tracker.Conversion{
		ID: tracker.NewSessionID(e.Time).String(), ExternalID: id, Type: tracker.TypeSale, Status: tracker.StatusPending, Amount: 10000,
		Currency: "IRR", Commissions: []tracker.Part{{Name: "buy", SubAmount: 10000}}, LinkID: 3, OccurredAt: e.Time,
		History: []tracker.Change{{N: 1, Kind: tracker.ChangeCreated}},
	}
	for _, edit := range edits {
		edit(e.Conversion)
	}
	return e
}

// changed is the event of the next entry of its history.
func changed(e tracker.Event, kind tracker.ChangeKind, edit func(c *tracker.Conversion)) tracker.Event {
	c := *e.Conversion
	edit(&c)
	c.History = append(c.History, tracker.Change{N: len(c.History) + 1, Kind: kind, Status: c.Status})
	e.Kind, e.N, e.Conversion = tracker.EventConversionChanged, len(c.History), &c
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

// A visitor, their order and what becomes of it are at the dialect that we serve as they were here, however often they are sent.
func TestForwardToOurOwn(t *testing.T) {
	s := newShop(t)
	d := toShop(t, s)
	send(t, d, tracker.Event{Kind: tracker.EventTest, ID: "x"})

	answer := send(t, d, visit())
	if all := s.sessions(network); len(all) != 1 || all[0].Code != sampleAffID || answer.Ref == "" {
		t.Fatalf("called %q, there are %+v", answer.Ref, all)
	}
	if strings.Contains(string(answer.Body), answer.Ref) {
		t.Errorf("the visitor's token is in the log: %s", answer.Body)
	}
	s.books.Pass(time.Minute)
	bought := order("1")
	bought.SessionRef = answer.Ref
	first := send(t, d, bought)
	for range 2 {
		if again := send(t, d, bought); again.Ref != first.Ref {
			t.Errorf("called %q, then %q", first.Ref, again.Ref)
		}
	}
	all := s.booked(network)
	if len(all) != 1 || all[0].Amount != 10000 || all[0].Affiliate != "John Doe" || all[0].SessionID != s.sessions(network)[0].ID.String() ||
		all[0].Commissions[0].Name != "buy" || all[0].Type != tracker.TypeBuy {
		t.Fatalf("booked are %+v", all)
	}

	bought.Ref = first.Ref
	refunded := changed(bought, tracker.ChangeRefund, func(c *tracker.Conversion) {
		c.Amount, c.Commissions = 4000, []tracker.Part{{Name: "buy", SubAmount: 4000}}
	})
	send(t, d, refunded)
	approved := changed(refunded, tracker.ChangeStatus, func(c *tracker.Conversion) { c.Status = tracker.StatusApproved })
	approved.Ref = "" // whoever has lost the id finds it
	for range 2 {
		if again := send(t, d, approved); again.Ref != first.Ref {
			t.Errorf("the id is %q, found is %q", first.Ref, again.Ref)
		}
	}
	if got := s.booked(network)[0]; got.Amount != 4000 || got.Status != tracker.StatusApproved {
		t.Errorf("booked is %+v", got)
	}
	paid := changed(approved, tracker.ChangePaid, func(*tracker.Conversion) {})
	if _, err := d.Send(t.Context(), loopback, paid); !errors.Is(err, forward.ErrSkip) {
		t.Errorf("that it is paid is sent: %v", err)
	}
	if len(s.booked(network)) != 1 || len(s.sessions(network)) != 1 {
		t.Error("something is there twice")
	}
}

// Without the token of a visitor a conversion names the link, as the platform's own script does.
func TestForwardWithoutToken(t *testing.T) {
	s := newShop(t)
	d := toShop(t, s, func(o *DestinationOptions) { o.Links = map[string]Partner{"john": {sampleAffID, sampleReferrer}} })
	e := order("1", func(c *tracker.Conversion) { c.Status = tracker.StatusApproved })
	e.Session = nil
	send(t, d, e)
	lead := order("2", func(c *tracker.Conversion) { c.Type, c.Name, c.Amount = tracker.TypeLead, "signup", 0 })
	send(t, d, lead)
	send(t, d, order("3", func(c *tracker.Conversion) { c.Type = tracker.TypeClick }))
	all := s.booked(network)
	if len(all) != 3 {
		t.Fatalf("booked are %+v", all)
	}
	for _, c := range all {
		if c.Affiliate != "John Doe" || (c.Status == tracker.StatusApproved) != (c.ExternalID == "1") || c.ExternalID == "2" && c.Name != "signup" {
			t.Errorf("booked is %+v", c)
		}
	}
}

// What the platform has under the id already was an earlier attempt; of another conversion of that id nobody can tell it.
func TestForwardDuplicate(t *testing.T) {
	s := newShop(t)
	d := toShop(t, s)
	first := send(t, d, order("1"))
	again := send(t, d, order("1", func(c *tracker.Conversion) { c.Amount, c.Commissions[0].SubAmount = 9000, 9000 })) // refunded between two attempts
	if again.Ref != first.Ref {
		t.Errorf("the duplicate is called %q, the first %q", again.Ref, first.Ref)
	}
	if !strings.Contains(string(again.Body), `"status":"3"`) || !strings.Contains(string(again.Body), first.Ref) {
		t.Errorf("the log has %s", again.Body)
	}
}

func TestForwardSkips(t *testing.T) {
	d := destination(t, "http://127.0.0.1:1")
	other := visit()
	other.Session.Query = "via=john"
	nobodys := order("1", func(c *tracker.Conversion) { c.LinkID = 0 })
	known, sent := visit(), order("1")
	known.Ref, sent.Ref = "token", "eroxr"
	for name, e := range map[string]tracker.Event{
		"a click on another network's link": other, "a sale that nobody earns": nobodys, "a visitor who has a token": known, "a sale that is there": sent,
		"a duplicate of ours": order("1", func(c *tracker.Conversion) { c.Status = tracker.StatusDuplicated }),
	} {
		if _, err := d.Send(t.Context(), loopback, e); !errors.Is(err, forward.ErrSkip) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := d.Send(t.Context(), loopback, order("1", func(c *tracker.Conversion) { c.Currency = "EUR" }))
	var f *forward.Failure
	if !errors.As(err, &f) || !f.Permanent || !errors.Is(err, errCurrency) {
		t.Errorf("another currency: %v", err)
	}
}

// What was closed there cannot be changed any more; what merely is not there yet can.
func TestForwardClosed(t *testing.T) {
	s := newShop(t)
	d := toShop(t, s)
	e := order("1", func(c *tracker.Conversion) { c.Status = tracker.StatusApproved })
	rejected := changed(e, tracker.ChangeStatus, func(c *tracker.Conversion) { c.Status = tracker.StatusRejected })
	if _, err := d.Send(t.Context(), loopback, rejected); err == nil || isPermanent(err) || errors.Is(err, forward.ErrSkip) {
		t.Errorf("before it is there: %v", err)
	}
	rejected.Ref = send(t, d, e).Ref
	paid := true
	if _, err := s.books.UpdateConversion(t.Context(), network, s.booked(network)[0].ID, tracker.ConversionUpdate{Paid: &paid}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Send(t.Context(), loopback, rejected); !isPermanent(err) {
		t.Errorf("once it is closed: %v", err)
	}
}

func isPermanent(err error) bool {
	var f *forward.Failure
	return errors.As(err, &f) && f.Permanent
}

func TestForwardAnswers(t *testing.T) {
	const ok = `{"status":"ok","tag":"createConversion","data":{"id":"eroxr","status":0},"api_version":"1.0.0"}`
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   forward.Failure
		fails  bool
	}{
		{"taken", 200, ok, forward.Failure{}, false},
		{"taken, 201", 201, ok, forward.Failure{}, false},
		{"numbers as strings, an id as a number", 200, `{"status":"ok","data":{"id":7,"status":"0"}}`, forward.Failure{}, false},
		{"an error under 200", 200, `{"status":"error","errors":{"token":["x"]}}`, forward.Failure{}, true},
		{"HTML", 200, `<html>`, forward.Failure{}, true},
		{"nothing", 200, ``, forward.Failure{}, true},
		{"a list", 200, `[{"status":"ok"}]`, forward.Failure{}, true},
		{"wrong content", 422, `{"status":"error","errors":{"commissions.0.name":["x"],"amount":["y"]}}`, forward.Failure{Permanent: true}, true},
		{"a link that is not there yet", 422, `{"status":"error","errors":{"referrer":["x"],"amount":["y"]}}`, forward.Failure{}, true},
		{"nobody knows what", 422, `<html>`, forward.Failure{}, true},
		{"a bad key", 401, `{}`, forward.Failure{Throttled: true, RetryAfter: time.Minute}, true},
		{"too many", 429, ``, forward.Failure{Throttled: true}, true},
		{"moved", 302, ``, forward.Failure{}, true},
		{"gone", 410, ``, forward.Failure{Gone: true}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			}))
			defer server.Close()
			answer, err := destination(t, server.URL).Send(t.Context(), loopback, order("1"))
			if (err != nil) != test.fails || err == nil && answer.Ref == "" {
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
}

// The body of a new conversion is that of the platform's sample.
func TestForwardAsInTheSample(t *testing.T) {
	var got, header string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, header = r.Method+" "+r.URL.Path+" "+string(body), r.Header.Get("Authorization")
		io.WriteString(w, `{"status":"ok","data":{"id":"eroxr","status":0}}`)
	}))
	defer server.Close()
	e := order("12345")
	e.SessionRef = "eyJpdiI6"
	send(t, destination(t, server.URL), e)
	const want = `POST /api/merchants/conversions {"token":"eyJpdiI6","aff_id":"affili12439651d0m","referrer":"5f53a29fb867dd7df313d4e2",` +
		`"type":"buy","external_id":"12345","amount":10000,"commissions":[{"name":"buy","sub_amount":10000}]}`
	if got != want || header != "Bearer "+accessID {
		t.Errorf("sent %s\nwith %s", got, header)
	}
}

func TestForwardKeepsNoSecret(t *testing.T) {
	for _, status := range []int{200, 400, 422} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]any{"status": "ok", "data": map[string]string{"token": "visitors-token"},
				"errors": map[string]string{r.Header.Get("Authorization"): string(body)}})
		}))
		defer server.Close()
		d := destination(t, server.URL)
		e := order("1")
		e.SessionRef = "visitors-token"
		for _, e := range []tracker.Event{visit(), e} {
			answer, err := d.Send(t.Context(), loopback, e)
			text := string(answer.Body)
			if err != nil {
				text += err.Error()
			}
			if strings.Contains(text, accessID) || status == 200 && e.Kind == tracker.EventSession && strings.Contains(text, "visitors-token") ||
				e.Kind == tracker.EventConversion && strings.Contains(text, "visitors-token") {
				t.Errorf("%d, %s: kept is %s", status, e.Kind, text)
			}
		}
	}
}

func TestDestinationOptions(t *testing.T) {
	if d, err := NewDestination(DestinationOptions{AccessID: `"abc"`}); err != nil || d.Host() != "core.affili.ir" || d.AccessID != "abc" || d.Currency != "IRR" {
		t.Errorf("%+v, %v", d, err)
	}
	for name, o := range map[string]DestinationOptions{
		"no access id": {}, "a broken access id": {AccessID: "hunter2\r\nX: y"}, "endpoint": {Endpoint: "hunter2", AccessID: "x"},
		"currency": {AccessID: "x", Currency: "hunter2"},
	} {
		if _, err := NewDestination(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzForwardAnswer(f *testing.F) {
	f.Add(200, `{"status":"ok","data":[{"id":"a","status":3,"external_id":"1"}]}`)
	f.Add(200, `{"status":"ok","data":{"data":[{"id":7}]}}`)
	f.Add(422, `{"errors":{"amount.0":[]}}`)
	f.Add(200, `{"status":{},"data":null}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		s := &sending{Destination: destination(t, "http://127.0.0.1")}
		var data json.RawMessage
		var one told
		r := &forward.Response{Status: status, Body: []byte(body)}
		if err := s.read(r, &data); err == nil && (status < 200 || status > 299) {
			t.Errorf("status %d is taken for success", status)
		}
		s.read(r, &one)
	})
}
