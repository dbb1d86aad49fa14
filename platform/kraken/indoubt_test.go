package kraken

import (
	"errors"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// hub is a node that forwards the network "here" to Kraken, with its deliverer taken apart, so that it can die between any two steps.
type hub struct {
	testing.TB
	books *ledger.Ledger
	to    *Destination
	now   time.Time
}

// newHub has one session to send.
func newHub(t *testing.T, to *Destination) *hub {
	t.Helper()
	books := sqlitetest.Open(t)
	h := &hub{TB: t, books: books, to: to, now: epoch}
	books.SetClock(func() time.Time { return h.now })
	books.UseRoutes([]tracker.Route{{Destination: "kraken", Network: "here", Kinds: to.Kinds(), Remembers: true}})
	ann, err := books.CreateAffiliate(t.Context(), "here", tracker.AffiliateFields{Name: "Ann"})
	if err == nil {
		_, err = books.CreateLink(t.Context(), "here", tracker.LinkFields{Code: "ann", AffiliateID: ann.ID, Enabled: true})
	}
	session := *click().Session
	session.Network = "here"
	if err == nil {
		err = books.AddSession(t.Context(), session)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// claim takes the one delivery that is due.
func (h *hub) claim() tracker.Delivery {
	h.Helper()
	claimed, err := h.books.ClaimDeliveries(h.Context(), "here", "kraken", time.Minute, 10)
	if err != nil || len(claimed) != 1 {
		h.Fatalf("claimed %+v, %v", claimed, err)
	}
	return claimed[0]
}

// send makes the attempt of a claim.
func (h *hub) send(d tracker.Delivery) (forward.Answer, error) {
	h.Helper()
	events, err := h.books.DeliveryEvents(h.Context(), []tracker.Delivery{d})
	if err != nil || len(events) != 1 {
		h.Fatalf("the events are %+v, %v", events, err)
	}
	return h.to.Send(h.Context(), loopback, events[d.ID])
}

// book books what came of it.
func (h *hub) book(d tracker.Delivery, answer forward.Answer, state tracker.DeliveryState) {
	h.Helper()
	err := h.books.FinishDeliveries(h.Context(), "here", "kraken", []tracker.DeliveryOutcome{
		{Delivery: d, State: state, DueAt: h.now, Ref: answer.Ref, Attempt: tracker.Attempt{Time: h.now, Status: answer.Status}},
	})
	if err != nil {
		h.Fatal(err)
	}
}

// retry is `caddy affiliate delivery retry`.
func (h *hub) retry(state tracker.DeliveryState) {
	h.Helper()
	if n, err := h.books.RetryDeliveries(h.Context(), "here", tracker.DeliveryFilter{State: state}); err != nil || n != 1 {
		h.Fatalf("%d deliveries are due again, %v", n, err)
	}
	h.now = h.now.Add(time.Second)
}

// A hub that is killed after Kraken has taken a session, and before that is booked, leaves a doubt: by one rule the session is there
// twice, under one sessionId, by the other once, and somebody has to say that it is to be sent.
func TestForwardAfterAKill(t *testing.T) {
	for _, rule := range []DoubtRule{DoubtRetry, DoubtHold} {
		t.Run(string(rule), func(t *testing.T) {
			s := newScript(t, says(200, made))
			h := newHub(t, destination(t, s.URL, func(o *DestinationOptions) { o.InDoubt = rule }))
			if _, err := h.send(h.claim()); err != nil { // and dies
				t.Fatal(err)
			}
			h.now = h.now.Add(time.Minute)
			d := h.claim()
			answer, err := h.send(d)
			if held := errors.Is(err, errHeld); held != (rule == DoubtHold) || err != nil && !held {
				t.Fatalf("after the kill it is answered %v", err)
			}
			if rule == DoubtHold {
				h.book(d, answer, tracker.DeliveryDead)
				if len(s.sessions) != 1 {
					t.Errorf("Kraken has %d sessions", len(s.sessions))
				}
				h.retry(tracker.DeliveryDead)
				d = h.claim()
				if answer, err = h.send(d); err != nil {
					t.Fatalf("by hand it is answered %v", err)
				}
			}
			h.book(d, answer, tracker.DeliverySent)
			if len(s.sessions) != 2 {
				t.Errorf("Kraken has %d sessions", len(s.sessions))
			}
			h.retry(tracker.DeliverySent)
			if _, err := h.send(h.claim()); !errors.Is(err, forward.ErrSkip) || len(s.sessions) != 2 {
				t.Errorf("what Kraken has is sent again: %v", err)
			}
		})
	}
}
