package forward

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// poster is a destination that posts an event's id.
type poster struct{ url *url.URL }

func (p poster) Kinds() []tracker.EventKind { return tracker.EventKinds }
func (p poster) Host() string               { return p.url.Host }

func (p poster) Send(ctx context.Context, c *Client, e tracker.Event) (Answer, error) {
	r, err := http.NewRequest(http.MethodPost, p.url.String(), nil)
	if err != nil {
		return Answer{}, Permanent(err)
	}
	r.Header.Set("Webhook-Id", e.ID)
	response, err := c.Do(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: response.Status, Body: response.Body}, Judge(response, time.Now())
}

// outletTo is an outlet to a server of the test.
func outletTo(t *testing.T, name string, serve http.HandlerFunc) Outlet {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return Outlet{To: poster{u}, Allow: loopback, Route: tracker.Route{
		Destination: name, Network: "default", Kinds: []tracker.EventKind{tracker.EventSession},
	}}
}

// An endpoint that answers a thousand events one byte at a time holds up its own deliveries and no other's.
func TestADeadEndpointHoldsUpNoOther(t *testing.T) {
	const events = 1000
	var hanging, healthy atomic.Int64
	dead := outletTo(t, "dead", func(w http.ResponseWriter, r *http.Request) {
		hanging.Add(1)
		defer hanging.Add(-1)
		for r.Context().Err() == nil {
			w.Write([]byte(" "))
			w.(http.Flusher).Flush()
			pause(r.Context(), time.Second)
		}
	})
	well := outletTo(t, "healthy", func(http.ResponseWriter, *http.Request) { healthy.Add(1) })
	books := openLedger(t)
	books.UseRoutes([]tracker.Route{dead.Route, well.Route})
	all := NewDeliverers(books)
	all.Use([]Outlet{dead, well}, slog.New(slog.DiscardHandler))
	defer all.Close(context.WithoutCancel(t.Context()))

	land(t, books, 1)
	for deadline := time.Now().Add(time.Minute); hanging.Load() == 0; pause(t.Context(), 10*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the dead endpoint gets nothing")
		}
	}
	land(t, books, events-1)
	for deadline := time.Now().Add(time.Minute); healthy.Load() < events; pause(t.Context(), 10*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d events reached the healthy endpoint", healthy.Load(), events)
		}
	}
	state, err := books.DestinationState(t.Context(), "default", "dead")
	if err != nil || state.Due != events {
		t.Errorf("the dead destination is %+v, %v", state, err)
	}
}

// land books n sessions.
func land(t *testing.T, books *ledger.Ledger, n int) {
	t.Helper()
	records := make([]ledger.Record, n)
	for i := range records {
		records[i] = ledger.Record{Seq: uint64(i + 1), Session: &ledger.Session{Session: click("demo")}}
	}
	if _, err := books.Apply(t.Context(), tracker.NewSessionID(time.Now()).String(), records); err != nil {
		t.Fatal(err)
	}
}
