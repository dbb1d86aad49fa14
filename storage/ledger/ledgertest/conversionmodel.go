package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var modelTests = []test{
	{"any sequence leaves the books as the model says", testModel},
}

// model is what the books should say, reckoned in the plainest way: conversions of one part each, at 10 %.
type model struct {
	conversions map[string][]*modelConversion // by external id
	answers     map[string][]byte             // to reports and refunds, by what they say
	refunds     map[string]string             // what a refund's id stands for
	waiting     map[string][]int64            // refunds, by the conversion's external id
}

type modelConversion struct {
	id               string
	status           tracker.ConversionStatus
	amount, refunded int64
	closed, reversed bool
	entries          int
	refused          int
}

func (c *modelConversion) wage() int64 {
	if c.status == tracker.StatusRejected || c.status == tracker.StatusDuplicated {
		return 0
	}
	return (c.amount + 5) / 10
}

func (c *modelConversion) take(amount int64) int64 {
	amount = min(amount, c.amount)
	c.amount -= amount
	c.refunded += amount
	c.entries++
	return amount
}

// testModel does anything in any order to few conversions, on two ledgers in turn, and compares every answer.
func testModel(t *testing.T, db Database) {
	s := newShop(t, db)
	hubs := []*shop{s, s.also(db)}
	for seed := range uint64(4) {
		m := &modelRun{
			rand: rand.New(rand.NewPCG(seed, 1)), hubs: hubs, prefix: fmt.Sprintf("%d-", seed),
			model: model{map[string][]*modelConversion{}, map[string][]byte{}, map[string]string{}, map[string][]int64{}},
		}
		for step := range 150 {
			m.step(s)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
		for _, list := range m.conversions {
			for _, c := range list {
				m.compare(s, s.stored(c.id), c)
			}
		}
	}
	s.wantBalanced()
}

type modelRun struct {
	model
	rand   *rand.Rand
	hubs   []*shop
	prefix string
}

func (m *modelRun) step(s *shop) {
	s.pass(time.Duration(m.rand.IntN(20)) * time.Hour)
	hub := m.hubs[m.rand.IntN(len(m.hubs))]
	externalID := fmt.Sprintf("%sorder-%d", m.prefix, m.rand.IntN(4))
	switch m.rand.IntN(10) {
	case 0, 1, 2:
		m.report(hub, externalID)
	case 3, 4:
		m.refund(hub, externalID)
	default:
		list := m.conversions[externalID]
		if len(list) == 0 {
			return
		}
		m.change(hub, list[m.rand.IntN(len(list))])
	}
}

// report reports a sale with one of a few amounts, mostly of identities that are known.
func (m *modelRun) report(s *shop, externalID string) {
	sub1 := []string{"", "mail", "news"}[m.rand.IntN(3)]
	n := s.saleFrom("ann", sub1, externalID, []int64{0, 5, 999, 1000, 77777}[m.rand.IntN(5)])
	n.Duplicates = []tracker.DuplicatePolicy{
		"", tracker.DuplicateReject, tracker.DuplicateUpdate, tracker.DuplicateNew, tracker.DuplicateMark, tracker.DuplicateIgnore,
	}[m.rand.IntN(6)]
	key := fmt.Sprintf("%s %d", externalID, n.Amount)
	answer, replayed, err := s.CreateConversion(s.Context(), n)
	list := m.conversions[externalID]
	if known := m.answers[key]; known != nil {
		if err != nil || !replayed || !bytes.Equal(answer, known) {
			s.Errorf("a repeat: replayed %t, %v,\n%s, want\n%s", replayed, err, answer, known)
		}
		return
	}
	policy := n.Duplicates
	if len(list) == 0 {
		policy = tracker.DuplicateNew
	}
	var c *modelConversion
	switch {
	case policy == tracker.DuplicateIgnore:
		if err != nil || !replayed || decode[tracker.Conversion](s, answer).ID != list[0].id {
			s.Errorf("ignored: replayed %t, %v, %s", replayed, err, answer)
		}
		return
	case policy == tracker.DuplicateNew || policy == tracker.DuplicateMark:
		c = &modelConversion{status: tracker.StatusPending, amount: n.Amount, entries: 1}
		if policy == tracker.DuplicateMark {
			c.status = tracker.StatusDuplicated
		}
		for _, amount := range m.waiting[externalID] {
			c.take(amount)
		}
		m.waiting[externalID] = nil
		m.conversions[externalID] = append(list, c)
	case policy == tracker.DuplicateUpdate && !list[0].closed && !list[0].reversed:
		c = list[0]
		c.amount = max(0, n.Amount-c.refunded)
		c.entries++
	default:
		if !errors.Is(err, tracker.ErrConflict) {
			s.Errorf("another content: %v", err)
		}
		if list[0].refused < 20 {
			list[0].refused++
			list[0].entries++
		}
		return
	}
	if err != nil || replayed {
		s.Fatalf("a report: replayed %t, %v", replayed, err)
	}
	m.answers[key] = answer
	got := decode[tracker.Conversion](s, answer)
	c.id = got.ID
	m.compare(s, got, c)
}

func (m *modelRun) refund(s *shop, externalID string) {
	n := s.newRefund(fmt.Sprintf("%srefund-%d", m.prefix, m.rand.IntN(60)), externalID, []int64{1, 4, 500, 100000}[m.rand.IntN(4)])
	says := fmt.Sprintf("%s %d", externalID, n.Amount)
	answer, replayed, err := s.RefundConversion(s.Context(), n)
	if known, repeated := m.refunds[n.ExternalID]; repeated {
		if known == says && (err != nil || !replayed || !bytes.Equal(answer, m.answers[n.ExternalID])) ||
			known != says && !errors.Is(err, tracker.ErrConflict) {
			s.Errorf("a refund again: replayed %t, %v, %s", replayed, err, answer)
		}
		return
	}
	if err != nil || replayed {
		s.Fatalf("a refund: replayed %t, %v", replayed, err)
	}
	m.refunds[n.ExternalID], m.answers[n.ExternalID] = says, answer
	got := decode[tracker.Refund](s, answer)
	target := m.target(externalID)
	if target == nil {
		m.waiting[externalID] = append(m.waiting[externalID], n.Amount)
		target = &modelConversion{}
	} else if taken := target.take(n.Amount); got.Taken != taken {
		s.Errorf("the refund took %d, want %d", got.Taken, taken)
	}
	if got.ConversionID != target.id {
		s.Errorf("the refund went to %q, want %q", got.ConversionID, target.id)
	}
}

// target is the conversion from which a refund takes: the first that is no duplicate and has something left.
func (m *modelRun) target(externalID string) *modelConversion {
	var best *modelConversion
	rank := func(c *modelConversion) (n int) {
		if c.status == tracker.StatusDuplicated {
			n += 2
		}
		if c.amount == 0 {
			n++
		}
		return n
	}
	for _, c := range m.conversions[externalID] {
		if best == nil || rank(c) < rank(best) {
			best = c
		}
	}
	return best
}

// change updates or reverses a conversion.
func (m *modelRun) change(s *shop, c *modelConversion) {
	if m.rand.IntN(12) == 0 {
		got, err := s.ReverseConversion(s.Context(), s.network, c.id, "", "key")
		if err != nil {
			s.Fatal(err)
		}
		if entries := len(got.History); entries == c.entries+1 {
			c.take(c.amount)
			c.reversed = true
		} else if c.amount != 0 || entries != c.entries {
			s.Errorf("a reversal left %d", c.amount)
		}
		m.compare(s, got, c)
		return
	}
	var u tracker.ConversionUpdate
	var want error
	switch m.rand.IntN(5) {
	case 0:
		amount := m.rand.Int64N(3000)
		u.Amount = &amount
	case 1:
		paid := true
		u.Paid = &paid
	default:
		status := []tracker.ConversionStatus{tracker.StatusPending, tracker.StatusApproved, tracker.StatusRejected}[m.rand.IntN(3)]
		u.Status = &status
	}
	switch {
	case c.closed:
		want = tracker.ErrClosed
	case c.status == tracker.StatusDuplicated || u.Paid != nil && c.status != tracker.StatusApproved:
		want = tracker.ErrTransition
	case u.Amount != nil && *u.Amount != c.amount:
		c.amount = *u.Amount
		c.entries++
	case u.Status != nil && *u.Status != c.status:
		c.status = *u.Status
		c.entries++
	case u.Paid != nil:
		c.closed = true
		c.entries++
	}
	got, err := s.UpdateConversion(s.Context(), s.network, c.id, u)
	if !errors.Is(err, want) {
		s.Fatalf("an update: %v, want %v", err, want)
	}
	if err == nil {
		m.compare(s, got, c)
	}
}

func (m *modelRun) compare(s *shop, got tracker.Conversion, want *modelConversion) {
	s.wantMoney(got, want.status, want.amount, want.wage())
	s.wantSums(got)
	if got.ID != want.id || got.IsClosed != want.closed || got.CheckedOut != want.closed || len(got.History) != want.entries {
		s.Errorf("the conversion is %+v, want %+v", got, want)
	}
}
