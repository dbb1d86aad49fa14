package ledgertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// testEraseWhileBooking erases people while others report what they buy and who they are, change it and take it back, on two
// ledgers. Whatever comes first, nobody is left in the end, and the books balance.
func testEraseWhileBooking(t *testing.T, db Database) {
	s := newShop(t, db)
	hubs := []*shop{s, s.also(db)}
	people := make([]*planted, 6)
	for i := range people {
		p := &planted{name: fmt.Sprintf("p%d", i), visitor: tracker.NewVisitorID(), click: s.click("ann")}
		p.texts = []string{p.visitor.String(), p.name + "-text", p.name + "-customer"}
		people[i] = p
		(&eraseRace{shop: s, person: p, hubs: hubs}).run()
	}
	everything := s.everything()
	for _, p := range people {
		s.wantGone(everything, p)
		s.wantUntold("the answer to a repeat", s.repeat(s.saleOf(p)), p.texts...)
	}
	s.wantBalanced()
}

// saleOf is a sale of the person's.
func (s *shop) saleOf(p *planted) tracker.NewConversion {
	n := s.sale(p.name+" order", 1000)
	n.Name, n.MetaData = p.name+"-text", json.RawMessage(`{"phone":"`+p.name+`-text"}`)
	n.Evidence.Token = s.token(p.click)
	n.Evidence.Token.Visitor = p.visitor
	return n
}

// eraseRace is the erasure of one person, who has bought something, with those who book more of them meanwhile.
type eraseRace struct {
	*shop
	person *planted
	hubs   []*shop

	sale   tracker.NewConversion
	booked tracker.Conversion
	rounds atomic.Int64 // that writers have made
	erased atomic.Bool
}

// run ends when each writer has made a round after the erasure.
func (r *eraseRace) run() {
	r.sale = r.saleOf(r.person)
	r.booked = r.report(r.sale)
	writers := []func(hub *shop, round string) error{r.conversions, r.conversion, r.edge, r.customers, r.refunds}
	var all sync.WaitGroup
	for i, write := range writers {
		all.Go(func() {
			for round, last := 0, false; !last; round++ {
				last = r.erased.Load()
				err := write(r.hubs[i%2], fmt.Sprintf("%s %d", r.person.name, round))
				if err != nil && !errors.Is(err, tracker.ErrConflict) {
					r.Errorf("%s, writer %d: %v", r.person.name, i, err)
					return
				}
				r.rounds.Add(1)
			}
		})
	}
	all.Go(func() {
		defer r.erased.Store(true)
		for r.rounds.Load() < int64(2*len(writers)) && !r.Failed() { // all are at it
			if err := r.Context().Err(); err != nil {
				return
			}
		}
		if _, err := r.hubs[1].Erase(r.Context(), r.network, tracker.Subject{Visitor: r.person.visitor}); err != nil {
			r.Errorf("erasing %s: %v", r.person.name, err)
		}
	})
	all.Wait()
}

// conversions reports new ones, and the first again with other content.
func (r *eraseRace) conversions(hub *shop, round string) error {
	n := r.sale
	n.ExternalID, n.Evidence = round+" api", tracker.Evidence{Cookie: r.sale.Evidence.Token}
	if _, _, err := hub.CreateConversion(r.Context(), n); err != nil {
		return err
	}
	again := r.sale
	again.Name, again.Duplicates = r.person.name+"-text of "+round, tracker.DuplicateUpdate
	_, _, err := hub.CreateConversion(r.Context(), again)
	return err
}

// conversion changes the first one, whose row has the person's name.
func (r *eraseRace) conversion(hub *shop, _ string) error {
	for _, status := range []tracker.ConversionStatus{tracker.StatusApproved, tracker.StatusPending} {
		if _, err := hub.UpdateConversion(r.Context(), r.network, r.booked.ID, tracker.ConversionUpdate{Status: &status}); err != nil {
			return err
		}
	}
	return nil
}

func (r *eraseRace) edge(hub *shop, round string) error {
	record := hub.edgeRecord(1, round+" edge", r.person.click)
	record.Conversion.Name, record.Conversion.Evidence = r.person.name+"-text", tracker.Evidence{Cookie: r.sale.Evidence.Token}
	_, err := hub.Apply(r.Context(), newOrigin(), []ledger.Record{record})
	return err
}

// customers makes the person a customer of one more brand, changes them and moves their money.
func (r *eraseRace) customers(hub *shop, round string) error {
	p := r.person
	n := hub.newCustomer(p.name + "-customer")
	n.Brand, n.Username, n.Note, n.Label, n.Evidence = round, p.name+"-text", p.name+"-text", p.name+"-text", r.sale.Evidence
	answer, _, err := hub.CreateCustomer(r.Context(), n)
	if err != nil {
		return err
	}
	id := decode[tracker.Customer](r.shop, answer).ID
	_, err = hub.UpdateCustomer(r.Context(), r.network, id, func(f *tracker.CustomerFields) error {
		f.CPAExcluded = !f.CPAExcluded
		return nil
	})
	if err != nil {
		return err
	}
	money := hub.deposit(round+" money", 4000, epoch)
	money.CustomerExternalID, money.CustomerBrand, money.Note = n.ExternalID, n.Brand, p.name+"-text"
	_, _, err = hub.AddTransaction(r.Context(), money)
	return err
}

func (r *eraseRace) refunds(hub *shop, round string) error {
	_, _, err := hub.RefundConversion(r.Context(), hub.newRefund(round+" refund", r.sale.ExternalID, 1))
	return err
}
