package kraken

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var _ forward.Remembering = (*Destination)(nil)

// loopback is a client that may connect to the tests' own servers.
var loopback = forward.NewClient([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})

// destination is one to that endpoint; edits change its options.
func destination(t testing.TB, endpoint string, edits ...func(o *DestinationOptions)) *Destination {
	t.Helper()
	o := DestinationOptions{Endpoint: endpoint, OrganizationSecretKey: "sk_live_0123456789", Links: map[string]string{"ann": "12"}}
	for _, edit := range edits {
		edit(&o)
	}
	d, err := NewDestination(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// click is the event of a session.
func click() tracker.Event {
	session := tracker.BookedSession{Session: tracker.Session{
		ID: tracker.NewSessionID(epoch), Network: "default", Code: "ann", Time: epoch.Add(317 * time.Millisecond), Class: tracker.ClassHuman,
		IP: "1.1.1.1", UserAgent: "Mozilla/5.0", Route: "/join/buy-now", Query: "via=ann&gclid=a%2Bb&gclid=c&flag", Visitor: tracker.NewVisitorID(),
	}}
	link := tracker.CatalogLink{LinkFields: tracker.LinkFields{Code: "ann", Subdomain: "familymart"}, Affiliate: "Ann"}
	return tracker.Event{
		ID: tracker.NewSessionID(epoch).String(), Kind: tracker.EventSession, Network: "default", Subject: session.ID.String(), Time: epoch,
		Session: &session, Link: &link,
	}
}

// sale is the event of a sale after that click.
func sale(status tracker.ConversionStatus) tracker.Event {
	e := click()
	e.Kind, e.N = tracker.EventConversion, 1
	e.Conversion = &tracker.Conversion{
		ID: tracker.NewSessionID(epoch).String(), ExternalID: "order 7", Type: tracker.TypeSale, Status: status, Amount: 9990, Currency: "EUR",
		SessionID: e.Session.ID.String(), OccurredAt: epoch.Add(time.Hour), History: []tracker.Change{{N: 1, Status: status}},
	}
	return e
}

// A session that is forwarded to the dialect that we serve is there as it was, on the link of the same subdomain.
func TestForwardToOurOwn(t *testing.T) {
	s := newShop(t)
	server := httptest.NewServer(s.Server)
	defer server.Close()
	d := destination(t, server.URL, func(o *DestinationOptions) { o.Links, o.OrganizationSecretKey = nil, s.key })

	e := click()
	answer, err := d.Send(t.Context(), loopback, e)
	if err != nil {
		t.Fatal(err, string(answer.Body))
	}
	all := s.sessions()
	if len(all) != 1 || answer.Ref != all[0].ID.String() {
		t.Fatalf("called %q, there is %+v", answer.Ref, all)
	}
	got := all[0]
	if got.LinkID != 12 || got.IP != "1.1.1.1" || got.UserAgent != "Mozilla/5.0" || got.Route != "/join/buy-now" ||
		got.ClickIDs["gclid"] != "a+b" || got.Class != tracker.ClassHuman {
		t.Errorf("the session is %+v", got)
	}
	var params QueryParams
	if err := json.Unmarshal([]byte(got.QueryParams), &params); err != nil {
		t.Fatal(err)
	}
	want := QueryParams{
		AdditionalQueryParams: map[string]string{"via": "ann", "gclid": "a+b", "flag": ""}, Event: "VIEWED_AFFILIATE",
		EventCreated: "2026-11-21T12:00:00.317Z", Route: "/join/buy-now", SessionID: e.Session.ID.String(),
		EventInformation: EventInformation{Forwarder: "caddy-affiliate", Network: "default", Code: "ann", Affiliate: "Ann", Class: tracker.ClassHuman},
	}
	if !reflect.DeepEqual(params, want) {
		t.Errorf("queryParams are %+v", params)
	}

	e.Ref = answer.Ref
	if _, err := d.Send(t.Context(), loopback, e); !errors.Is(err, forward.ErrSkip) || len(s.sessions()) != 1 {
		t.Errorf("what Kraken has already is sent again: %v", err)
	}
	if answer, err := d.Send(t.Context(), loopback, tracker.Event{Kind: tracker.EventTest}); err != nil || answer.Status != 200 || len(s.sessions()) != 1 {
		t.Errorf("a test answers %+v, %v", answer, err)
	}
}

// What a client of Kraken's said here of a session goes on as it came.
func TestForwardKrakensOwnSession(t *testing.T) {
	s := newShop(t)
	server := httptest.NewServer(s.Server)
	defer server.Close()
	d := destination(t, server.URL, func(o *DestinationOptions) { o.OrganizationSecretKey = s.key })
	e := click()
	e.Session.QueryParams, e.Session.QuoteShareID, e.Session.IP = `{"event":"X","route":"/y"}`, "34", "a-pseudonym"
	if _, err := d.Send(t.Context(), loopback, e); err != nil {
		t.Fatal(err)
	}
	e.Session.QueryParams = `{"eventInformation":{"forwarder":"caddy-affiliate"}}`
	if _, err := d.Send(t.Context(), loopback, e); !errors.Is(err, forward.ErrSkip) {
		t.Errorf("what was forwarded here is forwarded again: %v", err)
	}
	if got := s.sessions()[0]; got.QueryParams != `{"event":"X","route":"/y"}` || got.QuoteShareID != "34" || got.IP != "" {
		t.Errorf("the session is %+v", got)
	}
}

func TestForwardConversions(t *testing.T) {
	s := newShop(t)
	server := httptest.NewServer(s.Server)
	defer server.Close()
	for _, test := range []struct {
		name  string
		rule  ConversionRule
		event func() tracker.Event
		sent  bool
	}{
		{"none", ConversionsNone, func() tracker.Event { return sale(tracker.StatusApproved) }, false},
		{"reported", ConversionsReported, func() tracker.Event { return sale(tracker.StatusPending) }, true},
		{"reported and rejected since", ConversionsReported, func() tracker.Event { return sale(tracker.StatusRejected) }, false},
		{"a duplicate", ConversionsReported, func() tracker.Event { return sale(tracker.StatusDuplicated) }, false},
		{"of nobody", ConversionsReported, func() tracker.Event { e := sale(tracker.StatusApproved); e.Link = nil; return e }, false},
		{"not approved yet", ConversionsApproved, func() tracker.Event { return sale(tracker.StatusPending) }, false},
		{"approved at once", ConversionsApproved, func() tracker.Event { return sale(tracker.StatusApproved) }, true},
		{"approved later", ConversionsApproved, func() tracker.Event {
			e := sale(tracker.StatusApproved)
			e.Kind, e.Session, e.N = tracker.EventConversionChanged, nil, 2
			e.Conversion.History = []tracker.Change{{N: 1, Status: tracker.StatusPending}, {N: 2, Status: tracker.StatusApproved}}
			return e
		}, true},
		{"approved before it was sent", ConversionsApproved, func() tracker.Event {
			e := sale(tracker.StatusApproved)
			e.Conversion.History = []tracker.Change{{N: 1, Status: tracker.StatusPending}, {N: 2, Status: tracker.StatusApproved}}
			return e
		}, false},
		{"refunded", ConversionsApproved, func() tracker.Event {
			e := sale(tracker.StatusApproved)
			e.Kind, e.N = tracker.EventConversionChanged, 2
			e.Conversion.History = append(e.Conversion.History, tracker.Change{N: 2, Status: tracker.StatusApproved})
			return e
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := len(s.sessions())
			d := destination(t, server.URL, func(o *DestinationOptions) {
				o.OrganizationSecretKey, o.Conversions, o.ConversionEvent = s.key, test.rule, "BOUGHT"
			})
			_, err := d.Send(t.Context(), loopback, test.event())
			if sent := err == nil; sent != test.sent || err != nil && !errors.Is(err, forward.ErrSkip) || len(s.sessions())-before != map[bool]int{true: 1}[sent] {
				t.Fatalf("sent: %t, %v", sent, err)
			}
			if !test.sent {
				return
			}
			all := s.sessions()
			var params QueryParams
			for _, one := range all {
				if strings.Contains(one.QueryParams, "BOUGHT") {
					json.Unmarshal([]byte(one.QueryParams), &params)
				}
			}
			if !params.SuccessfulConversion || params.EventInformation.ExternalID != "order 7" || params.EventInformation.Amount != "99.90" ||
				params.EventCreated != "2026-11-21T13:00:00.000Z" || params.SessionID == "" {
				t.Errorf("queryParams are %+v", params)
			}
		})
	}
}

// script is an endpoint that answers as it is told, one after the other, the last for ever. Tokens it gives as asked.
type script struct {
	*httptest.Server
	mu       sync.Mutex
	answers  []func(w http.ResponseWriter, r *http.Request)
	tokens   int      // given
	sessions []string // the headers Authorization of the others
}

func newScript(t testing.TB, answers ...func(w http.ResponseWriter, r *http.Request)) *script {
	t.Helper()
	s := &script{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		if strings.Contains(string(body), "obtainKrakenToken") {
			s.tokens++
			defer s.mu.Unlock()
			io.WriteString(w, `{"data":{"obtainKrakenToken":{"token":"token-`+strings.Repeat("x", s.tokens)+`"}}}`)
			return
		}
		s.sessions = append(s.sessions, r.Header.Get("Authorization"))
		answer := s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func says(status int, body string) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// withCode is an answer with an error of that class and code; more goes into its extensions.
func withCode(class, code, more string) func(w http.ResponseWriter, r *http.Request) {
	return says(200, `{"errors":[{"message":"no","path":["createAffiliateSession"],"extensions":{"errorClass":"`+class+`","errorCode":"`+code+`"`+more+`}}],"data":null}`)
}

const made = `{"data":{"createAffiliateSession":{"affiliateSession":{"id":"77"}}}}`

func TestForwardAnswers(t *testing.T) {
	breakOff := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"data":`)
	}
	later := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "120")
		withCode(ClassAuthorization, "KT-CT-1199", "")(w, r)
	}
	wrong := func(field string) func(http.ResponseWriter, *http.Request) {
		return withCode(ClassValidation, "KT-CT-7713", `,"validationErrors":[{"message":"no","inputPath":["input","`+field+`"]}]`)
	}
	for _, test := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   forward.Failure // of which Err does not count; none at all: success
		fails  bool
		doubt  bool
	}{
		{"made", says(200, made), forward.Failure{}, false, false},
		{"made, with an error beside it", says(200, made[:len(made)-1]+`,"errors":[{"message":"x"}]}`), forward.Failure{}, false, false},
		{"as Kraken's page shows", says(200, `{"data":{"link":{"subdomain":"familymart"}}}`), forward.Failure{}, false, false},
		{"nothing", says(200, `{"data":{"createAffiliateSession":{"affiliateSession":null}}}`), forward.Failure{}, true, true},
		{"too many", later, forward.Failure{Throttled: true, RetryAfter: 2 * time.Minute}, true, false},
		{"too many, of no time", withCode("AUTHORIZATION", "KT-CT-1199", ""), forward.Failure{Throttled: true, RetryAfter: throttledWait}, true, false},
		{"not for this key", withCode("AUTHORIZATION", "KT-CT-1111", ""), forward.Failure{Throttled: true, RetryAfter: time.Minute}, true, false},
		{"a bad address", wrong("ipAddress"), forward.Failure{Permanent: true}, true, false},
		{"a bad link", wrong("linkId"), forward.Failure{}, true, false},
		{"an error of the application", withCode("APPLICATION", "KT-CT-9999", ""), forward.Failure{}, true, true},
		{"no such field", says(400, `{"errors":[{"message":"Cannot query field","locations":[{"line":1,"column":2}]}]}`), forward.Failure{}, true, false},
		{"other members", says(200, `{"errors":[{"message":"x","path":[1],"extensions":{"errorCode":"KT-CT-1111","validationErrors":[{"inputPath":[0,{}]}]}}]}`),
			forward.Failure{Throttled: true, RetryAfter: time.Minute}, true, true},
		{"a firewall", says(403, `<html>Forbidden</html>`), forward.Failure{}, true, false},
		{"a key that may not", says(403, `{"message":"this key may not"}`), forward.Failure{Throttled: true, RetryAfter: time.Minute}, true, false},
		{"HTML", says(200, `<html>Please wait</html>`), forward.Failure{}, true, true},
		{"a list", says(200, `[1]`), forward.Failure{}, true, true},
		{"empty", says(200, ``), forward.Failure{}, true, true},
		{"a broken gateway", says(502, `<html>`), forward.Failure{Throttled: true}, true, true},
		{"gone", says(410, ``), forward.Failure{Gone: true}, true, false},
		{"moved", says(308, ``), forward.Failure{}, true, false},
		{"broken off", breakOff, forward.Failure{}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScript(t, test.answer)
			answer, err := destination(t, s.URL).Send(t.Context(), loopback, click())
			if (err != nil) != test.fails {
				t.Fatalf("%+v, %v", answer, err)
			}
			if !test.fails {
				if answer.Ref == "" {
					t.Error("nothing says later that it was taken")
				}
				return
			}
			var got forward.Failure
			if f := (*forward.Failure)(nil); errors.As(err, &f) {
				got = *f
			}
			if got.Err = nil; got != test.want {
				t.Errorf("judged %+v, want %+v: %v", got, test.want, err)
			}
			hold := destination(t, newScript(t, test.answer).URL, func(o *DestinationOptions) { o.InDoubt = DoubtHold })
			_, err = hold.Send(t.Context(), loopback, click())
			if got := errors.Is(err, errHeld); got != test.doubt {
				t.Errorf("in doubt: %t, %v", got, err)
			}
			if test.doubt && !isPermanent(err) {
				t.Error("held, and sent again all the same")
			}
		})
	}
}

func isPermanent(err error) bool {
	var f *forward.Failure
	return errors.As(err, &f) && f.Permanent
}

// Of an attempt whose hub did not live to tell, nobody knows.
func TestForwardInDoubt(t *testing.T) {
	s := newScript(t, says(200, made))
	e := click()
	e.InDoubt = true
	if _, err := destination(t, s.URL, func(o *DestinationOptions) { o.InDoubt = DoubtHold }).Send(t.Context(), loopback, e); !errors.Is(err, errHeld) || !isPermanent(err) {
		t.Errorf("held: %v", err)
	}
	if _, err := destination(t, s.URL).Send(t.Context(), loopback, e); err != nil {
		t.Errorf("sent again: %v", err)
	}
	nobody := destination(t, "http://127.0.0.1:1/", func(o *DestinationOptions) { o.InDoubt = DoubtHold })
	if _, err := nobody.Send(t.Context(), loopback, click()); err == nil || errors.Is(err, errHeld) {
		t.Errorf("what was never sent is in doubt: %v", err)
	}
}

// A token is obtained once for all, again when it has expired, and not again and again where none is good.
func TestForwardTokensAtOnce(t *testing.T) {
	expired := withCode("AUTHORIZATION", "KT-CT-1124", "")
	s := newScript(t, says(200, made), expired, says(200, made))
	now := epoch
	d := destination(t, s.URL, func(o *DestinationOptions) { o.Now = func() time.Time { return now } })
	send := func() error {
		_, err := d.Send(t.Context(), loopback, click())
		return err
	}
	if err := send(); err != nil || s.tokens != 1 {
		t.Fatalf("%d tokens, %v", s.tokens, err)
	}
	now = now.Add(40 * time.Second)
	if err := send(); err != nil || s.tokens != 2 {
		t.Fatalf("after one has expired %d tokens, %v", s.tokens, err)
	}
	if got := strings.Join(s.sessions, ", "); got != "JWT token-x, JWT token-x, JWT token-xx" {
		t.Errorf("sent with %s", got)
	}
	now = now.Add(time.Hour)
	if err := send(); err != nil || s.tokens != 3 {
		t.Errorf("after its hour %d tokens, %v", s.tokens, err)
	}

	s.mu.Lock()
	s.answers = []func(http.ResponseWriter, *http.Request){withCode("AUTHORIZATION", "KT-CT-1143", "")}
	s.mu.Unlock()
	now = now.Add(time.Minute)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := send(); err == nil {
				t.Error("no token is good, and it is sent")
			}
		})
	}
	all.Wait()
	if s.tokens != 4 {
		t.Errorf("20 attempts obtain %d tokens", s.tokens-3)
	}
}

func TestForwardBadKey(t *testing.T) {
	s := newShop(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	d := destination(t, server.URL)
	for range 3 {
		_, err := d.Send(t.Context(), loopback, click())
		var f *forward.Failure
		if !errors.As(err, &f) || !f.Throttled || f.Permanent || !strings.Contains(err.Error(), "KT-CT-1138") {
			t.Errorf("a bad key is judged %+v", err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// A link that Kraken does not have yet is looked for again, but not by each click.
func TestForwardUnknownLink(t *testing.T) {
	s := newShop(t)
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	now := epoch
	d := destination(t, server.URL, func(o *DestinationOptions) {
		o.OrganizationSecretKey, o.Links, o.Now = s.key, nil, func() time.Time { return now }
	})
	e := click()
	e.Link.Subdomain = "newcomer"
	for range 3 {
		if _, err := d.Send(t.Context(), loopback, e); !errors.Is(err, errNoLink) || isPermanent(err) {
			t.Fatal(err)
		}
	}
	if asked != 2 { // a token and a link
		t.Errorf("asked %d times", asked)
	}
	if _, err := s.books.CreateLink(t.Context(), "acme", tracker.LinkFields{Code: "newcomer", Subdomain: "newcomer", AffiliateID: 1, Enabled: true}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(noLinkTime)
	if _, err := d.Send(t.Context(), loopback, e); err != nil || len(s.sessions()) != 1 {
		t.Errorf("once it is there: %v", err)
	}
	e.Link.Subdomain = ""
	if _, err := d.Send(t.Context(), loopback, e); !errors.Is(err, forward.ErrSkip) {
		t.Errorf("a link that has neither id nor subdomain: %v", err)
	}
}

// An endpoint that sends back all that it got leaves no secret in the log of attempts, and none in an error.
func TestForwardKeepsNoSecret(t *testing.T) {
	const key = `sk_live_/"secret"\&`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "obtainKrakenToken") && r.URL.Path == "/good/" {
			io.WriteString(w, `{"data":{"obtainKrakenToken":{"token":"very.secret.token"}}}`)
			return
		}
		quoted, _ := json.Marshal(r.Header.Get("Authorization") + string(body))
		io.WriteString(w, `{"errors":[{"message":`+string(quoted)+`,"extensions":{"errorCode":`+string(quoted)+`}}]}`)
	}))
	defer server.Close()
	for _, path := range []string{"/good", "/bad"} {
		d := destination(t, server.URL+path, func(o *DestinationOptions) { o.OrganizationSecretKey = key })
		answer, err := d.Send(t.Context(), loopback, click())
		if err == nil {
			t.Fatal("taken")
		}
		for _, secret := range []string{"sk_live", "very.secret.token"} {
			if strings.Contains(string(answer.Body)+err.Error(), secret) {
				t.Errorf("%s: kept is %s and %v", path, answer.Body, err)
			}
		}
	}
}

func TestDestinationOptions(t *testing.T) {
	good := DestinationOptions{Endpoint: "https://api.example.com", APIKey: "hunter2"}
	if d, err := NewDestination(good); err != nil || d.Endpoint != "https://api.example.com/v1/graphql/" || d.Host() != "api.example.com" {
		t.Errorf("%+v, %v", d, err)
	}
	for name, edit := range map[string]func(o *DestinationOptions){
		"no endpoint": func(o *DestinationOptions) { o.Endpoint = "" },
		"no key":      func(o *DestinationOptions) { o.APIKey = "" },
		"two keys":    func(o *DestinationOptions) { o.OrganizationSecretKey = "hunter2" },
		"scheme":      func(o *DestinationOptions) { o.Scheme = "hunter2" },
		"conversions": func(o *DestinationOptions) { o.Conversions = "hunter2" },
		"in doubt":    func(o *DestinationOptions) { o.InDoubt = "hunter2" },
	} {
		o := good
		edit(&o)
		if _, err := NewDestination(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForwardCancelled(t *testing.T) {
	s := newScript(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := destination(t, s.URL).Send(ctx, loopback, click()); err == nil {
		t.Error("taken")
	}
}

func FuzzForwardAnswer(f *testing.F) {
	f.Add(200, made)
	f.Add(200, `{"errors":[{"extensions":{"errorCode":"KT-CT-1199"}}]}`)
	f.Add(400, `{"errors":[{"path":[1],"extensions":null}],"data":{"link":null}}`)
	f.Add(502, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		s := &sending{Destination: destination(t, "http://127.0.0.1/"), written: true}
		data, err := s.read(&forward.Response{Status: status, Body: []byte(body)})
		id := sessionID(data)
		s.doubtful(err)
		blames(err, "linkId")
		if id == "" && err == nil && len(data) == 0 {
			t.Error("neither data nor an error")
		}
		if err != nil && len(err.Error()) > 10_000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
