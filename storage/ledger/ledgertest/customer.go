package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var customerTests = []test{
	{"bound to who brought them", testBindCustomer},
	{"organic ones", testOrganicCustomer},
	{"repeats and conflicts", testRepeatCustomer},
	{"filters and pages", testCustomers},
	{"changes", testUpdateCustomer},
	{"another network's", testCustomerTenancy},
}

// newCustomer is a customer whom ann's link brought.
func (s *shop) newCustomer(externalID string) tracker.NewCustomer {
	return tracker.NewCustomer{
		Network: s.network, ExternalID: externalID, Brand: "shoes",
		CustomerFields: tracker.CustomerFields{Username: "jane", Country: "Utopia", CountryCode: "nl", Note: "two\nlines"},
		Evidence:       tracker.Evidence{Token: s.token(s.click("ann"))},
	}
}

// addCustomer adds a customer who has to be new.
func (s *shop) addCustomer(n tracker.NewCustomer) tracker.Customer {
	s.Helper()
	answer, replayed, err := s.CreateCustomer(s.Context(), n)
	if err != nil || replayed {
		s.Fatalf("adding customer %s: replayed %t, %v", n.ExternalID, replayed, err)
	}
	return decode[tracker.Customer](s, answer)
}

func testBindCustomer(t *testing.T, db Database) {
	s := newShop(t, db)
	n := s.newCustomer("c-1")
	c := s.addCustomer(n)
	click := n.Evidence.Token.Last
	if c.Organic || c.SessionID != click.Session.String() || c.VisitorID != n.Evidence.Token.Visitor.String() ||
		c.LinkID != s.ann.ID || c.AffiliateID != s.ann.AffiliateID || c.Affiliate != "Ann" || c.CampaignID != s.sales.ID ||
		c.Campaign != "sales" {
		t.Errorf("the customer is bound as %+v", c)
	}
	if c.CountryCode != "NL" || c.Username != "jane" || !c.RegisteredAt.Equal(s.clock()) || !c.CreatedAt.Equal(s.clock()) ||
		c.Sums == nil || c.Decision.Winner() == nil {
		t.Errorf("the customer is %+v", c)
	}
	if found := must(s.Customer(t.Context(), s.network, c.ID))(s); !reflect.DeepEqual(found, c) {
		t.Errorf("read it is\n%+v, answered\n%+v", found, c)
	}
	if found := must(s.CustomerByExternalID(t.Context(), s.network, "c-1", "shoes"))(s); !reflect.DeepEqual(found, c) {
		t.Errorf("by the merchant's id it is\n%+v, answered\n%+v", found, c)
	}

	n = s.newCustomer("c-2")
	n.Evidence = tracker.Evidence{Coupon: "save10", CustomerID: c.ID}
	if c := s.addCustomer(n); c.Organic || c.Affiliate != "Bob" || c.SessionID != "" || c.LinkID != 0 {
		t.Errorf("a coupon brought %+v", c)
	}
	n = s.newCustomer("c-3")
	n.RegisteredAt = s.clock().Add(-2 * time.Hour)
	if c := s.addCustomer(n); !c.Organic || c.Decision.Considered[0].Outcome != tracker.InFuture {
		t.Errorf("a click after the registration brought %+v", c)
	}
}

func testOrganicCustomer(t *testing.T, db Database) {
	s := newShop(t, db)
	n := s.newCustomer("c-1")
	n.Evidence = tracker.Evidence{}
	c := s.addCustomer(n)
	if !c.Organic || c.Campaign != tracker.OrganicCampaign || c.CampaignID == 0 || c.AffiliateID != 0 || c.SessionID != "" ||
		c.Decision.Reason == "" {
		t.Errorf("an organic customer is %+v", c)
	}
	n.ExternalID = "c-2"
	if again := s.addCustomer(n); again.CampaignID != c.CampaignID {
		t.Errorf("another one is in campaign %d, not %d", again.CampaignID, c.CampaignID)
	}
	n.ExternalID, n.Network = "c-3", "unheard-of"
	if c := s.addCustomer(n); !c.Organic || c.CampaignID == 0 {
		t.Errorf("in a network that is new: %+v", c)
	}
	n.Network = s.network

	s.UseTerms(tracker.Terms{Organic: tracker.OrganicReject})
	n.ExternalID = "c-4"
	if _, _, err := s.CreateCustomer(t.Context(), n); !errors.Is(err, tracker.ErrOrganic) {
		t.Errorf("where none is wanted: %v", err)
	}
	if _, err := s.CustomerByExternalID(t.Context(), s.network, "c-4", "shoes"); !errors.Is(err, tracker.ErrNotFound) {
		t.Errorf("the rejected one: %v", err)
	}
	n.ExternalID = "c-1"
	if _, replayed, err := s.CreateCustomer(t.Context(), n); err != nil || !replayed {
		t.Errorf("one from before: replayed %t, %v", replayed, err)
	}
}

func testRepeatCustomer(t *testing.T, db Database) {
	s := newShop(t, db)
	n := s.newCustomer("c-1")
	answer, _, err := s.CreateCustomer(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	c := decode[tracker.Customer](s, answer)
	s.pass(90 * 24 * time.Hour)
	note := func(f *tracker.CustomerFields) error { f.Note = "changed"; return nil }
	must(s.UpdateCustomer(t.Context(), s.network, c.ID, note))(s)
	repeat := n
	repeat.Evidence, repeat.RegisteredAt = tracker.Evidence{}, s.clock()
	again, replayed, err := s.also(db).CreateCustomer(t.Context(), repeat)
	if err != nil || !replayed || !bytes.Equal(again, answer) {
		t.Errorf("repeated: replayed %t, %v\n%s, first\n%s", replayed, err, again, answer)
	}
	other := n
	other.Username = "john"
	if _, _, err := s.CreateCustomer(t.Context(), other); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("with other content: %v", err)
	}
	other = n
	other.Brand = "hats"
	if c := s.addCustomer(other); c.Brand != "hats" {
		t.Errorf("of another brand: %+v", c)
	}
	other.ExternalID, other.CountryCode = "", "Utopia"
	var invalid tracker.Invalid
	if _, _, err := s.CreateCustomer(t.Context(), other); !errors.As(err, &invalid) || len(invalid) != 2 {
		t.Errorf("an invalid one: %v", err)
	}
}

// testCustomersAtOnce has two hubs told of the same customers, each several times, at once.
func testCustomersAtOnce(t *testing.T, db Database) {
	s := newShop(t, db)
	hubs := []*shop{s, s.also(db)}
	answers := make([][8][]byte, 10)
	created := make([][8]bool, 10)
	var reporting sync.WaitGroup
	for i := range answers {
		for j := range answers[i] {
			n := s.newCustomer(fmt.Sprintf("c-%d", i))
			if i%2 == 0 {
				n.Evidence = tracker.Evidence{}
			}
			reporting.Go(func() {
				answer, replayed, err := hubs[j%2].CreateCustomer(t.Context(), n)
				if err != nil {
					t.Errorf("customer %d: %v", i, err)
				}
				answers[i][j], created[i][j] = answer, !replayed
			})
		}
	}
	reporting.Wait()
	for i := range answers {
		firsts := 0
		for j := range answers[i] {
			if created[i][j] {
				firsts++
			}
			if !bytes.Equal(answers[i][j], answers[i][0]) {
				t.Errorf("customer %d got the answers\n%s and\n%s", i, answers[i][j], answers[i][0])
			}
		}
		if firsts != 1 {
			t.Errorf("customer %d was new %d times", i, firsts)
		}
	}
}

func testCustomers(t *testing.T, db Database) {
	s := newShop(t, db)
	var all []tracker.Customer // newest first
	for i := range 40 {
		n := s.newCustomer(fmt.Sprintf("c-%d", i))
		n.Brand = []string{"", "shoes", "hats"}[i%3]
		switch i % 4 {
		case 0:
			n.Evidence = tracker.Evidence{}
		case 1:
			n.Evidence = tracker.Evidence{Coupon: "SAVE10"}
		}
		all = slices.Insert(all, 0, s.addCustomer(n))
		s.pass(time.Minute)
	}
	yes, no := true, false
	for name, c := range map[string]struct {
		filter tracker.CustomerFilter
		want   func(c tracker.Customer) bool
	}{
		"all":         {tracker.CustomerFilter{}, func(tracker.Customer) bool { return true }},
		"external id": {tracker.CustomerFilter{ExternalID: "c-7"}, func(c tracker.Customer) bool { return c.ExternalID == "c-7" }},
		"brand":       {tracker.CustomerFilter{Brand: "hats"}, func(c tracker.Customer) bool { return c.Brand == "hats" }},
		"affiliate": {tracker.CustomerFilter{AffiliateID: s.bob.AffiliateID}, func(c tracker.Customer) bool {
			return c.AffiliateID == s.bob.AffiliateID
		}},
		"session": {tracker.CustomerFilter{SessionID: all[0].SessionID}, func(c tracker.Customer) bool { return c.ID == all[0].ID }},
		"organic": {tracker.CustomerFilter{Organic: &yes}, func(c tracker.Customer) bool { return c.Organic }},
		"brought": {tracker.CustomerFilter{Organic: &no}, func(c tracker.Customer) bool { return !c.Organic }},
		"created": {tracker.CustomerFilter{MinCreated: all[30].CreatedAt, MaxCreated: all[10].CreatedAt}, func(c tracker.Customer) bool {
			return !c.CreatedAt.Before(all[30].CreatedAt) && !c.CreatedAt.After(all[10].CreatedAt)
		}},
	} {
		want := slices.DeleteFunc(slices.Clone(all), func(one tracker.Customer) bool { return !c.want(one) })
		var got []tracker.Customer
		p := tracker.Page{Limit: 7}
		for {
			page, next, err := s.Customers(t.Context(), s.network, c.filter, p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if p.After = next; next == "" {
				break
			}
		}
		if len(want) == 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d customers, want %d", name, len(got), len(want))
		}
	}
	_, _, err := s.Customers(t.Context(), s.network, tracker.CustomerFilter{}, tracker.Page{After: "?"})
	if !errors.Is(err, tracker.ErrCursor) {
		t.Errorf("a cursor of somebody else's: %v", err)
	}
}

func testUpdateCustomer(t *testing.T, db Database) {
	s := newShop(t, db)
	before := s.addCustomer(s.newCustomer("c-1"))
	s.pass(time.Hour)
	after := must(s.UpdateCustomer(t.Context(), s.network, before.ID, func(f *tracker.CustomerFields) error {
		*f = tracker.CustomerFields{Label: "vip", CPAExcluded: true, CountryCode: "de"}
		return nil
	}))(s)
	want := before
	want.CustomerFields = tracker.CustomerFields{Label: "vip", CPAExcluded: true, CountryCode: "DE", RegisteredAt: before.RegisteredAt}
	want.UpdatedAt = s.clock().UTC()
	if !reflect.DeepEqual(after, want) {
		t.Errorf("changed it is\n%+v, want\n%+v", after, want)
	}
	enough := errors.New("enough")
	for _, c := range []struct {
		name, id string
		change   func(f *tracker.CustomerFields) error
		err      error
	}{
		{"a refusal", before.ID, func(f *tracker.CustomerFields) error { f.Note = "!"; return enough }, enough},
		{"an invalid change", before.ID, func(f *tracker.CustomerFields) error { f.CountryCode = "D!"; return nil }, nil},
		{"somebody unknown", before.SessionID, func(*tracker.CustomerFields) error { return nil }, tracker.ErrNotFound},
		{"no id", "1", func(*tracker.CustomerFields) error { return nil }, tracker.ErrNotFound},
	} {
		_, err := s.UpdateCustomer(t.Context(), s.network, c.id, c.change)
		var invalid tracker.Invalid
		if c.err != nil && !errors.Is(err, c.err) || c.err == nil && !errors.As(err, &invalid) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if found := must(s.Customer(t.Context(), s.network, before.ID))(s); !reflect.DeepEqual(found, want) {
		t.Errorf("read it is\n%+v, want\n%+v", found, want)
	}
}

// testCustomerTenancy asks one network for what another one has.
func testCustomerTenancy(t *testing.T, db Database) {
	s := newShop(t, db)
	c := s.addCustomer(s.newCustomer("c-1"))
	tx := s.addTransaction(s.deposit("t-1", 100, epoch))
	acme := s.in(t, "acme")
	_, byID := acme.Customer(t.Context(), "acme", c.ID)
	_, byExternalID := acme.CustomerByExternalID(t.Context(), "acme", "c-1", "shoes")
	_, updated := acme.UpdateCustomer(t.Context(), "acme", c.ID, func(f *tracker.CustomerFields) error { f.Note = "!"; return nil })
	_, transaction := acme.Transaction(t.Context(), "acme", tx.ID)
	_, _, added := acme.AddTransaction(t.Context(), acme.deposit("t-1", 100, epoch))
	_, erased := acme.Erase(t.Context(), "acme", tracker.Subject{CustomerID: c.ID})
	exported := acme.Export(t.Context(), "acme", tracker.Subject{CustomerID: c.ID}, func(string, any) error { return nil })
	for i, err := range []error{byID, byExternalID, updated, transaction, added, erased, exported} {
		if !errors.Is(err, tracker.ErrNotFound) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	customers, _, err := acme.Customers(t.Context(), "acme", tracker.CustomerFilter{}, tracker.Page{})
	if err != nil || len(customers) > 0 {
		t.Errorf("the customers are %+v, %v", customers, err)
	}
	transactions, _, err := acme.Transactions(t.Context(), "acme", tracker.TransactionFilter{CustomerID: c.ID}, tracker.Page{})
	if err != nil || len(transactions) > 0 {
		t.Errorf("the transactions are %+v, %v", transactions, err)
	}
	// The same names are other things there.
	if own := acme.addCustomer(acme.newCustomer("c-1")); own.ID == c.ID || own.LinkID != acme.ann.ID {
		t.Errorf("the customer is %+v", own)
	}
	acme.addTransaction(acme.deposit("t-1", 700, epoch))
	if found := must(s.Customer(t.Context(), s.network, c.ID))(s); found.Note != c.Note || found.Sums[0].Deposits != 100 {
		t.Errorf("the first network's customer is now %+v", found)
	}
}
