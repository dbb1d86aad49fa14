package ledgertest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// repeat reports a conversion that the books know, and returns the answer.
func (s *shop) repeat(n tracker.NewConversion) tracker.Conversion {
	s.Helper()
	answer, replayed, err := s.CreateConversion(s.Context(), n)
	if err != nil || !replayed {
		s.Fatalf("repeating %s: replayed %t, %v", n.ExternalID, replayed, err)
	}
	return decode[tracker.Conversion](s, answer)
}

// wantUntold checks that none of the texts stands in the value.
func (s *shop) wantUntold(what string, v any, texts ...string) {
	s.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		s.Fatal(err)
	}
	for _, one := range texts {
		if bytes.Contains(text, []byte(one)) {
			s.Errorf("%s says %q: %s", what, one, text)
		}
	}
}

// testErasedAnswers erases a customer whose conversion does not name them any more; what its first report was answered does.
func testErasedAnswers(t *testing.T, db Database) {
	s := newShop(t, db)
	c := s.addCustomer(s.newCustomer("c-1"))
	named := s.sale("order", 1000)
	named.Name, named.MetaData, named.Duplicates = "Jane", json.RawMessage(`{"phone":"her phone"}`), tracker.DuplicateUpdate
	named.Evidence = tracker.Evidence{CustomerID: c.ID, Session: s.click("ann").Session}
	lead := named // whose part is called by the name, as Affili's script does
	lead.ExternalID, lead.Type, lead.Commissions = "lead", tracker.TypeLead, []tracker.Part{{Name: "Jane", SubAmount: 1000}}
	leadID := s.report(lead).ID
	first := s.report(named)
	bare := named
	bare.Name, bare.MetaData = "", nil
	s.report(bare)
	if got := s.repeat(named); got.Name != "Jane" || s.stored(first.ID).Name != "" {
		t.Fatalf("before the erasure the answer is %+v", got)
	}
	if got, err := s.Erase(t.Context(), s.network, tracker.Subject{CustomerID: c.ID}); err != nil || got.Conversions != 2 {
		t.Errorf("erased %+v, %v", got, err)
	}
	s.wantUntold("the lead", s.stored(leadID), "Jane")
	for _, n := range []tracker.NewConversion{named, bare, lead} {
		s.wantUntold("the answer", s.repeat(n), "Jane", "her phone")
	}
}

// testErasedUnearned has somebody buy by clicks that earn nobody anything.
func testErasedUnearned(t *testing.T, db Database) {
	s := newShop(t, db)
	jane := s.plant("jane")
	for i, code := range []string{"ann", "nobody"} {
		click := s.click(code)
		click.Time = click.Time.AddDate(0, 0, -365*(1-i))
		n := s.sale("by "+code, 100)
		n.Name, n.Evidence.Token = "jane-by-"+code, s.token(click)
		n.Evidence.Token.Visitor = jane.visitor
		if c := s.report(n); c.AffiliateID != 0 || c.VisitorID != jane.visitor.String() {
			t.Fatalf("somebody earns %+v, or nobody has made it", c)
		}
		jane.texts = append(jane.texts, n.Name)
	}
	coupon := s.sale("by coupon", 100)
	coupon.Name, coupon.Coupon, coupon.Evidence.Coupon = "jane-by-coupon", "SAVE10", "SAVE10"
	stale := s.click("ann")
	stale.Time = stale.Time.AddDate(-1, 0, 0)
	coupon.Evidence.Token = s.token(stale)
	coupon.Evidence.Token.Visitor = jane.visitor
	s.report(coupon)
	organic := s.newCustomer("jane-organic")
	organic.Evidence = coupon.Evidence
	organic.Evidence.Coupon = ""
	if c := s.addCustomer(organic); !c.Organic {
		t.Fatalf("somebody brought %+v", c)
	}
	jane.texts = append(jane.texts, "jane-by-coupon", "jane-organic")
	s.wantErased(tracker.Subject{Visitor: jane.visitor}, tracker.Erasure{Sessions: 3, Conversions: 4, Customers: 2, Transactions: 1})
	s.wantGone(s.everything(), jane)
}

// testErasedNotes has free text in each place that takes some.
func testErasedNotes(t *testing.T, db Database) {
	s := newShop(t, db)
	jane, john := s.plant("jane"), s.plant("john")
	for _, p := range []*planted{jane, john} {
		own := s.sale(p.name+" second", 700)
		own.Coupon, own.Evidence.Coupon = p.name+"-voucher", p.name+"-voucher"
		own.Evidence.Token = p.sale.Evidence.Token
		c := s.report(own)
		status := tracker.StatusApproved
		must(s.UpdateConversion(t.Context(), s.network, c.ID, tracker.ConversionUpdate{Status: &status, Note: p.name + "-approved"}))(s)
		again := own
		again.Name, again.Duplicates = p.name+"-renamed", tracker.DuplicateUpdate
		s.report(again) // whose answer has the note
		p.notes = again
		refund := s.newRefund(p.name+" refund", own.ExternalID, 100)
		refund.Note = p.name + "-refund"
		if _, _, err := s.RefundConversion(t.Context(), refund); err != nil {
			t.Fatal(err)
		}
		p.texts = append(p.texts, p.name+"-voucher", p.name+"-approved", p.name+"-refund", p.name+"-renamed")
	}
	known := s.sale("by coupon", 400)
	known.Coupon, known.Evidence = "SAVE10", tracker.Evidence{Coupon: "SAVE10", CustomerExternalID: "jane-customer", CustomerBrand: "shoes"}
	byCoupon := s.report(known)
	s.wantGone(s.everything(), &planted{}, jane, john)

	if _, err := s.Erase(t.Context(), s.network, tracker.Subject{Visitor: jane.visitor}); err != nil {
		t.Fatal(err)
	}
	s.wantGone(s.everything(), jane, john)
	s.wantBalanced()
	if answer := s.repeat(jane.notes); answer.Amount != 700 {
		t.Errorf("repeated it is %+v", answer)
	} else {
		s.wantUntold("the answer", answer, jane.texts...)
	}
	if c := s.stored(byCoupon.ID); c.Coupon != "SAVE10" || c.Affiliate == "" {
		t.Errorf("of an affiliate's coupon there is %+v", c)
	}
	refund := s.newRefund("jane refund", "jane second", 100)
	refund.Note = "jane-refund"
	for _, note := range []string{"jane-refund", "another"} {
		refund.Note = note
		answer, replayed, err := s.RefundConversion(t.Context(), refund)
		if err != nil || !replayed || decode[tracker.Refund](s, answer).Taken != 100 || bytes.Contains(answer, []byte("jane-")) {
			t.Errorf("the refund repeated: replayed %t, %v, %s", replayed, err, answer)
		}
	}
	own := s.list(tracker.ConversionFilter{ExternalID: "jane second"}, 0)
	if len(own) != 1 || own[0].Amount != 600 || own[0].Wage != 60 || own[0].Status != tracker.StatusApproved {
		t.Errorf("of the money there is %+v", own)
	}
}

// testErasedContent reports what was erased once more with other content, and gives records that were scrubbed to ledgers
// that have, and that have not, what they were.
func testErasedContent(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	jane := s.plant("jane")
	s.wantErased(tracker.Subject{Visitor: jane.visitor}, wholly)
	for _, policy := range []tracker.DuplicatePolicy{tracker.DuplicateReject, tracker.DuplicateUpdate, tracker.DuplicateNew, tracker.DuplicateMark} {
		n := jane.sale
		n.Name, n.Duplicates = "jane-once more", policy
		s.wantUntold("the answer", s.repeat(n), "jane-")
	}
	if all := s.list(tracker.ConversionFilter{}, 0); len(all) != 1 || len(s.stored(all[0].ID).History) != 2 {
		t.Errorf("there is %+v", all)
	}

	scrubbed := func(r ledger.Record, seq uint64) ledger.Record {
		t.Helper()
		raw := bytes.Clone(r.Raw)
		if !tracker.EraseRecord(raw) {
			t.Fatal("there was nothing to erase")
		}
		record, err := tracker.DecodeRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		n, err := record.Conversion()
		if err != nil {
			t.Fatal(err)
		}
		return ledger.Record{Seq: seq, Conversion: &n, Raw: raw}
	}
	whole := func(seq uint64, externalID string) ledger.Record {
		r := s.edgeRecord(seq, externalID, s.click("ann"))
		r.Conversion.Name, r.Conversion.Duplicates = "john", tracker.DuplicateNew
		r.Raw = r.Conversion.AppendRecord(nil)
		return r
	}
	campaign := s.sales.CampaignFields
	campaign.Duplicates = tracker.DuplicateNew // whatever is not known is one more
	must(s.UpdateCampaign(t.Context(), s.network, s.sales.ID, func(f *tracker.CampaignFields) error { *f = campaign; return nil }))(s)
	known, fresh := whole(1, "known"), whole(3, "fresh")
	wantApplied(t, s.Ledger, origin, []ledger.Record{
		known, scrubbed(known, 2), scrubbed(fresh, 3), scrubbed(fresh, 4),
	}, ledger.Applied{Cursor: 4, Conversions: 2, Replayed: 2})
	fresh.Seq = 5
	wantApplied(t, s.Ledger, origin, []ledger.Record{fresh}, ledger.Applied{Cursor: 5, Replayed: 1})
	if c := s.stored(known.Conversion.ID); c.Name != "john" || len(c.History) != 1 {
		t.Errorf("what was known is now %+v", c)
	}
	if c := s.stored(fresh.Conversion.ID); c.Name != "" || c.Amount != 1000 || len(c.History) != 1 {
		t.Errorf("what was scrubbed landed as %+v", c)
	}
	s.wantBalanced()
}

// testErasedReports reports more of somebody who was erased, by everything that names them.
func testErasedReports(t *testing.T, db Database) {
	s := newShop(t, db)
	jane, john := s.plant("jane"), s.plant("john")
	id := must(s.CustomerByExternalID(t.Context(), s.network, jane.customer.ExternalID, "shoes"))(s).ID
	s.wantErased(tracker.Subject{Visitor: jane.visitor}, wholly)
	for _, p := range []*planted{jane, john} {
		for what, e := range map[string]tracker.Evidence{
			"token": {Token: p.sale.Evidence.Token}, "cookie": {Cookie: p.sale.Evidence.Token},
			"customer": {CustomerExternalID: p.customer.ExternalID, CustomerBrand: "shoes"},
		} {
			n := s.sale(p.name+" by "+what, 100)
			n.Name, n.Evidence = p.name+"-by-"+what, e
			answered := s.report(n)
			p.texts = append(p.texts, n.Name)
			if again := s.repeat(n); again.ID != answered.ID || again.Amount != 100 {
				t.Errorf("repeated it is %+v", again)
			}
			if p == jane {
				s.wantUntold("the answer", answered, jane.texts...)
			}
		}
		second := p.customer
		second.ExternalID, second.Username = p.name+"-second", p.name+"-alias"
		s.addCustomer(second)
		if _, replayed, err := s.CreateCustomer(t.Context(), second); err != nil || !replayed {
			t.Errorf("the second customer repeated: replayed %t, %v", replayed, err)
		}
		s.addTransaction(s.moneyOf(p, "2", p.name+"-later"))
		p.texts = append(p.texts, p.name+"-second", p.name+"-alias", p.name+"-later")
	}
	byID := s.sale("jane by id", 100)
	byID.Name, byID.Evidence = "jane-by-id", tracker.Evidence{CustomerID: id}
	jane.texts = append(jane.texts, s.report(byID).Name+"jane-by-id")

	taken := s.sale("taken over", 300) // reported first by who knows nothing of her
	taken.Duplicates = tracker.DuplicateUpdate
	s.report(taken)
	taken.Name, taken.Evidence, taken.Commissions = "jane-taken", jane.sale.Evidence, nil
	taken.Amount = 350
	s.report(taken)
	jane.texts = append(jane.texts, "jane-taken")
	if all := s.list(tracker.ConversionFilter{ExternalID: "taken over"}, 0); len(all) != 1 || all[0].Amount != 350 {
		t.Errorf("what was taken over is %+v", all)
	}
	s.wantGone(s.everything(), jane, john)
	for _, n := range []tracker.NewConversion{byID, taken} {
		s.wantUntold("the answer", s.repeat(n), jane.texts...)
	}
	s.wantBalanced()
}

// suspect is a record that goes to quarantine, and whether it names who is erased.
type suspect struct {
	what  string
	named bool
	r     ledger.Record
}

// testErasedQuarantine has records go to quarantine before and after the erasure of whom they name, in two networks.
func testErasedQuarantine(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	jane := s.plant("jane")
	id := must(s.CustomerByExternalID(t.Context(), s.network, jane.customer.ExternalID, "shoes"))(s).ID
	var seq uint64
	record := func(network string, e tracker.Evidence) ledger.Record {
		seq++
		r := s.edgeRecord(seq, "order", s.click("ann"))
		r.Conversion.Network, r.Conversion.Evidence, r.Conversion.Currency = network, e, "" // which is refused
		r.Raw = r.Conversion.AppendRecord(nil)
		return r
	}
	cookie := func(v tracker.VisitorID) *tracker.Token {
		token := s.token(s.click("ann"))
		token.Visitor = v
		return token
	}
	hers := tracker.Evidence{CustomerExternalID: jane.customer.ExternalID, CustomerBrand: "shoes"}
	damaged := func(r ledger.Record) ledger.Record {
		return ledger.Record{Seq: r.Seq, Raw: append(r.Raw, 0), Reason: "damaged"}
	}
	records := func() []suspect {
		return []suspect{
			{"her customer", true, record(s.network, hers)},
			{"her cookie", true, record(s.network, tracker.Evidence{Cookie: cookie(jane.visitor)})},
			{"her customer's id in another network", false, record("acme", hers)},
			{"her customer's id of another brand", false, record(s.network, tracker.Evidence{CustomerExternalID: hers.CustomerExternalID})},
			{"a longer id", false, record(s.network, tracker.Evidence{CustomerExternalID: hers.CustomerExternalID + "2", CustomerBrand: "shoes"})},
			{"somebody's cookie", false, record(s.network, tracker.Evidence{Cookie: cookie(tracker.NewVisitorID())})},
		}
	}
	before := records()
	before = append(before,
		suspect{"her customer in a damaged record", true, damaged(record(s.network, hers))},
		suspect{"her cookie in a damaged record", true, damaged(record(s.network, tracker.Evidence{Cookie: cookie(jane.visitor)}))},
		suspect{"her customer's id in another network's damaged record", false, damaged(record("acme", hers))},
	)
	give := func(all []suspect) {
		t.Helper()
		for _, c := range all {
			wantApplied(t, s.Ledger, origin, []ledger.Record{c.r}, ledger.Applied{Cursor: c.r.Seq, Quarantined: 1})
		}
	}
	give(before)
	if got, err := s.Erase(t.Context(), s.network, tracker.Subject{CustomerID: id}); err != nil || got.Customers != 1 {
		t.Fatalf("erased %+v, %v", got, err)
	}
	after := records()
	give(after)
	kept := quarantine(t, s.Ledger, origin)
	for i, c := range append(before, after...) {
		if empty := len(kept[i].Raw) == 0; empty != c.named {
			t.Errorf("number %d, %s: empty %t, want %t", i+1, c.what, empty, c.named)
		}
		if strings.Contains(kept[i].Reason, "jane") {
			t.Errorf("number %d: the reason is %s", i+1, kept[i].Reason)
		}
	}
}
