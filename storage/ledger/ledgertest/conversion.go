package ledgertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var conversionTests = []test{
	{"a conversion comes back as it was reported", testConversion},
	{"parts and their wages", testParts},
	{"a repeat gets the same bytes", testRepeat},
	{"a repeat with other content", testPolicies},
	{"refused repeats are noted, and not for ever", testRefused},
	{"an update by a repeat", testUpdatePolicy},
	{"strangers change nothing", testStrangersUpdate},
	{"what is reversed stays reversed", testReversedStays},
	{"idempotency keys", testIdempotency},
	{"invalid ones leave no trace", testInvalid},
	{"another network's are not found", testConversionTenancy},
}

func testConversion(t *testing.T, db Database) {
	s := newShop(t, db)
	n := s.sale("order-1", 12345)
	n.Name, n.Coupon, n.MetaData = "Jo <jo@example.com>", "NOBODYS", json.RawMessage(`{"a": "é\u0000<&>", "b":[1.50, null]}`)
	n.OccurredAt = s.clock().Add(-30*time.Minute + 123*time.Microsecond)
	n.Status, n.Evidence.Consent = tracker.StatusApproved, "given"
	answer, replayed, err := s.CreateConversion(t.Context(), n)
	if err != nil || replayed {
		t.Fatalf("replayed %t, %v", replayed, err)
	}
	c := decode[tracker.Conversion](s, answer)
	at := s.clock().UTC()
	want := tracker.Conversion{
		ID: c.ID, Network: "default", Source: tracker.SourceAPI, ExternalID: "order-1", Type: tracker.TypeBuy,
		Status: tracker.StatusApproved, Amount: 12345, Currency: "EUR",
		Commissions: []tracker.Part{{Name: "default", SubAmount: 12345, Wage: 1235}}, Wage: 1235,
		AffiliateID: s.ann.AffiliateID, Affiliate: "Ann", CampaignID: s.sales.ID, Campaign: "sales", LinkID: s.ann.ID, Code: "ann",
		SessionID: n.Evidence.Token.Last.Session.String(), VisitorID: n.Evidence.Token.Visitor.String(),
		Coupon: "NOBODYS", Name: n.Name, MetaData: json.RawMessage(`{"a":"é\u0000\u003c\u0026\u003e","b":[1.50,null]}`),
		OccurredAt: n.OccurredAt.UTC().Truncate(time.Millisecond), CreatedAt: at, UpdatedAt: at,
		Decision: c.Decision, History: []tracker.Change{{
			N: 1, Time: at, Kind: tracker.ChangeCreated, Status: tracker.StatusApproved, Amount: 12345, Wage: 1235, Actor: "key",
		}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the answer is\n%+v, want\n%+v", c, want)
	}
	if w := c.Decision.Winner(); w == nil || w.Evidence != tracker.EvidenceToken || c.Decision.Consent != "given" ||
		len(c.Decision.Considered) != 2 || c.Decision.Considered[1].Outcome != tracker.UnknownCoupon {
		t.Errorf("the decision is %+v", c.Decision)
	}
	stored := s.stored(c.ID)
	stored.MetaData = want.MetaData // whatever bytes of it were escaped
	if !reflect.DeepEqual(stored, want) {
		t.Errorf("it is stored as\n%+v, want\n%+v", stored, want)
	}
	s.wantBalanced()
}

func testParts(t *testing.T, db Database) {
	s := newShop(t, db)
	if _, err := s.UpdateCampaign(t.Context(), s.network, s.sales.ID, func(f *tracker.CampaignFields) error {
		f.Commissions = append(f.Commissions, tracker.Commission{Name: "books", Percent: 3_3333})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	n := s.sale("order-1", 1000)
	n.Commissions = []tracker.Part{{Name: "books", SubAmount: 333}, {Name: "music", SubAmount: 666}, {Name: "books", SubAmount: 1}}
	c := s.report(n)
	s.wantMoney(c, tracker.StatusPending, 1000, 78) // 66.6 + 11.133222
	s.wantSums(c)
	half := s.refund("refund-1", "order-1", 500)
	if half.Taken != 500 {
		t.Errorf("taken %d", half.Taken)
	}
	s.wantMoney(s.stored(c.ID), tracker.StatusPending, 500, 39)
	s.wantBalanced()

	n = s.sale("order-2", 1000)
	n.Evidence = tracker.Evidence{}
	c = s.report(n)
	s.wantMoney(c, tracker.StatusPending, 1000, 0)
	if c.AffiliateID != 0 || c.Decision.Reason == "" {
		t.Errorf("without evidence it is %+v", c)
	}
	n = s.sale("order-3", 0)
	n.Evidence.Token = s.token(s.click("bob"))
	s.wantMoney(s.report(n), tracker.StatusPending, 0, 500)
	s.wantBalanced()
}

// again reports n and compares the answer.
func (s *shop) again(n tracker.NewConversion, want []byte) {
	s.Helper()
	answer, replayed, err := s.CreateConversion(s.Context(), n)
	if err != nil || !replayed || !bytes.Equal(answer, want) {
		s.Errorf("again: replayed %t, %v, and\n%s, want\n%s", replayed, err, answer, want)
	}
}

func testRepeat(t *testing.T, db Database) {
	s := newShop(t, db)
	other := s.also(db)
	n := s.sale("order-1", 1000)
	n.MetaData = json.RawMessage(`{"b":1,"a":"x"}`)
	first, _, err := s.CreateConversion(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	id := decode[tracker.Conversion](s, first).ID
	other.again(n, first)
	n.Evidence, n.Actor, n.OccurredAt = tracker.Evidence{}, "another", epoch.Add(-time.Hour)
	n.Status, n.MetaData = tracker.StatusApproved, json.RawMessage("{ \"a\": \"\\u0078\",\n\"b\":1 }")
	s.again(n, first)
	s.set(id, tracker.StatusRejected)
	other.again(n, first)
	s.pay(s.set(id, tracker.StatusApproved).ID)
	s.refund("refund-1", "order-1", 10)
	s.pass(90 * 24 * time.Hour)
	s.again(n, first)
	other.again(n, first)
	n.ID = tracker.NewSessionID(s.clock()).String()
	other.again(n, first)
	if all := s.list(tracker.ConversionFilter{}, 0); len(all) != 1 {
		t.Errorf("%d conversions", len(all))
	}

	// Type and source are of the identity, and so is the network.
	n = s.sale("order-1", 1000)
	n.Type = tracker.TypeLead
	s.report(n)
	n.Source = tracker.SourcePostback
	s.report(n)
	acme := s.in(t, "acme")
	acme.report(acme.sale("order-1", 1000))
	acme.wantBalanced()
	s.wantBalanced()
}

func testRepeatsAtOnce(t *testing.T, db Database) {
	s := newShop(t, db)
	hubs := []*shop{s, s.also(db)}
	const conversions, repeats = 20, 6
	answers := make([][repeats][]byte, conversions)
	var all sync.WaitGroup
	for i := range conversions {
		n := s.sale(fmt.Sprintf("order-%d", i), int64(i))
		for j := range repeats {
			hub := hubs[j%2]
			all.Go(func() {
				answer, _, err := hub.CreateConversion(t.Context(), n)
				if err != nil {
					t.Error(err)
				}
				answers[i][j] = answer
			})
		}
	}
	all.Wait()
	for i := range answers {
		for _, answer := range answers[i] {
			if !bytes.Equal(answer, answers[i][0]) {
				t.Fatalf("two answers:\n%s\n%s", answers[i][0], answer)
			}
		}
	}
	if got := s.list(tracker.ConversionFilter{}, 0); len(got) != conversions {
		t.Errorf("%d conversions, want %d", len(got), conversions)
	}
	s.wantBalanced()
}

func testPolicies(t *testing.T, db Database) {
	s := newShop(t, db)
	for i, c := range []struct {
		campaign, own tracker.DuplicatePolicy
		err           error
		replayed      bool
		statuses      string // of all conversions, the newest first
		amount, wage  int64  // of the answer
	}{
		{tracker.DuplicateReject, "", tracker.ErrConflict, false, "pending", 0, 0},
		{tracker.DuplicateNew, tracker.DuplicateReject, tracker.ErrConflict, false, "pending", 0, 0},
		{tracker.DuplicateIgnore, "", nil, true, "pending", 1000, 100},
		{tracker.DuplicateReject, tracker.DuplicateIgnore, nil, true, "pending", 1000, 100},
		{tracker.DuplicateNew, "", nil, false, "pending pending", 2000, 200},
		{tracker.DuplicateMark, "", nil, false, "duplicated pending", 2000, 0},
		{tracker.DuplicateUpdate, "", nil, false, "pending", 2000, 200},
	} {
		t.Run(fmt.Sprintf("%s %s", c.campaign, c.own), func(t *testing.T) {
			s := s.in(t, fmt.Sprintf("policy-%d", i))
			if _, err := s.UpdateCampaign(t.Context(), s.network, s.sales.ID, func(f *tracker.CampaignFields) error {
				f.Duplicates = c.campaign
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			s.report(s.sale("order-1", 1000))
			s.pass(time.Minute)
			n := s.sale("order-1", 2000)
			n.Duplicates = c.own
			answer, replayed, err := s.CreateConversion(t.Context(), n)
			if !errors.Is(err, c.err) || replayed != c.replayed {
				t.Fatalf("replayed %t, %v", replayed, err)
			}
			statuses := ""
			for _, listed := range s.list(tracker.ConversionFilter{}, 0) {
				statuses += " " + string(listed.Status)
			}
			if statuses != " "+c.statuses {
				t.Errorf("the conversions are %s, want %s", statuses, c.statuses)
			}
			s.wantBalanced()
			if c.err != nil {
				return
			}
			got := decode[tracker.Conversion](s, answer)
			if got.Amount != c.amount || got.Wage != c.wage {
				t.Errorf("the answer is %d, %d, want %d, %d", got.Amount, got.Wage, c.amount, c.wage)
			}
			s.again(n, answer)
			s.wantBalanced()
		})
	}
}

func testRefused(t *testing.T, db Database) {
	s := newShop(t, db)
	c := s.report(s.sale("order-1", 1000))
	for i := range int64(25) {
		if _, _, err := s.CreateConversion(t.Context(), s.sale("order-1", 1001+i)); !errors.Is(err, tracker.ErrConflict) {
			t.Fatal(err)
		}
	}
	now := s.stored(c.ID)
	if len(now.History) != 21 || now.History[20].Kind != tracker.ChangeRefused || now.History[20].Actor != "key" {
		t.Errorf("the history has %d entries, at last %+v", len(now.History), now.History[len(now.History)-1])
	}
	s.set(c.ID, tracker.StatusApproved)
	s.wantBalanced()
}

func testUpdatePolicy(t *testing.T, db Database) {
	s := newShop(t, db)
	original := s.sale("order-1", 1000)
	first, _, err := s.CreateConversion(t.Context(), original)
	if err != nil {
		t.Fatal(err)
	}
	id := decode[tracker.Conversion](s, first).ID
	s.refund("refund-1", "order-1", 300)
	update := s.sale("order-1", 1500)
	update.Duplicates, update.Name = tracker.DuplicateUpdate, "changed"
	second, replayed, err := s.CreateConversion(t.Context(), update)
	if err != nil || replayed {
		t.Fatalf("replayed %t, %v", replayed, err)
	}
	c := decode[tracker.Conversion](s, second)
	s.wantMoney(c, tracker.StatusPending, 1200, 120)
	if c.ID != id || c.Name != "changed" {
		t.Errorf("updated it is %+v", c)
	}
	amount := int64(77)
	must(s.UpdateConversion(t.Context(), s.network, id, tracker.ConversionUpdate{Amount: &amount}))(s)
	s.again(update, second) // late, and takes nothing back
	s.again(original, first)
	s.wantMoney(s.stored(id), tracker.StatusPending, 77, 8)
	update.Amount = 200
	third, _, err := s.CreateConversion(t.Context(), update)
	if err != nil {
		t.Fatal(err)
	}
	s.wantMoney(decode[tracker.Conversion](s, third), tracker.StatusPending, 0, 0) // 300 were refunded
	s.again(update, third)

	update.Amount, update.Currency = 300, "USD"
	if _, _, err := s.CreateConversion(t.Context(), update); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("an update to another currency: %v", err)
	}
	s.pay(id)
	update.Currency = "EUR"
	if _, _, err := s.CreateConversion(t.Context(), update); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("an update of a closed one: %v", err)
	}
	s.wantBalanced()
}

func testIdempotency(t *testing.T, db Database) {
	s := newShop(t, db)
	other := s.also(db)
	n := s.sale("order-1", 1000)
	n.IdempotencyKey = "abc"
	first, _, err := s.CreateConversion(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	other.again(n, first)
	for name, change := range map[string]func(*tracker.NewConversion){
		"amount": func(n *tracker.NewConversion) { n.Amount = 1001 },
		"id":     func(n *tracker.NewConversion) { n.ExternalID = "order-2" },
		"type":   func(n *tracker.NewConversion) { n.Type = tracker.TypeLead },
	} {
		changed := n
		change(&changed)
		if _, _, err := other.CreateConversion(t.Context(), changed); !errors.Is(err, tracker.ErrIdempotency) {
			t.Errorf("the key with another %s: %v", name, err)
		}
	}
	second := s.sale("order-2", 1000)
	second.IdempotencyKey, second.Actor = "abc", "another key"
	s.report(second)
	acme := s.in(t, "acme")
	third := acme.sale("order-3", 1000)
	third.IdempotencyKey = "abc"
	acme.report(third)

	s.pass(30*24*time.Hour + time.Second)
	n.ExternalID = "order-4"
	answer, _, err := s.CreateConversion(t.Context(), n) // the key is free again
	if err != nil {
		t.Fatal(err)
	}
	s.again(n, answer)
	forgotten, err := s.ForgetIdempotency(t.Context(), s.clock().Add(-30*24*time.Hour))
	if err != nil || forgotten != 2 {
		t.Errorf("%d keys were forgotten, %v", forgotten, err)
	}
	s.again(n, answer)
	s.wantBalanced()
}

func testInvalid(t *testing.T, db Database) {
	s := newShop(t, db)
	for name, spoil := range map[string]func(*tracker.NewConversion){
		"no external id": func(n *tracker.NewConversion) { n.ExternalID = "" },
		"negative":       func(n *tracker.NewConversion) { n.Amount = -1 },
		"too much":       func(n *tracker.NewConversion) { n.Amount = tracker.MaxAmount + 1 },
		"currency":       func(n *tracker.NewConversion) { n.Currency = "EURO" },
		"a NUL":          func(n *tracker.NewConversion) { n.Name = "a\x00b" },
		"no UTF-8":       func(n *tracker.NewConversion) { n.ExternalID = "\xff" },
		"bad meta data":  func(n *tracker.NewConversion) { n.MetaData = json.RawMessage(`{"a":`) },
		"parts":          func(n *tracker.NewConversion) { n.Commissions = []tracker.Part{{Name: "a", SubAmount: 1}} },
		"status":         func(n *tracker.NewConversion) { n.Status = tracker.StatusDuplicated },
	} {
		n := s.sale("order-1", 1000)
		n.IdempotencyKey = "key"
		spoil(&n)
		var invalid tracker.Invalid
		if _, _, err := s.CreateConversion(t.Context(), n); !errors.As(err, &invalid) || len(invalid) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := s.sale("order-1", 1000)
	n.IdempotencyKey = "key"
	s.report(n)
	s.wantBalanced()
}

func testConversionTenancy(t *testing.T, db Database) {
	s := newShop(t, db)
	acme := s.in(t, "acme")
	c := acme.report(acme.sale("order-1", 1000))
	status := tracker.StatusApproved
	for _, id := range []string{c.ID, tracker.NewSessionID(s.clock()).String(), "", "x", "a\x00b", "\xff"} {
		_, read := s.Conversion(t.Context(), "default", id)
		_, update := s.UpdateConversion(t.Context(), "default", id, tracker.ConversionUpdate{Status: &status})
		_, reverse := s.ReverseConversion(t.Context(), "default", id, "", "key")
		for _, err := range []error{read, update, reverse} {
			if !errors.Is(err, tracker.ErrNotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
	}
	if refund := s.refund("refund-1", "order-1", 100); refund.ConversionID != "" {
		t.Errorf("a refund took from another network: %+v", refund)
	}
	if got := acme.stored(c.ID); !reflect.DeepEqual(got, c) {
		t.Errorf("it is now %+v", got)
	}
	for _, f := range []tracker.ConversionFilter{{}, {ExternalID: "order-1"}, {SessionID: c.SessionID}, {AffiliateID: c.AffiliateID}} {
		if rows := s.list(f, 0); len(rows) != 0 {
			t.Errorf("%+v lists another network's: %+v", f, rows)
		}
	}
}

func testStrangersUpdate(t *testing.T, db Database) {
	s := newShop(t, db)
	for _, policy := range []tracker.DuplicatePolicy{tracker.DuplicateUpdate, tracker.DuplicateNew, tracker.DuplicateMark} {
		report := s.sale("order-"+string(policy), 1000)
		report.Source, report.Duplicates = tracker.SourcePixel, policy
		first, _, err := s.CreateConversion(t.Context(), report)
		if err != nil {
			t.Fatal(err)
		}
		report.Amount = 9000
		if _, _, err := s.CreateConversion(t.Context(), report); !errors.Is(err, tracker.ErrConflict) {
			t.Errorf("a stranger's %s: %v", policy, err)
		}
		s.wantMoney(s.stored(decode[tracker.Conversion](s, first).ID), tracker.StatusPending, 1000, 100)
	}
}

func testReversedStays(t *testing.T, db Database) {
	s := newShop(t, db)
	report := s.sale("order-1", 1000)
	report.Duplicates = tracker.DuplicateUpdate
	first, _, err := s.CreateConversion(t.Context(), report)
	if err != nil {
		t.Fatal(err)
	}
	id := decode[tracker.Conversion](s, first).ID
	if _, err := s.ReverseConversion(t.Context(), s.network, id, "", "key"); err != nil {
		t.Fatal(err)
	}
	report.Amount = 9000
	if _, _, err := s.CreateConversion(t.Context(), report); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("an update of a reversed one: %v", err)
	}
	s.wantMoney(s.stored(id), tracker.StatusPending, 0, 0)
}
