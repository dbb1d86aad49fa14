package ledgertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// testInterleaving lets many create, change, refund, reverse and erase the same few conversions at once, by the API and by
// the edge, on two ledgers.
func testInterleaving(t *testing.T, db Database) {
	s := newShop(t, db)
	hubs := []*shop{s, s.also(db)}
	var tokens []*tracker.Token
	for _, code := range []string{"ann", "bob", "ann", "bob"} {
		tokens = append(tokens, s.token(s.click(code)))
	}
	var all sync.WaitGroup
	for worker := range 8 {
		w := &interleaver{
			shop: hubs[worker%2], rand: rand.New(rand.NewPCG(uint64(worker), 7)), tokens: tokens, origin: newOrigin(),
		}
		all.Go(func() {
			for step := range 40 {
				if err := w.step(step); err != nil && !expected(err) {
					t.Errorf("worker %d, step %d: %v", worker, step, err)
					return
				}
			}
		})
	}
	all.Wait()
	s.wantBalanced()
}

// expected reports whether err is one of those that racing others can end in.
func expected(err error) bool {
	return slices.ContainsFunc([]error{tracker.ErrConflict, tracker.ErrClosed, tracker.ErrReversed, tracker.ErrTransition}, func(fault error) bool {
		return errors.Is(err, fault)
	})
}

// interleaver is one of many who do anything to the same conversions.
type interleaver struct {
	*shop
	rand   *rand.Rand
	tokens []*tracker.Token
	origin string
	seq    uint64
}

func (w *interleaver) step(step int) error {
	switch w.rand.IntN(9) {
	case 0, 1, 2:
		_, _, err := w.CreateConversion(w.Context(), w.conversion())
		return err
	case 3, 4:
		return w.land()
	case 5:
		refund := w.newRefund(fmt.Sprintf("refund-%d-%s", step, w.origin), w.externalID(), w.rand.Int64N(900)+1)
		_, _, err := w.RefundConversion(w.Context(), refund)
		return err
	case 6:
		if w.rand.IntN(4) > 0 {
			return nil
		}
		_, err := w.Erase(w.Context(), w.network, tracker.Subject{Visitor: w.tokens[w.rand.IntN(len(w.tokens))].Visitor})
		return err
	default:
		return w.change()
	}
}

func (w *interleaver) externalID() string { return fmt.Sprintf("order-%d", w.rand.IntN(6)) }

func (w *interleaver) conversion() tracker.NewConversion {
	n := w.sale(w.externalID(), w.rand.Int64N(3)*500)
	n.Evidence = tracker.Evidence{Cookie: w.tokens[w.rand.IntN(len(w.tokens))]}
	n.Duplicates = []tracker.DuplicatePolicy{"", tracker.DuplicateUpdate, tracker.DuplicateNew, tracker.DuplicateMark}[w.rand.IntN(4)]
	return n
}

// land applies a few conversions that came by the edge.
func (w *interleaver) land() error {
	var records []ledger.Record
	for range 1 + w.rand.IntN(3) {
		n := w.conversion()
		w.seq++
		records = append(records, ledger.Record{Seq: w.seq, Conversion: &n})
	}
	_, err := w.Apply(w.Context(), w.origin, records)
	return err
}

// change does something to a conversion that is there.
func (w *interleaver) change() error {
	rows, _, err := w.Conversions(w.Context(), w.network, tracker.ConversionFilter{ExternalID: w.externalID()}, tracker.Page{})
	if err != nil || len(rows) == 0 {
		return err
	}
	id := rows[w.rand.IntN(len(rows))].ID
	if w.rand.IntN(6) == 0 {
		_, err = w.ReverseConversion(w.Context(), w.network, id, "", "key")
		return err
	}
	status := []tracker.ConversionStatus{tracker.StatusPending, tracker.StatusApproved, tracker.StatusRejected}[w.rand.IntN(3)]
	u := tracker.ConversionUpdate{Status: &status}
	if paid := true; status == tracker.StatusApproved && w.rand.IntN(4) == 0 {
		u.Paid = &paid
	}
	_, err = w.UpdateConversion(w.Context(), w.network, id, u)
	return err
}
