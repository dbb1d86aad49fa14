package ledgertest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var statusTests = []test{
	{"statuses come and go until it is paid", testStatuses},
	{"amounts change until it is paid", testAmounts},
	{"refunds, also after the payout", testRefunds},
	{"refunds that come before the sale", testEarlyRefunds},
	{"reversals", testReversals},
}

func testStatuses(t *testing.T, db Database) {
	s := newShop(t, db)
	id := s.report(s.sale("order-1", 1000)).ID
	pending, approved, rejected := tracker.StatusPending, tracker.StatusApproved, tracker.StatusRejected
	yes := true
	for i, c := range []struct {
		u       tracker.ConversionUpdate
		err     error
		status  tracker.ConversionStatus
		wage    int64
		entries int
	}{
		{tracker.ConversionUpdate{Paid: &yes}, tracker.ErrTransition, pending, 100, 1},
		{tracker.ConversionUpdate{Status: &pending}, nil, pending, 100, 1},
		{tracker.ConversionUpdate{Status: &rejected, Note: "fraud", Actor: "key"}, nil, rejected, 0, 2},
		{tracker.ConversionUpdate{Paid: &yes}, tracker.ErrTransition, rejected, 0, 2},
		{tracker.ConversionUpdate{Status: &rejected}, nil, rejected, 0, 2},
		{tracker.ConversionUpdate{Status: &pending}, nil, pending, 100, 3},
		{tracker.ConversionUpdate{Status: &approved}, nil, approved, 100, 4},
		{tracker.ConversionUpdate{Status: &rejected, Paid: &yes}, tracker.ErrTransition, approved, 100, 4},
		{tracker.ConversionUpdate{Note: "nothing"}, nil, approved, 100, 4},
		{tracker.ConversionUpdate{Status: &approved, Paid: &yes}, nil, approved, 100, 5},
		{tracker.ConversionUpdate{Status: &rejected}, tracker.ErrClosed, approved, 100, 5},
		{tracker.ConversionUpdate{Paid: &yes}, tracker.ErrClosed, approved, 100, 5},
		{tracker.ConversionUpdate{Status: &approved}, tracker.ErrClosed, approved, 100, 5},
	} {
		s.pass(time.Second)
		got, err := s.UpdateConversion(t.Context(), s.network, id, c.u)
		if !errors.Is(err, c.err) {
			t.Fatalf("step %d: %v, want %v", i, err, c.err)
		}
		stored := s.stored(id)
		if err == nil && len(got.History) != len(stored.History) {
			t.Errorf("step %d: the answer's history is %+v", i, got.History)
		}
		s.wantMoney(stored, c.status, 1000, c.wage)
		if len(stored.History) != c.entries {
			t.Errorf("step %d: the history is %+v", i, stored.History)
		}
		s.wantBalanced()
	}
	if e := s.stored(id).History[1]; e.Kind != tracker.ChangeStatus || e.Note != "fraud" || e.Actor != "key" || e.Amount != 0 || e.Wage != -100 {
		t.Errorf("the rejection is %+v", e)
	}
	if c := s.stored(id); !c.IsClosed || !c.CheckedOut || c.PaidAt == nil {
		t.Errorf("paid it is %+v", c)
	}

	duplicate := s.sale("order-1", 2000)
	duplicate.Duplicates = tracker.DuplicateMark
	id = s.report(duplicate).ID
	for _, u := range []tracker.ConversionUpdate{{Status: &approved}, {Status: &rejected}, {Paid: &yes}, {Amount: new(int64)}} {
		if _, err := s.UpdateConversion(t.Context(), s.network, id, u); !errors.Is(err, tracker.ErrTransition) {
			t.Errorf("a duplicate takes %+v: %v", u, err)
		}
	}
	s.wantBalanced()
}

func testAmounts(t *testing.T, db Database) {
	s := newShop(t, db)
	id := s.report(s.sale("order-1", 1000)).ID
	update := func(amount int64, parts ...tracker.Part) (tracker.Conversion, error) {
		return s.UpdateConversion(t.Context(), s.network, id, tracker.ConversionUpdate{Amount: &amount, Commissions: parts})
	}
	s.wantMoney(must(update(1500))(s), tracker.StatusPending, 1500, 150)
	s.wantMoney(must(update(1500))(s), tracker.StatusPending, 1500, 150)
	if n := len(s.stored(id).History); n != 2 {
		t.Errorf("the history has %d entries", n)
	}
	s.wantMoney(must(update(90, tracker.Part{Name: "a", SubAmount: 45}, tracker.Part{Name: "b", SubAmount: 45}))(s), tracker.StatusPending, 90, 9)
	var invalid tracker.Invalid
	if _, err := update(80); !errors.As(err, &invalid) {
		t.Errorf("an amount without its parts: %v", err)
	}
	if _, err := update(80, tracker.Part{Name: "a", SubAmount: 79}); !errors.As(err, &invalid) {
		t.Errorf("parts that do not add up: %v", err)
	}

	// What the campaign pays now does not change what it paid then.
	if _, err := s.UpdateCampaign(t.Context(), s.network, s.sales.ID, func(f *tracker.CampaignFields) error {
		f.Commissions[0].Percent = 50_0000
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.set(id, tracker.StatusRejected)
	s.wantMoney(must(update(200, tracker.Part{Name: "a", SubAmount: 200}))(s), tracker.StatusRejected, 200, 0)
	s.wantMoney(s.set(id, tracker.StatusApproved), tracker.StatusApproved, 200, 20)
	s.pay(id)
	if _, err := update(300); !errors.Is(err, tracker.ErrClosed) {
		t.Errorf("a paid one: %v", err)
	}
	s.wantBalanced()
}

func testRefunds(t *testing.T, db Database) {
	s := newShop(t, db)
	other := s.also(db)
	id := s.report(s.sale("order-1", 1000)).ID
	s.pay(id)
	first := s.newRefund("refund-1", "order-1", 333)
	first.Note = "broken"
	answer, replayed, err := s.RefundConversion(t.Context(), first)
	if err != nil || replayed {
		t.Fatalf("replayed %t, %v", replayed, err)
	}
	refund := decode[tracker.Refund](s, answer)
	if refund.ConversionID != id || refund.Taken != 333 || refund.Amount != 333 || refund.Waiting != 0 || refund.ID == "" || refund.Note != "broken" {
		t.Errorf("the refund is %+v", refund)
	}
	s.wantMoney(s.stored(id), tracker.StatusApproved, 667, 67)
	for _, l := range []*shop{other, s} {
		s.pass(time.Second)
		again, replayed, err := l.RefundConversion(t.Context(), first)
		if err != nil || !replayed || !bytes.Equal(again, answer) {
			t.Errorf("again: replayed %t, %v, %s", replayed, err, again)
		}
	}
	altered := first
	altered.Amount = 334
	if _, _, err := other.RefundConversion(t.Context(), altered); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("altered: %v", err)
	}
	altered = first
	altered.ConversionExternalID = "order-2"
	if _, _, err := other.RefundConversion(t.Context(), altered); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("of another conversion: %v", err)
	}
	dollars := s.newRefund("refund-2", "order-1", 1)
	dollars.Currency = "USD"
	var invalid tracker.Invalid
	if _, _, err := s.RefundConversion(t.Context(), dollars); !errors.As(err, &invalid) {
		t.Errorf("in another currency: %v", err)
	}
	if r := s.refund("refund-3", "order-1", 5000); r.Taken != 667 || r.Waiting != 4333 || r.ConversionID != id {
		t.Errorf("more than is left: %+v", r)
	}
	if r := s.refund("refund-4", "order-1", 1); r.Taken != 0 || r.Waiting != 1 || r.ConversionID != "" {
		t.Errorf("nothing is left: %+v", r)
	}
	c := s.stored(id)
	s.wantMoney(c, tracker.StatusApproved, 0, 0)
	if !c.IsClosed || len(c.History) != 5 || c.History[3].ExternalID != "refund-1" || c.History[3].Note != "broken" {
		t.Errorf("it is now %+v", c)
	}

	// A fixed sum goes with the last of the amount.
	n := s.sale("order-5", 1000)
	n.Evidence.Token = s.token(s.click("bob"))
	id = s.report(n).ID
	s.refund("refund-5", "order-5", 999)
	s.wantMoney(s.stored(id), tracker.StatusPending, 1, 500)
	s.refund("refund-6", "order-5", 1)
	s.wantMoney(s.stored(id), tracker.StatusPending, 0, 0)
	s.set(id, tracker.StatusRejected)
	s.wantMoney(s.set(id, tracker.StatusApproved), tracker.StatusApproved, 0, 0)
	s.wantBalanced()
}

func testEarlyRefunds(t *testing.T, db Database) {
	s := newShop(t, db)
	early := s.newRefund("refund-1", "order-1", 300)
	answer, _, err := s.RefundConversion(t.Context(), early)
	if err != nil {
		t.Fatal(err)
	}
	if r := decode[tracker.Refund](s, answer); r.ConversionID != "" || r.Taken != 0 || r.Waiting != 300 {
		t.Errorf("it waits as %+v", r)
	}
	s.pass(time.Second)
	dollars := s.newRefund("refund-2", "order-1", 100)
	dollars.Currency = "USD"
	if _, _, err := s.RefundConversion(t.Context(), dollars); err != nil {
		t.Fatal(err)
	}
	s.pass(time.Second)
	s.refund("refund-3", "order-1", 900)
	s.wantBalanced()
	s.pass(time.Second)
	sale := s.sale("order-1", 1000)
	first, _, err := s.CreateConversion(t.Context(), sale)
	if err != nil {
		t.Fatal(err)
	}
	c := decode[tracker.Conversion](s, first)
	s.wantMoney(c, tracker.StatusPending, 0, 0)
	taken := []int64{1000, -300, -700}
	if len(c.History) != len(taken) {
		t.Fatalf("the history is %+v", c.History)
	}
	for i, e := range c.History {
		if e.Amount != taken[i] || i > 0 && e.Kind != tracker.ChangeRefund {
			t.Errorf("entry %d is %+v", i+1, e)
		}
	}
	s.again(sale, first)
	again, replayed, err := s.RefundConversion(t.Context(), early)
	if err != nil || !replayed || !bytes.Equal(again, answer) {
		t.Errorf("the refund again: replayed %t, %v, %s", replayed, err, again)
	}
	s.wantBalanced()
}

func testReversals(t *testing.T, db Database) {
	s := newShop(t, db)
	for _, c := range []struct {
		id     string
		code   string
		amount int64
		do     func(id string)
	}{
		{"pending", "ann", 1000, func(string) {}},
		{"paid", "ann", 1000, func(id string) { s.pay(id) }},
		{"refunded", "ann", 1000, func(string) { s.refund("refund-1", "refunded", 400) }},
		{"rejected", "ann", 1000, func(id string) { s.set(id, tracker.StatusRejected) }},
		{"a lead", "bob", 0, func(string) {}},
	} {
		n := s.sale(c.id, c.amount)
		n.Evidence.Token = s.token(s.click(c.code))
		id := s.report(n).ID
		c.do(id)
		before := s.stored(id)
		for range 2 {
			got, err := s.ReverseConversion(t.Context(), s.network, id, "chargeback", "key")
			if err != nil {
				t.Fatalf("%s: %v", c.id, err)
			}
			last := got.History[len(got.History)-1]
			if got.Amount != 0 || got.Wage != 0 || got.IsClosed != before.IsClosed || last.Kind != tracker.ChangeReversed ||
				last.Amount != -before.Amount || last.Wage != -before.Wage || last.Note != "chargeback" ||
				len(got.History) != len(before.History)+1 {
				t.Errorf("%s: reversed it is %+v", c.id, got)
			}
		}
		s.wantBalanced()
	}
}
