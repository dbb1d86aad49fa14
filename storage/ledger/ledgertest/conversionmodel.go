package ledgertest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var modelTests = []test{
	{"any sequence leaves the books as the model says", testModel},
}

// model is what the books should say, reckoned in the plainest way: conversions at 10 %, but for parts of the name "fx", which
// earn 5 EUR, once for the conversion.
type model struct {
	conversions map[string][]*modelConversion // by external id
	answers     map[string][]byte             // to reports and refunds, by what they say
	refunds     map[string]string             // what a refund's id stands for
	waiting     map[string][]int64            // what waits of refunds, by the conversions' external id
	setAgainst  map[string]int64              // what refunds were set against of reversals, likewise
}

type modelConversion struct {
	id               string
	status           tracker.ConversionStatus
	parts            []tracker.Part
	refunded         int64
	takenBack        int64 // by its reversal
	closed, reversed bool
	entries          int
	refused          int
}

func (c *modelConversion) amount() (sum int64) {
	for _, part := range c.parts {
		sum += part.SubAmount
	}
	return sum
}

func (c *modelConversion) wage() int64 {
	taken := c.amount() == 0 && (c.refunded > 0 || c.reversed)
	if taken || c.status == tracker.StatusRejected || c.status == tracker.StatusDuplicated {
		return 0
	}
	fixed, share := int64(0), int64(0)
	for _, part := range c.parts {
		if part.Name == "fx" {
			fixed = 500
		} else {
			share += part.SubAmount
		}
	}
	return (share+5)/10 + fixed
}

// take takes at most amount, and adds an entry if there was anything to take.
func (c *modelConversion) take(amount int64) int64 {
	amount = min(amount, c.amount())
	if amount > 0 {
		c.parts = tracker.ScaleParts(c.parts, c.amount()-amount)
		c.refunded += amount
		c.entries++
	}
	return amount
}

// takeWaiting takes what waits of refunds.
func (m *model) takeWaiting(externalID string, c *modelConversion) {
	var left []int64
	for _, amount := range m.waiting[externalID] {
		if amount -= c.take(amount); amount > 0 {
			left = append(left, amount)
		}
	}
	m.waiting[externalID] = left
}

// testModel does anything in any order to few conversions, on two ledgers in turn, and compares every answer.
func testModel(t *testing.T, db Database) {
	s := newShop(t, db)
	if _, err := s.UpdateCampaign(t.Context(), s.network, s.sales.ID, func(f *tracker.CampaignFields) error {
		f.Commissions = append(f.Commissions, tracker.Commission{Name: "fx", Fixed: &tracker.Money{Amount: 500, Currency: "EUR"}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	hubs := []*shop{s, s.also(db)}
	for seed := range uint64(6) {
		m := &modelRun{
			rand: rand.New(rand.NewPCG(seed, 1)), hubs: hubs, prefix: fmt.Sprintf("%d-", seed),
			model: model{map[string][]*modelConversion{}, map[string][]byte{}, map[string]string{}, map[string][]int64{}, map[string]int64{}},
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

// someParts are one, two or three parts that come to the amount.
func (m *modelRun) someParts(amount int64) []tracker.Part {
	switch m.rand.IntN(4) {
	case 0:
		return []tracker.Part{{Name: "fx", SubAmount: amount}}
	case 1:
		return []tracker.Part{{Name: "books", SubAmount: amount / 3}, {Name: "fx", SubAmount: amount - amount/3}}
	case 2:
		return []tracker.Part{{Name: "fx"}, {Name: "books", SubAmount: amount - amount/4}, {Name: "fx", SubAmount: amount / 4}}
	default:
		return []tracker.Part{{Name: tracker.DefaultCommission, SubAmount: amount}}
	}
}

// report reports a sale with one of a few amounts, mostly of identities that are known.
func (m *modelRun) report(s *shop, externalID string) {
	sub1 := []string{"", "mail", "news"}[m.rand.IntN(3)]
	n := s.saleFrom("ann", sub1, externalID, []int64{0, 5, 999, 1000, 77777}[m.rand.IntN(5)])
	n.Commissions = m.someParts(n.Amount)
	n.Duplicates = []tracker.DuplicatePolicy{
		"", tracker.DuplicateReject, tracker.DuplicateUpdate, tracker.DuplicateNew, tracker.DuplicateMark, tracker.DuplicateIgnore,
	}[m.rand.IntN(6)]
	key := fmt.Sprintf("%s %v", externalID, n.Commissions)
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
	case policy == tracker.DuplicateNew:
		c = &modelConversion{status: tracker.StatusPending, parts: n.Commissions, entries: 1}
		m.takeWaiting(externalID, c)
		m.conversions[externalID] = append(list, c)
	case policy == tracker.DuplicateMark:
		c = &modelConversion{status: tracker.StatusDuplicated, parts: n.Commissions, entries: 1}
		m.conversions[externalID] = append(list, c)
	case policy == tracker.DuplicateUpdate && !list[0].closed && !list[0].reversed:
		c = list[0]
		c.parts = tracker.ScaleParts(n.Commissions, max(0, n.Amount-c.refunded))
		c.entries++
		m.takeWaiting(externalID, c)
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
	if len(m.conversions[externalID]) == 0 {
		m.waiting[externalID] = append(m.waiting[externalID], n.Amount)
		n.Amount = 0
	}
	taken, first := m.takeReversed(externalID, n.Amount)
	for _, c := range m.inOrder(externalID) {
		part := c.take(n.Amount - taken)
		if part > 0 && first == "" {
			first = c.id
		}
		taken += part
	}
	if rest := n.Amount - taken; rest > 0 {
		m.waiting[externalID] = append(m.waiting[externalID], rest)
	}
	if got.Taken != taken || got.ConversionID != first || got.Taken+got.Waiting != got.Amount {
		s.Errorf("the refund is %+v, want %d taken, first of %q", got, taken, first)
	}
}

// takeReversed sets a refund against what was reversed, and returns how much of it and the first conversion that was.
func (m *modelRun) takeReversed(externalID string, amount int64) (taken int64, first string) {
	left := -m.setAgainst[externalID]
	for _, c := range m.conversions[externalID] {
		if c.reversed && c.status != tracker.StatusDuplicated {
			left += c.takenBack
			first = cmp.Or(first, c.id)
		}
	}
	if taken = min(left, amount); taken == 0 {
		return 0, ""
	}
	m.setAgainst[externalID] += taken
	return taken, first
}

// inOrder are the conversions that a refund takes from.
func (m *modelRun) inOrder(externalID string) (list []*modelConversion) {
	for _, rejected := range []bool{false, true} {
		for _, c := range m.conversions[externalID] {
			if c.status != tracker.StatusDuplicated && (c.status == tracker.StatusRejected) == rejected {
				list = append(list, c)
			}
		}
	}
	return list
}

// change updates or reverses a conversion.
func (m *modelRun) change(s *shop, c *modelConversion) {
	if m.rand.IntN(12) == 0 {
		got, err := s.ReverseConversion(s.Context(), s.network, c.id, "", "key")
		if err != nil {
			s.Fatal(err)
		}
		if !c.reversed {
			c.takenBack = c.amount()
			c.parts = tracker.ScaleParts(c.parts, 0)
			c.reversed = true
			c.entries++
		}
		m.compare(s, got, c)
		return
	}
	u := m.update()
	want := m.changeModel(c, u)
	got, err := s.UpdateConversion(s.Context(), s.network, c.id, u)
	if invalid, is := want.(tracker.Invalid); is {
		if !errors.As(err, &invalid) {
			s.Fatalf("an update: %v, want one that is invalid", err)
		}
		return
	}
	if !errors.Is(err, want) {
		s.Fatalf("an update: %v, want %v", err, want)
	}
	if err == nil {
		m.compare(s, got, c)
	}
}

func (m *modelRun) update() (u tracker.ConversionUpdate) {
	switch m.rand.IntN(6) {
	case 0:
		amount := []int64{0, m.rand.Int64N(3000)}[m.rand.IntN(2)]
		u.Amount = &amount
	case 1:
		u.Commissions = m.someParts([]int64{0, m.rand.Int64N(3000)}[m.rand.IntN(2)])
	case 2:
		paid := true
		u.Paid = &paid
	default:
		status := []tracker.ConversionStatus{tracker.StatusPending, tracker.StatusApproved, tracker.StatusRejected}[m.rand.IntN(3)]
		u.Status = &status
	}
	return u
}

// changeModel does to the model what the update says, and returns why the books should not.
func (m *modelRun) changeModel(c *modelConversion, u tracker.ConversionUpdate) error {
	switch {
	case c.closed:
		return tracker.ErrClosed
	case c.reversed:
		return tracker.ErrReversed
	case c.status == tracker.StatusDuplicated || u.Paid != nil && c.status != tracker.StatusApproved:
		return tracker.ErrTransition
	case u.Amount != nil && *u.Amount != c.amount():
		if len(c.parts) > 1 {
			return tracker.Invalid{}
		}
		c.parts = tracker.ScaleParts(c.parts, *u.Amount)
		c.entries++
	case len(u.Commissions) > 0 && !slices.Equal(u.Commissions, c.parts):
		c.parts = u.Commissions
		c.entries++
	case u.Status != nil && *u.Status != c.status:
		c.status = *u.Status
		c.entries++
	case u.Paid != nil:
		c.closed = true
		c.entries++
	}
	return nil
}

func (m *modelRun) compare(s *shop, got tracker.Conversion, want *modelConversion) {
	s.wantMoney(got, want.status, want.amount(), want.wage())
	s.wantSums(got)
	if got.ID != want.id || got.IsClosed != want.closed || got.CheckedOut != want.closed || got.IsReversed != want.reversed || len(got.History) != want.entries {
		s.Errorf("the conversion is %+v, want %+v", got, want)
	}
}
