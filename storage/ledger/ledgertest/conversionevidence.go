package ledgertest

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var evidenceTests = []test{
	{"who earns by which evidence", testEvidence},
	{"a lost session is made again", testReconstructed},
	{"a customer's session earns", testCustomerEvidence},
	{"the terms are those of now", testTerms},
	{"only who may earn earns", testEligible},
	{"only a person's session earns", testClassEvidence},
}

// record applies the session of the click, with a sub-id.
func (s *shop) record(click tracker.Touch, visitor tracker.VisitorID) {
	s.Helper()
	r := Record(1, click.Code)
	r.Session.ID, r.Session.Network, r.Session.Time, r.Session.Visitor = click.Session, s.network, click.Time, visitor
	apply(s.T, s.Ledger, newOrigin(), []ledger.Record{r})
}

// wantWinner compares who earns: evidence and code of the winner, and the outcomes of all that was considered.
func (s *shop) wantWinner(name string, c tracker.Conversion, evidence tracker.EvidenceKind, code string, outcomes ...tracker.Outcome) {
	s.Helper()
	w := c.Decision.Winner()
	if evidence == "" {
		if w != nil || c.AffiliateID != 0 || c.CampaignID != 0 || c.LinkID != 0 || c.SessionID != "" || c.Wage != 0 {
			s.Errorf("%s: somebody earns: %+v", name, c)
		}
	} else if w == nil || w.Evidence != evidence || w.Code != code || c.AffiliateID != w.AffiliateID || c.Affiliate != w.Affiliate ||
		c.CampaignID != w.CampaignID || c.LinkID != w.LinkID || c.SessionID != w.SessionID || c.Wage == 0 {
		s.Errorf("%s: the winner is %+v of %+v, want %s %s", name, w, c, evidence, code)
	}
	var got []tracker.Outcome
	for _, considered := range c.Decision.Considered {
		got = append(got, considered.Outcome)
	}
	if len(got) != len(outcomes) {
		s.Errorf("%s: the outcomes are %q, want %q", name, got, outcomes)
		return
	}
	for i := range got {
		if got[i] != outcomes[i] {
			s.Errorf("%s: the outcomes are %q, want %q", name, got, outcomes)
		}
	}
}

func testEvidence(t *testing.T, db Database) {
	s := newShop(t, db)
	acme := s.in(t, "acme")
	session, visitor := s.click("bob"), tracker.NewVisitorID()
	s.record(session, visitor)
	foreign := acme.click("ann")
	acme.record(foreign, visitor)
	older := s.click("bob")
	older.Time = older.Time.Add(-time.Minute)
	future := s.click("ann")
	future.Time = future.Time.Add(2 * time.Hour)

	for _, c := range []struct {
		name     string
		e        tracker.Evidence
		evidence tracker.EvidenceKind
		code     string
		outcomes []tracker.Outcome
	}{
		{"nothing", tracker.Evidence{}, "", "", nil},
		{"token", tracker.Evidence{Token: s.token(s.click("ANN"))}, tracker.EvidenceToken, "ANN", []tracker.Outcome{tracker.Won}},
		{"last click", tracker.Evidence{Token: s.token(older, s.click("ann"))}, tracker.EvidenceToken, "ann",
			[]tracker.Outcome{tracker.Won, tracker.Outranked}},
		{"first click of two when the last is not live", tracker.Evidence{Token: s.token(older, future)}, tracker.EvidenceToken, "bob",
			[]tracker.Outcome{tracker.InFuture, tracker.Won}},
		{"another network's token", tracker.Evidence{Token: acme.token(foreign)}, "", "", nil},
		{"another network's cookie", tracker.Evidence{Cookie: acme.token(foreign)}, "", "", nil},
		{"another network's session", tracker.Evidence{Session: foreign.Session}, "", "", []tracker.Outcome{tracker.UnknownSession}},
		{"unknown link", tracker.Evidence{Token: s.token(s.click("nobody"))}, "", "", []tracker.Outcome{tracker.UnknownLink}},
		{"session", tracker.Evidence{Session: session.Session}, tracker.EvidenceSession, "bob", []tracker.Outcome{tracker.Won}},
		{"coupon", tracker.Evidence{Coupon: "save10"}, tracker.EvidenceCoupon, "save10", []tracker.Outcome{tracker.Won}},
		{"cookie", tracker.Evidence{Cookie: s.token(s.click("ann"))}, tracker.EvidenceCookie, "ann", []tracker.Outcome{tracker.Won}},
		{"unknown customer", tracker.Evidence{CustomerExternalID: "who"}, "", "", []tracker.Outcome{tracker.UnknownCustomer}},
		{"all at once",
			tracker.Evidence{
				Token: s.token(s.click("nobody")), Session: session.Session, CustomerID: tracker.NewSessionID(epoch).String(), Coupon: "SAVE10",
				Cookie: s.token(older, s.click("ann")),
			}, tracker.EvidenceSession, "bob",
			[]tracker.Outcome{
				tracker.UnknownLink, tracker.Won, tracker.UnknownCustomer, tracker.Outranked, tracker.Outranked, tracker.Outranked,
			}},
	} {
		n := s.sale(c.name, 1000)
		n.Evidence = c.e
		got := s.report(n)
		s.wantWinner(c.name, got, c.evidence, c.code, c.outcomes...)
		switch c.evidence {
		case tracker.EvidenceSession:
			if got.SessionID != session.Session.String() || got.VisitorID != visitor.String() || got.Sub1 != "newsletter" {
				t.Errorf("%s: session %s, visitor %s, sub1 %q", c.name, got.SessionID, got.VisitorID, got.Sub1)
			}
		case tracker.EvidenceCoupon:
			if got.Code != "" || got.AffiliateID != s.bob.AffiliateID || got.CampaignID != s.sales.ID || got.Wage != 100 {
				t.Errorf("%s: %+v", c.name, got)
			}
		}
	}
	s.wantBalanced()
}

// testClassEvidence gives sessions of every class as evidence, for a sale and for a customer.
func testClassEvidence(t *testing.T, db Database) {
	s, origin := newShop(t, db), newOrigin()
	for i, class := range tracker.Classes {
		r, click := Record(uint64(i+1), "ann"), s.click("ann")
		r.Session.ID, r.Session.Network, r.Session.Time, r.Session.Class = click.Session, s.network, click.Time, class
		apply(t, s.Ledger, origin, []ledger.Record{r})
		sale, customer := s.sale(string(class), 1000), s.newCustomer(string(class))
		sale.Evidence = tracker.Evidence{Session: click.Session, Coupon: "SAVE10"}
		customer.Evidence = tracker.Evidence{Session: click.Session}
		sold, bound := s.report(sale), s.addCustomer(customer)
		considered := sold.Decision.Considered[0]
		if class == tracker.ClassHuman || class == tracker.ClassRepeat {
			s.wantWinner(string(class), sold, tracker.EvidenceSession, "ann", tracker.Won, tracker.Outranked)
			if considered.Class != "" || bound.Organic {
				t.Errorf("%s: %+v; the customer is organic: %t", class, considered, bound.Organic)
			}
			continue
		}
		s.wantWinner(string(class), sold, tracker.EvidenceCoupon, "SAVE10", tracker.WrongClass, tracker.Won)
		if considered.Class != class || considered.SessionID != click.Session.String() || considered.LinkID != s.ann.ID {
			t.Errorf("%s: %+v", class, considered)
		}
		if !bound.Organic || !strings.Contains(bound.Decision.Reason, "class "+string(class)) {
			t.Errorf("%s: the customer is bound by %+v", class, bound.Decision)
		}
	}
	s.wantBalanced()
}

func testReconstructed(t *testing.T, db Database) {
	s := newShop(t, db)
	lost, kept := s.click("ann"), s.click("ann")
	visitor := tracker.NewVisitorID()
	s.record(kept, visitor)
	n := s.sale("order-1", 1000)
	n.Evidence = tracker.Evidence{Cookie: s.token(lost)}
	c := s.report(n)
	if c.SessionID != lost.Session.String() || c.VisitorID != n.Evidence.Cookie.Visitor.String() {
		t.Errorf("the conversion is %+v", c)
	}
	made := must(s.FindSession(t.Context(), s.network, lost.Session))(s)
	if !made.Reconstructed || made.Code != "ann" || made.LinkID != s.ann.ID || made.Class != tracker.ClassHuman ||
		!made.Time.Equal(lost.Time.Truncate(time.Millisecond)) || made.Visitor != n.Evidence.Cookie.Visitor || made.Origin != "" {
		t.Errorf("the session was made as %+v", made)
	}
	n = s.sale("order-2", 1000)
	n.Evidence.Token = s.token(kept)
	n.Evidence.Token.Visitor = visitor
	if c := s.report(n); c.Sub1 != "newsletter" || c.VisitorID != visitor.String() {
		t.Errorf("of a session that is there it has %+v", c)
	}
	if found := must(s.FindSession(t.Context(), s.network, kept.Session))(s); found.Reconstructed || found.IP == "" {
		t.Errorf("the session that was there is now %+v", found)
	}

	s.record(lost, n.Evidence.Token.Visitor) // it was only late
	if found := must(s.FindSession(t.Context(), s.network, lost.Session))(s); found.Reconstructed || found.IP == "" {
		t.Errorf("the true session did not take its place: %+v", found)
	}
	n = s.sale("order-3", 1000)
	n.Evidence.Token = s.token(s.click("nobody"))
	s.report(n)
	if _, _, err := s.FindSessions(t.Context(), s.network, tracker.SessionFilter{}, tracker.Page{}); err != nil {
		t.Fatal(err)
	}
	s.wantBalanced()
}

func testCustomerEvidence(t *testing.T, db Database) {
	s := newShop(t, db)
	click := s.click("ann")
	s.record(click, tracker.NewVisitorID())
	add := func(id string, e tracker.Evidence) tracker.Customer {
		t.Helper()
		answer, _, err := s.CreateCustomer(t.Context(), tracker.NewCustomer{
			Network: s.network, ExternalID: id, Brand: "shoes", Evidence: e,
		})
		if err != nil {
			t.Fatal(err)
		}
		return decode[tracker.Customer](s, answer)
	}
	bound := add("bound", tracker.Evidence{Token: s.token(click)})
	organic := add("organic", tracker.Evidence{})
	couponed := add("couponed", tracker.Evidence{Coupon: "SAVE10"})
	s.pass(24 * time.Hour)
	for _, c := range []struct {
		name, customer, code string
		e                    tracker.Evidence
		outcome              tracker.Outcome
	}{
		{"by the books' id", bound.ID, "ann", tracker.Evidence{CustomerID: bound.ID}, tracker.Won},
		{"by the merchant's id", bound.ID, "ann", tracker.Evidence{CustomerExternalID: "bound", CustomerBrand: "shoes"}, tracker.Won},
		{"another brand", "", "", tracker.Evidence{CustomerExternalID: "bound", CustomerBrand: "hats"}, tracker.UnknownCustomer},
		{"organic", organic.ID, "", tracker.Evidence{CustomerID: organic.ID}, tracker.OrganicCustomer},
		{"brought by a coupon", couponed.ID, "SAVE10", tracker.Evidence{CustomerID: couponed.ID}, tracker.Won},
	} {
		n := s.sale(c.name, 1000)
		n.Evidence = c.e
		got := s.report(n)
		if got.CustomerID != c.customer {
			t.Errorf("%s: the customer is %s, want %s", c.name, got.CustomerID, c.customer)
		}
		if c.outcome == tracker.Won {
			s.wantWinner(c.name, got, tracker.EvidenceCustomer, c.code, c.outcome)
		} else {
			s.wantWinner(c.name, got, "", "", c.outcome)
		}
		if c.name == "by the books' id" && (got.SessionID != click.Session.String() || got.VisitorID != bound.VisitorID || got.Sub1 != "newsletter") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	// The customer is known also where stronger evidence wins.
	n := s.sale("stronger", 1000)
	n.Evidence.CustomerID = organic.ID
	if got := s.report(n); got.CustomerID != organic.ID || got.Code != "ann" {
		t.Errorf("%+v", got)
	}
	s.wantBalanced()
}

func testTerms(t *testing.T, db Database) {
	s := newShop(t, db)
	first, last := s.click("bob"), s.click("ann")
	first.Time = first.Time.Add(-time.Hour)
	e := tracker.Evidence{Token: s.token(first, last)}
	for i, c := range []struct {
		terms tracker.Terms
		code  string
	}{
		{tracker.Terms{}, "ann"},
		{tracker.Terms{Rule: tracker.FirstClick}, "bob"},
		{tracker.Terms{Rule: tracker.FirstClick, Window: 90 * time.Minute}, "ann"},
		{tracker.Terms{Window: time.Minute}, ""},
	} {
		s.UseTerms(c.terms)
		n := s.sale(string(rune('a'+i)), 1000)
		n.Evidence = e
		if got := s.report(n); got.Code != c.code {
			t.Errorf("%+v: %q earns, want %q", c.terms, got.Code, c.code)
		}
	}
	s.UseTerms(tracker.Terms{})
	if _, err := s.UpdateCampaign(t.Context(), s.network, s.sales.ID, func(f *tracker.CampaignFields) error {
		f.Window = 600
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	n := s.sale("campaign's window", 1000)
	n.Evidence = e
	if got := s.report(n); got.Code != "bob" {
		t.Errorf("after the campaign's window %q earns", got.Code)
	}
	if _, err := s.UpdateLink(t.Context(), s.network, s.ann.ID, func(f *tracker.LinkFields) error { f.Window = 3600; return nil }); err != nil {
		t.Fatal(err)
	}
	n.ExternalID = "link's window"
	if got := s.report(n); got.Code != "ann" {
		t.Errorf("within the link's window %q earns", got.Code)
	}
}

func testEligible(t *testing.T, db Database) {
	s := newShop(t, db)
	for name, c := range map[string]struct {
		spoil   func(s *shop) error
		outcome tracker.Outcome
	}{
		"suspended": {func(s *shop) error {
			_, err := s.UpdateAffiliate(t.Context(), s.network, s.ann.AffiliateID, func(f *tracker.AffiliateFields) error {
				f.Status = tracker.AffiliateSuspended
				return nil
			})
			return err
		}, tracker.NotApproved},
		"archived": {func(s *shop) error {
			_, err := s.UpdateCampaign(t.Context(), s.network, s.sales.ID, func(f *tracker.CampaignFields) error {
				f.Archived = true
				return nil
			})
			return err
		}, tracker.CampaignOver},
		"disabled": {func(s *shop) error {
			_, err := s.SetLinkActive(t.Context(), s.network, "ann", false)
			return err
		}, tracker.LinkNotLive},
		"expired link": {func(s *shop) error {
			_, err := s.UpdateLink(t.Context(), s.network, s.ann.ID, func(f *tracker.LinkFields) error {
				at := s.clock().Add(-time.Second)
				f.ExpiresAt = &at
				return nil
			})
			return err
		}, tracker.LinkNotLive},
		"old click": {func(s *shop) error { s.pass(tracker.DefaultWindow); return nil }, tracker.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			s := s.in(t, "eligible-"+name[:3])
			n := s.sale("order-1", 1000)
			if err := c.spoil(s); err != nil {
				t.Fatal(err)
			}
			s.wantWinner(name, s.report(n), "", "", c.outcome)
		})
	}
}
