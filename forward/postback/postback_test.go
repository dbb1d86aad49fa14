package postback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var at = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func sale() tracker.Event {
	return tracker.Event{
		ID: "0190b6f0-0000-7000-8000-000000000001", Kind: tracker.EventConversion, Network: "default", N: 1, Time: at,
		Session: &tracker.BookedSession{Session: tracker.Session{ID: tracker.NewSessionID(at), IP: "203.0.113.9"},
			SubIDs: map[string]string{"sub1": "s&1", "sub2": "ü"}, ClickIDs: map[string]string{"gclid": "g-1"}},
		Conversion: &tracker.Conversion{ExternalID: "order 7/8", Type: tracker.TypeBuy, Status: tracker.StatusApproved, Amount: 9990,
			Wage: 999, Currency: "EUR", Affiliate: "Ann & Co", Sub1: "s&1"},
	}
}

// received sends the event and returns the request that arrives.
func received(t *testing.T, o Options, e tracker.Event) (*http.Request, string) {
	t.Helper()
	var got *http.Request
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
	}))
	defer server.Close()
	o.URL = server.URL + o.URL
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(t.Context(), forward.NewClient([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), e); err != nil {
		t.Fatal(err)
	}
	return got, body
}

func TestMacros(t *testing.T) {
	got, _ := received(t, Options{URL: "/pb/{txn_id}?s={sub1}&raw={_sub1}&u={sub2}&a={amount}&p={payout}{currency}&st={status:Approved=sale pending=hold}&g={gclid}&c={coupon}&who={affiliate}"}, sale())
	want := "/pb/order%207%2F8?s=s%261&raw=s&1&u=%C3%BC&a=99.90&p=9.99EUR&st=sale&g=g-1&c=&who=Ann+%26+Co"
	if got.RequestURI != want || got.Method != http.MethodGet {
		t.Errorf("%s %s\nwant %s", got.Method, got.RequestURI, want)
	}
}

func TestSignature(t *testing.T) {
	got, _ := received(t, Options{URL: "/?z=1&sig={sig}&a={txn_id}", Secret: "key"}, sale())
	parts := strings.Split(got.URL.RawQuery, "&")
	parts = slices.DeleteFunc(parts, func(p string) bool { return strings.HasPrefix(p, "sig=") })
	slices.Sort(parts)
	mac := hmac.New(sha256.New, []byte("key"))
	mac.Write([]byte(strings.Join(parts, "&")))
	if want := hex.EncodeToString(mac.Sum(nil)); got.URL.Query().Get("sig") != want {
		t.Errorf("the signature of %s is not %s", got.URL.RawQuery, want)
	}
}

func TestPost(t *testing.T) {
	got, body := received(t, Options{URL: "/pb?a={amount}&t={txn_id}", Method: http.MethodPost}, sale())
	form, err := url.ParseQuery(body)
	if got.Method != http.MethodPost || got.URL.RawQuery != "" || err != nil || form.Get("a") != "99.90" || form.Get("t") != "order 7/8" {
		t.Errorf("%s %s %q", got.Method, got.RequestURI, body)
	}
}

func TestRefusedOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no url":           {},
		"unknown macro":    {URL: "https://x.example/?a={nothing}"},
		"open brace":       {URL: "https://x.example/?a={amount"},
		"macro in host":    {URL: "https://{sub1}.example/?a=1"},
		"macro as scheme":  {URL: "{event}://x.example/"},
		"user":             {URL: "https://u:p@x.example/"},
		"other scheme":     {URL: "ftp://x.example/"},
		"sig, no secret":   {URL: "https://x.example/?s={sig}"},
		"method":           {URL: "https://x.example/", Method: "PUT"},
		"mapping, no pair": {URL: "https://x.example/?s={status:approved}"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("https://x.example/?a={amount}&b={_sub1}", "v", "https")
	f.Add("https://x.example/{status:approved=sale}", "\x00#{sig} ü", "")
	f.Add("{{}}", "}", "{")
	f.Fuzz(func(t *testing.T, text, sub1, id string) {
		p, err := New(Options{URL: text, Secret: "key"})
		if err != nil {
			return
		}
		e := sale()
		e.Session.SubIDs["sub1"], e.Conversion.ExternalID, e.Conversion.Sub1 = sub1, id, sub1
		values := valuesOf(e)
		filled := sign(p.template.fill(func(m macro) string {
			if m.name == sigMacro {
				return sigPlace
			}
			return m.value(values)
		}), p.secret)
		r, err := p.request(filled)
		if err != nil {
			return
		}
		if r.URL.Host != p.host {
			t.Errorf("%q with %q goes to %s", text, sub1, r.URL.Host)
		}
	})
}

// A macro that the event has no value for is counted, by its name, and left empty.
func TestUnresolvedMacrosAreCounted(t *testing.T) {
	count := func(macro string) float64 {
		var m dto.Metric
		if err := unresolved.WithLabelValues(macro).Write(&m); err != nil {
			t.Fatal(err)
		}
		return m.GetCounter().GetValue()
	}
	coupon, amount := count("coupon"), count("amount")
	got, _ := received(t, Options{URL: "/pb?c={coupon}&a={amount}"}, sale())
	if got.RequestURI != "/pb?c=&a=99.90" || count("coupon") != coupon+1 || count("amount") != amount {
		t.Errorf("%s: of the coupon %v are counted, of the amount %v", got.RequestURI, count("coupon")-coupon, count("amount")-amount)
	}
}
