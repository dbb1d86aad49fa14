package destinationtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	benchEvents = 20_000
	benchBatch  = 2_000
)

// BenchmarkDeliver measures deliveries/s out of a ledger that open returns: sessions as JSON to a server in the same process, by
// a destination as it is configured by default. What a dead endpoint costs it is the difference to a paused one, whose deliveries
// stand between its own in the ledger, too.
func BenchmarkDeliver(b *testing.B, open func(testing.TB) *ledger.Ledger) {
	b.Run("alone", func(b *testing.B) { deliver(b, open) })
	b.Run("beside a paused one", func(b *testing.B) { deliver(b, open, nil) })
	b.Run("beside a dead endpoint", func(b *testing.B) { deliver(b, open, trickle) })
}

// deliver measures one destination that takes everything, beside others. One without a handler is paused.
func deliver(b *testing.B, open func(testing.TB) *ledger.Ledger, others ...http.HandlerFunc) {
	var seconds, delivered float64
	for b.Loop() {
		b.StopTimer()
		var taken atomic.Int64
		all := make(chan struct{})
		outlets := []forward.Outlet{post(b, "sink", func(http.ResponseWriter, *http.Request) {
			if taken.Add(1) == benchEvents {
				close(all)
			}
		})}
		l := open(b)
		for _, serve := range others {
			outlets = append(outlets, post(b, "other", serve))
			if err := l.PauseDestination(b.Context(), tracker.DefaultNetwork, "other", serve == nil); err != nil {
				b.Fatal(err)
			}
		}
		book(b, l, outlets)
		b.StartTimer()
		began := time.Now()
		deliverers := forward.NewDeliverers(l)
		deliverers.Use(outlets, slog.New(slog.DiscardHandler))
		select {
		case <-all:
		case <-time.After(2 * time.Minute):
			b.Fatalf("%d of %d events arrive", taken.Load(), benchEvents)
		}
		seconds += time.Since(began).Seconds()
		delivered += benchEvents
		deliverers.Close(context.WithoutCancel(b.Context()))
	}
	b.ReportMetric(delivered/seconds, "deliveries/s")
}

// book books what is to be delivered.
func book(b *testing.B, l *ledger.Ledger, outlets []forward.Outlet) {
	b.Helper()
	routes := make([]tracker.Route, len(outlets))
	for i, o := range outlets {
		routes[i] = o.Route
	}
	l.UseRoutes(routes)
	origin := tracker.NewSessionID(time.Now()).String()
	for seq := 0; seq < benchEvents; {
		records := make([]ledger.Record, benchBatch)
		for i := range records {
			seq++
			s := tracker.Session{
				ID: tracker.NewSessionID(time.Now()), Network: tracker.DefaultNetwork, Code: "demo", Time: time.Now(), Class: tracker.ClassHuman,
				Visitor: tracker.NewVisitorID(), IP: "203.0.113.7", Route: "/products/42", Query: "via=demo&sub1=newsletter&gclid=abc",
				UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
			}
			records[i] = ledger.Record{Seq: uint64(seq), Session: &ledger.Session{Session: s}}
		}
		if _, err := l.Apply(b.Context(), origin, records); err != nil {
			b.Fatal(err)
		}
	}
}

// poster is a destination that posts sessions as JSON.
type poster struct{ url *url.URL }

func post(b *testing.B, name string, serve http.HandlerFunc) forward.Outlet {
	b.Helper()
	server := httptest.NewServer(serve)
	b.Cleanup(server.Close)
	b.Cleanup(server.CloseClientConnections)
	u, err := url.Parse(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	return forward.Outlet{
		To: poster{u}, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Route: tracker.Route{Destination: name, Network: tracker.DefaultNetwork, Kinds: []tracker.EventKind{tracker.EventSession}},
	}
}

func (p poster) Kinds() []tracker.EventKind { return []tracker.EventKind{tracker.EventSession} }
func (p poster) Host() string               { return p.url.Host }

func (p poster) Send(ctx context.Context, c *forward.Client, e tracker.Event) (forward.Answer, error) {
	body, err := json.Marshal(tracker.ShowSession(*e.Session))
	if err != nil {
		return forward.Answer{}, forward.Permanent(err)
	}
	r, err := http.NewRequest(http.MethodPost, p.url.String(), bytes.NewReader(body))
	if err != nil {
		return forward.Answer{}, forward.Permanent(errors.New("the url makes no request"))
	}
	response, err := c.Do(ctx, r)
	if err != nil {
		return forward.Keep(response), err
	}
	return forward.Keep(response), forward.Judge(response, time.Now())
}
