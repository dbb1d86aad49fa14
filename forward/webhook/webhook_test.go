package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/forward/destinationtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const first, second = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func sale() tracker.Event {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	return tracker.Event{
		ID: "0190b6f0-0000-7000-8000-000000000001", Kind: tracker.EventConversionChanged, Network: "default", Subject: "c-1", N: 2, Time: at,
		Session: &tracker.BookedSession{Session: tracker.Session{ID: tracker.NewSessionID(at), IP: "203.0.113.9"}},
		Conversion: &tracker.Conversion{
			ID: "c-1", ExternalID: "order 7/8", Status: tracker.StatusApproved, Amount: 9990, Currency: "EUR",
			History: []tracker.Change{{N: 1, Kind: tracker.ChangeCreated}, {N: 2, Status: tracker.StatusApproved}},
		},
	}
}

// sent sends the event and returns what arrives.
func sent(t *testing.T, o Options, e tracker.Event) (http.Header, []byte) {
	t.Helper()
	var header http.Header
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer server.Close()
	o.URL = server.URL
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Send(t.Context(), forward.NewClient([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), e); err != nil {
		t.Fatal(err)
	}
	return header, body
}

func TestConformance(t *testing.T) {
	destinationtest.Run(t, destinationtest.Suite{
		New: func(t *testing.T, endpoint string) forward.Destination {
			w, err := New(Options{URL: endpoint + "/hooks/T0KEN-of-16-letters?key=t0k/3n", Secrets: []string{first, second}})
			if err != nil {
				t.Fatal(err)
			}
			return w
		},
		Event:   sale(),
		Secrets: []string{"T0KEN-of-16-letters", "t0k/3n", strings.TrimPrefix(first, "whsec_"), strings.TrimPrefix(second, "whsec_")},
		ID:      func(r *http.Request, _ string) string { return r.Header.Get("webhook-id") },
	})
}

// During a rotation a receiver verifies with the old secret, with the new one, and with no other.
func TestBothSecretsSign(t *testing.T) {
	header, body := sent(t, Options{Secrets: []string{first, second}}, sale())
	for secret, want := range map[string]bool{first: true, second: true, "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)): false} {
		receiver, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := receiver.Verify(body, header); (err == nil) != want {
			t.Errorf("with %s it is verified: %v", secret, err)
		}
		if err := receiver.Verify(append(bytes.Clone(body), ' '), header); err == nil {
			t.Error("another body is verified")
		}
	}
}

func TestTheMessage(t *testing.T) {
	header, body := sent(t, Options{Secrets: []string{first}}, sale())
	var m struct {
		Type      string
		Timestamp time.Time
		Data      struct {
			Network, Subject string
			Session          *struct{}
			Conversion       struct {
				ExternalID string `json:"external_id"`
				Amount     int64
			}
			Change struct {
				N      int
				Status string
			}
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	switch {
	case m.Type != "conversion.updated" || !m.Timestamp.Equal(sale().Time) || m.Data.Network != "default" || m.Data.Subject != "c-1":
		t.Errorf("the message is %s", body)
	case m.Data.Conversion.ExternalID != "order 7/8" || m.Data.Conversion.Amount != 9990 || m.Data.Change.N != 2 || m.Data.Change.Status != "approved":
		t.Errorf("the conversion is %s", body)
	case m.Data.Session != nil || bytes.Contains(body, []byte("203.0.113.9")):
		t.Errorf("a conversion's message has its session: %s", body)
	case header.Get("webhook-id") != sale().ID || header.Get("Content-Type") != "application/json":
		t.Errorf("the header is %v", header)
	}
}

func TestRefusedOptions(t *testing.T) {
	const url = "https://x.example/hooks"
	of := func(bytes int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, bytes)) }
	for name, o := range map[string]Options{
		"no url":         {Secrets: []string{first}},
		"another scheme": {URL: "ftp://x.example/", Secrets: []string{first}},
		"a user":         {URL: "https://u:p4ssw0rd@x.example/", Secrets: []string{first}},
		"no secret":      {URL: url},
		"three secrets":  {URL: url, Secrets: []string{first, second, first}},
		"no prefix":      {URL: url, Secrets: []string{"p4ssw0rdp4ssw0rdp4ssw0rdp4ssw0rd"}},
		"no base64":      {URL: url, Secrets: []string{"whsec_p4ssw0rd!"}},
		"23 bytes":       {URL: url, Secrets: []string{of(23)}},
		"65 bytes":       {URL: url, Secrets: []string{of(65)}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s is taken", name)
		} else if strings.Contains(err.Error(), "p4ssw0rd") {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
	for _, size := range []int{24, 64} {
		if _, err := New(Options{URL: url, Secrets: []string{of(size)}}); err != nil {
			t.Errorf("a secret of %d bytes: %v", size, err)
		}
	}
}
