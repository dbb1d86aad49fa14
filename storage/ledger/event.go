package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// UseRoutes says which destinations there are. Every later transaction writes their deliveries with what causes them.
func (l *Ledger) UseRoutes(routes []tracker.Route) { l.routes.Store(&routes) }

// route returns a destination as UseRoutes has it.
func (l *Ledger) route(network, destination string) (r tracker.Route, there bool) {
	routes := l.routes.Load()
	if routes == nil {
		return r, false
	}
	i := slices.IndexFunc(*routes, func(r tracker.Route) bool { return r.Network == network && r.Destination == destination })
	if i < 0 {
		return r, false
	}
	return (*routes)[i], true
}

// happened is something in a transaction of which destinations may have to be told.
type happened struct {
	kind     tracker.EventKind
	network  string
	subject  string
	lane     string // what it happened to, or belongs to
	session  string // of a conversion
	n        int64
	class    tracker.Class            // of a session
	status   tracker.ConversionStatus // of a conversion
	campaign string                   // of a conversion or a customer
}

// wanted reports whether the route's destination has to be told.
func (h *happened) wanted(r *tracker.Route) bool {
	if r.Network != h.network || !slices.Contains(r.Kinds, h.kind) {
		return false
	}
	switch h.kind {
	case tracker.EventSession:
		if len(r.Classes) == 0 {
			return h.class == tracker.ClassHuman
		}
		return slices.Contains(r.Classes, h.class)
	case tracker.EventConversion, tracker.EventConversionChanged:
		return (len(r.Statuses) == 0 || slices.Contains(r.Statuses, h.status)) && h.ofCampaign(r)
	case tracker.EventCustomer, tracker.EventCustomerChanged:
		return h.ofCampaign(r)
	}
	return true
}

func (h *happened) ofCampaign(r *tracker.Route) bool {
	return len(r.Campaigns) == 0 || slices.Contains(r.Campaigns, h.campaign)
}

// events collects the deliveries of one transaction.
type events struct {
	routes []tracker.Route
	rows   []tracker.Delivery
	lanes  []string
}

func (l *Ledger) events() *events {
	e := &events{}
	if routes := l.routes.Load(); routes != nil {
		e.routes = *routes
	}
	return e
}

// tell notes what happened for each destination that has to be told.
func (e *events) tell(h happened) {
	for i := range e.routes {
		r := &e.routes[i]
		if !h.wanted(r) {
			continue
		}
		lane := ""
		switch {
		case r.Ordered && r.BySession && h.session != "":
			lane = h.session
		case r.Ordered:
			lane = h.lane
		}
		e.lanes = append(e.lanes, lane)
		e.rows = append(e.rows, tracker.Delivery{
			Network: h.network, Destination: r.Destination, Kind: h.kind, Subject: h.subject, N: int(h.n),
		})
	}
}

// tellSessions notes sessions that have landed. Nobody is told of one whose visitor does not want it to be shared.
func (e *events) tellSessions(landed []Record) {
	if len(e.routes) == 0 {
		return
	}
	for _, r := range landed {
		if s := r.Session; !s.NoShare {
			id := s.ID.String()
			e.tell(happened{kind: tracker.EventSession, network: s.Network, subject: id, lane: id, class: s.Class})
		}
	}
}

// tellConversion notes the new entries of a conversion's history.
func (e *events) tellConversion(c *bookedConversion) {
	for _, entry := range c.History[c.kept:] {
		if entry.Kind == tracker.ChangeRefused {
			continue
		}
		kind := tracker.EventConversionChanged
		if entry.Kind == tracker.ChangeCreated {
			kind = tracker.EventConversion
		}
		e.tell(happened{
			kind: kind, network: c.Network, subject: c.ID, lane: c.ID, n: int64(entry.N), status: entry.Status, campaign: c.Campaign,
			session: c.SessionID,
		})
	}
}

// tellCustomer notes that a customer was made or changed. A change is numbered by its time, the first report is 0.
func (e *events) tellCustomer(kind tracker.EventKind, c *tracker.Customer) {
	n := int64(0)
	if kind == tracker.EventCustomerChanged {
		n = millis(c.UpdatedAt)
	}
	e.tell(happened{kind: kind, network: c.Network, subject: c.ID, lane: c.ID, n: n, campaign: c.Campaign})
}

// tellTransaction notes a transaction, which follows its customer.
func (e *events) tellTransaction(t *tracker.Transaction) {
	e.tell(happened{
		kind: tracker.EventTransaction, network: t.Network, subject: t.ID, lane: t.CustomerID, n: millis(t.CreatedAt),
	})
}

// tellNumbered notes a change of something that has a number and no history, by its time.
func (e *events) tellNumbered(kind tracker.EventKind, network string, id int64, at time.Time) {
	subject := strconv.FormatInt(id, 10)
	e.tell(happened{kind: kind, network: network, subject: subject, lane: string(kind) + " " + subject, n: millis(at)})
}

// add takes over what another has noted.
func (e *events) add(other *events) {
	e.rows, e.lanes = append(e.rows, other.rows...), append(e.lanes, other.lanes...)
}

// write writes the deliveries. The same event again is none, so a ledger that comes back older tells everybody again, under the
// same ids, and only of what it had forgotten.
func (e *events) write(ctx context.Context, l *Ledger, tx *sql.Tx, now time.Time) error {
	if len(e.rows) == 0 {
		return nil
	}
	at := millis(now)
	if _, err := l.db.Insert(ctx, tx, e.batch(at)); err != nil {
		return fmt.Errorf("writing %d deliveries: %w", len(e.rows), err)
	}
	return nil
}

// batch lays the deliveries out by column.
func (e *events) batch(now int64) Rows {
	size := len(e.rows)
	id, network, destination := make([]string, size), make([]string, size), make([]string, size)
	kind, subject, state := make([]string, size), make([]string, size), make([]string, size)
	n, times, none := make([]int64, size), make([]int64, size), make([]int64, size)
	for i, d := range e.rows {
		id[i] = deliveryID(&d, now)
		network[i], destination[i], kind[i], subject[i] = d.Network, d.Destination, string(d.Kind), d.Subject
		n[i], times[i], state[i] = int64(d.N), now, string(tracker.DeliveryDue)
	}
	return Rows{Table: "delivery", Key: "id", Len: size, Columns: []Column{
		{Name: "id", Text: id}, {Name: "network", Text: network}, {Name: "destination", Text: destination},
		{Name: "kind", Text: kind}, {Name: "subject", Text: subject}, {Name: "lane", Text: e.lanes}, {Name: "n", Int: n},
		{Name: "state", Text: state}, {Name: "due_at", Int: times}, {Name: "attempts", Int: none}, {Name: "step", Int: none},
		{Name: "created_at", Int: times}, {Name: "updated_at", Int: times},
	}}
}

// deliveryID is made of what the delivery is, so that the same one has the same id whenever it is written. It begins, as UUIDv7
// does, with a time: that of its subject where the subject's id has one.
func deliveryID(d *tracker.Delivery, now int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d", d.Network, d.Destination, string(d.Kind), d.Subject, d.N))
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	if timed(d.Subject) {
		return d.Subject[:13] + id.String()[13:]
	}
	if d.N > 0 {
		now = int64(d.N) // of what has no id with a time, the number is one
	}
	for i := range 6 {
		id[i] = byte(now >> (8 * (5 - i)))
	}
	return id.String()
}
