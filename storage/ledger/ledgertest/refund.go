package ledgertest

import (
	"errors"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var refundTests = []test{
	{"what refunds have taken wholly earns nothing again", testRefundedFixed},
	{"one refund takes from several conversions", testRefundOfSeveral},
	{"a refund passes over what is rejected", testRefundBesideRejected},
	{"a refund of what was reversed takes it no second time", testRefundOfReversed},
	{"conversions of one id in two currencies", testRefundCurrencies},
	{"what waits is listed until it is taken or withdrawn", testRefundsWait},
	{"what is reversed stays so", testReversedIsClosed},
	{"what was approved is not what an edge says again", testEdgeRepeatOfApproved},
}

// testRefundedFixed is about fixed sums, which no amount tells of.
func testRefundedFixed(t *testing.T, db Database) {
	s := newShop(t, db)
	lead := func(externalID string, amount int64) tracker.NewConversion {
		n := s.sale(externalID, amount)
		n.Evidence.Token = s.token(s.click("bob"))
		n.Duplicates = tracker.DuplicateUpdate
		return n
	}
	id := s.report(lead("order-1", 1000)).ID
	s.refund("refund-1", "order-1", 1000)
	s.wantMoney(s.report(lead("order-1", 0)), tracker.StatusPending, 0, 0)
	s.wantMoney(s.report(lead("order-1", 400)), tracker.StatusPending, 0, 0)
	for _, parts := range [][]tracker.Part{{{Name: "a"}, {Name: "b"}}, {{Name: "c"}}} {
		got := must(s.UpdateConversion(t.Context(), s.network, id, tracker.ConversionUpdate{Commissions: parts}))(s)
		s.wantMoney(got, tracker.StatusPending, 0, 0)
	}
	amount := int64(5) // a person says that there is an amount after all
	got := must(s.UpdateConversion(t.Context(), s.network, id, tracker.ConversionUpdate{Amount: &amount}))(s)
	s.wantMoney(got, tracker.StatusPending, 5, 500)

	// What never had an amount earns its fixed sum, whatever its part is called.
	id = s.report(lead("order-2", 0)).ID
	got = must(s.UpdateConversion(t.Context(), s.network, id, tracker.ConversionUpdate{Commissions: []tracker.Part{{Name: "a"}}}))(s)
	s.wantMoney(got, tracker.StatusPending, 0, 500)
	s.wantBalanced()
}

func testRefundOfSeveral(t *testing.T, db Database) {
	s := newShop(t, db)
	again := func(amount int64, policy tracker.DuplicatePolicy) tracker.Conversion {
		n := s.sale("order-1", amount)
		n.Duplicates = policy
		return s.report(n)
	}
	first, marked, second := again(1000, ""), again(5000, tracker.DuplicateMark), again(700, tracker.DuplicateNew)
	r := s.refund("refund-1", "order-1", 1500)
	if r.Taken != 1500 || r.Waiting != 0 || r.ConversionID != first.ID {
		t.Errorf("the refund is %+v", r)
	}
	s.wantMoney(s.stored(first.ID), tracker.StatusPending, 0, 0)
	s.wantMoney(s.stored(second.ID), tracker.StatusPending, 200, 20)
	s.wantMoney(s.stored(marked.ID), tracker.StatusDuplicated, 5000, 0)

	if r = s.refund("refund-2", "order-1", 500); r.Taken != 200 || r.Waiting != 300 || r.ConversionID != second.ID {
		t.Errorf("of more than is left: %+v", r)
	}
	again(6000, tracker.DuplicateMark)
	s.wantRefund(r.ID, 200, 300)
	s.wantMoney(again(100, tracker.DuplicateNew), tracker.StatusPending, 0, 0)
	s.wantRefund(r.ID, 300, 200)
	s.wantMoney(again(900, tracker.DuplicateNew), tracker.StatusPending, 700, 70)
	s.wantRefund(r.ID, 500, 0)

	// A larger amount that is reported later is taken from as well.
	n := s.sale("order-2", 100)
	n.Duplicates = tracker.DuplicateUpdate
	s.report(n)
	r = s.refund("refund-3", "order-2", 150)
	n.Amount, n.Commissions = 1000, nil
	s.wantMoney(s.report(n), tracker.StatusPending, 850, 85)
	s.wantRefund(r.ID, 150, 0)
	s.wantBalanced()
}

func testRefundBesideRejected(t *testing.T, db Database) {
	s := newShop(t, db)
	rejected := s.report(s.sale("order-1", 1000))
	s.set(rejected.ID, tracker.StatusRejected)
	n := s.sale("order-1", 700)
	n.Duplicates = tracker.DuplicateNew
	live := s.report(n)
	if r := s.refund("refund-1", "order-1", 500); r.Taken != 500 || r.ConversionID != live.ID {
		t.Errorf("the refund is %+v", r)
	}
	s.wantMoney(s.stored(live.ID), tracker.StatusPending, 200, 20)
	if r := s.refund("refund-2", "order-1", 500); r.Taken != 500 {
		t.Errorf("the refund of more than is left is %+v", r)
	}
	s.wantMoney(s.stored(live.ID), tracker.StatusPending, 0, 0)
	s.wantMoney(s.stored(rejected.ID), tracker.StatusRejected, 700, 0)
	s.wantBalanced()
}

func testRefundOfReversed(t *testing.T, db Database) {
	s := newShop(t, db)
	again := func(amount int64) tracker.Conversion {
		n := s.sale("order-1", amount)
		n.Duplicates = tracker.DuplicateNew
		return s.report(n)
	}
	reversed := again(1000)
	s.refund("refund-1", "order-1", 100)
	must(s.ReverseConversion(t.Context(), s.network, reversed.ID, "", "key"))(s)
	if r := s.refund("refund-2", "order-1", 600); r.Taken != 600 || r.Waiting != 0 || r.ConversionID != reversed.ID {
		t.Errorf("the refund is %+v", r)
	}
	corrected := again(2000)
	s.wantMoney(corrected, tracker.StatusPending, 2000, 200)
	if r := s.refund("refund-3", "order-1", 500); r.Taken != 500 || r.ConversionID != reversed.ID { // 300 were left of the reversal
		t.Errorf("the refund of more than was reversed is %+v", r)
	}
	s.wantMoney(s.stored(corrected.ID), tracker.StatusPending, 1800, 180)
	s.refund("refund-4", "order-1", 300)
	s.wantMoney(s.stored(corrected.ID), tracker.StatusPending, 1500, 150)
	s.wantMoney(s.stored(reversed.ID), tracker.StatusPending, 0, 0)
	s.wantBalanced()
}

func (s *shop) wantRefund(id string, taken, waiting int64) {
	s.Helper()
	r := must(s.Refund(s.Context(), s.network, id))(s)
	if r.Taken != taken || r.Waiting != waiting {
		s.Errorf("the refund is %+v, want %d taken and %d waiting", r, taken, waiting)
	}
}

func testRefundCurrencies(t *testing.T, db Database) {
	s := newShop(t, db)
	euros := s.report(s.sale("order-1", 1000))
	n := s.sale("order-1", 1000)
	n.Currency, n.Duplicates = "USD", tracker.DuplicateNew
	r := s.newRefund("refund-1", "order-1", 400)
	r.Currency = "USD"
	var invalid tracker.Invalid
	if _, _, err := s.RefundConversion(t.Context(), r); !errors.As(err, &invalid) || invalid[0].Field != "currency" {
		t.Errorf("before there is one in the currency: %v", err)
	}
	dollars := s.report(n)
	answer, _, err := s.RefundConversion(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := decode[tracker.Refund](s, answer); got.Taken != 400 || got.ConversionID != dollars.ID {
		t.Errorf("the refund is %+v", got)
	}
	s.wantMoney(s.stored(euros.ID), tracker.StatusPending, 1000, 100)
	s.wantMoney(s.stored(dollars.ID), tracker.StatusPending, 600, 60)
	s.wantBalanced()
}

func testRefundsWait(t *testing.T, db Database) {
	s := newShop(t, db)
	s.report(s.sale("order-1", 1000))
	var ids []string
	for _, id := range []string{"refund-1", "refund-2", "refund-3"} {
		s.pass(time.Second)
		ids = append(ids, s.refund(id, "order-2", 300).ID)
	}
	s.pass(time.Second)
	s.refund("refund-4", "order-1", 1000)
	yes, no := true, false
	s.wantRefunds(tracker.RefundFilter{}, "refund-4", "refund-3", "refund-2", "refund-1")
	s.wantRefunds(tracker.RefundFilter{Waiting: &yes}, "refund-3", "refund-2", "refund-1")
	s.wantRefunds(tracker.RefundFilter{Waiting: &no}, "refund-4")
	s.wantRefunds(tracker.RefundFilter{ConversionExternalID: "order-2", ConversionType: tracker.TypeBuy, Source: "api"},
		"refund-3", "refund-2", "refund-1")
	s.wantRefunds(tracker.RefundFilter{ExternalID: "refund-2"}, "refund-2")
	s.wantRefunds(tracker.RefundFilter{ExternalID: "refund-\x00"})
	if n := must(s.WaitingRefunds(t.Context()))(s); n != 3 {
		t.Errorf("%d refunds wait", n)
	}

	if err := s.WithdrawRefund(t.Context(), "acme", ids[0]); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("another network withdraws it: %v", err)
	}
	if err := s.WithdrawRefund(t.Context(), s.network, ids[0]); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{ids[0], "x", tracker.NewSessionID(s.clock()).String()} {
		if err := s.WithdrawRefund(t.Context(), s.network, id); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("withdrawn once more: %v", err)
		}
	}
	s.pass(time.Second)
	s.refund("refund-1", "order-2", 50) // the id is free again
	s.wantMoney(s.report(s.sale("order-2", 1000)), tracker.StatusPending, 350, 35)
	s.wantRefunds(tracker.RefundFilter{Waiting: &yes})
	if err := s.WithdrawRefund(t.Context(), s.network, ids[1]); !errors.Is(err, tracker.ErrTransition) {
		t.Errorf("withdrawn when it was taken: %v", err)
	}
	s.wantBalanced()
}

// wantRefunds compares the list of refunds, read in pages of two.
func (s *shop) wantRefunds(f tracker.RefundFilter, want ...string) {
	s.Helper()
	page := tracker.Page{Limit: 2}
	var got []string
	for {
		rows, next, err := s.Refunds(s.Context(), s.network, f, page)
		if err != nil {
			s.Fatal(err)
		}
		for _, r := range rows {
			got = append(got, r.ExternalID)
			if alone := must(s.Refund(s.Context(), s.network, r.ID))(s); alone != r {
				s.Errorf("in the list the refund is %+v, alone %+v", r, alone)
			}
		}
		if page.After = next; next == "" {
			break
		}
	}
	if len(got) != len(want) {
		s.Fatalf("the refunds are %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			s.Errorf("the refunds are %q, want %q", got, want)
		}
	}
}

func testReversedIsClosed(t *testing.T, db Database) {
	s := newShop(t, db)
	id := s.report(s.sale("order-1", 1000)).ID
	s.report(s.sale("order-2", 1000))
	paid := s.report(s.sale("order-3", 1000)).ID
	s.pay(paid)
	for _, id := range []string{id, paid} {
		if c := must(s.ReverseConversion(t.Context(), s.network, id, "", "key"))(s); !c.IsReversed {
			t.Errorf("reversed it is %+v", c)
		}
	}
	approved, amount, yes, no := tracker.StatusApproved, int64(1000), true, false
	for _, u := range []tracker.ConversionUpdate{
		{Status: &approved}, {Amount: &amount}, {Paid: &yes}, {Commissions: []tracker.Part{{Name: "a", SubAmount: 5}}},
		{Status: &approved, Amount: &amount, Paid: &yes},
	} {
		if _, err := s.UpdateConversion(t.Context(), s.network, id, u); !errors.Is(err, tracker.ErrReversed) {
			t.Errorf("it takes %+v: %v", u, err)
		}
	}
	if _, err := s.UpdateConversion(t.Context(), s.network, paid, tracker.ConversionUpdate{Amount: &amount}); !errors.Is(err, tracker.ErrClosed) {
		t.Errorf("a paid one: %v", err)
	}
	n := s.sale("order-1", 2000)
	n.Duplicates = tracker.DuplicateUpdate
	if _, _, err := s.CreateConversion(t.Context(), n); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("reported again with an amount: %v", err)
	}
	s.wantMoney(s.stored(id), tracker.StatusPending, 0, 0)
	if all := s.list(tracker.ConversionFilter{IsReversed: &yes}, 1); len(all) != 2 || !all[0].IsReversed {
		t.Errorf("those that are reversed are %+v", all)
	}
	if all := s.list(tracker.ConversionFilter{IsReversed: &yes, IsClosed: &no}, 0); len(all) != 1 || all[0].ID != id {
		t.Errorf("those that are reversed and not closed are %+v", all)
	}
	if all := s.list(tracker.ConversionFilter{IsReversed: &no}, 0); len(all) != 1 || all[0].ExternalID != "order-2" {
		t.Errorf("those that are not reversed are %+v", all)
	}
	s.wantBalanced()
}

func testEdgeRepeatOfApproved(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	if _, err := s.UpdateCampaign(t.Context(), s.network, s.sales.ID, func(f *tracker.CampaignFields) error {
		f.Duplicates = tracker.DuplicateUpdate
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	click, seq := s.click("ann"), uint64(0)
	say := func(externalID string, amount int64, status tracker.ConversionStatus) string {
		t.Helper()
		seq++
		r := s.edgeRecord(seq, externalID, click)
		r.Conversion.Amount, r.Conversion.Status = amount, status
		apply(t, s.Ledger, origin, []ledger.Record{r})
		return s.list(tracker.ConversionFilter{ExternalID: externalID, Source: tracker.SourceHeader}, 0)[0].ID
	}
	id := say("order-1", 1000, "")
	s.set(id, tracker.StatusApproved)
	say("order-1", 1000, "")
	s.wantMoney(s.stored(id), tracker.StatusApproved, 1000, 100)
	say("order-1", 99000, "")
	c := s.stored(id)
	s.wantMoney(c, tracker.StatusPending, 99000, 9900)
	if n := len(c.History); n != 4 || c.History[2].Kind != tracker.ChangeStatus || c.History[2].Actor != tracker.ActorEdge || c.History[2].Note == "" {
		t.Errorf("the history is %+v", c.History)
	}
	s.set(id, tracker.StatusRejected)
	say("order-1", 5000, "")
	s.wantMoney(s.stored(id), tracker.StatusRejected, 5000, 0)

	trusted := say("order-2", 1000, tracker.StatusApproved)
	say("order-2", 2000, tracker.StatusApproved)
	s.wantMoney(s.stored(trusted), tracker.StatusApproved, 2000, 200)

	n := s.sale("order-3", 1000)
	id = s.report(n).ID
	s.set(id, tracker.StatusApproved)
	n.Amount, n.Commissions = 3000, nil
	s.wantMoney(s.report(n), tracker.StatusApproved, 3000, 300) // with a key
	s.wantBalanced()
}
