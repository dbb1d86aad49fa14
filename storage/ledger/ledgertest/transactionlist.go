package ledgertest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var transactionListTests = []test{
	{"all are added", testAddTransactions},
	{"all or none", testAddTransactionsFails},
	{"country and first CPA commission", testTransactionCountry},
	{"customer of a session", testCustomerBySession},
}

// deposits are n transactions of the customer c-1, of 1.00 each.
func (s *shop) deposits(n int) []tracker.NewTransaction {
	list := make([]tracker.NewTransaction, n)
	for i := range list {
		list[i] = s.deposit(fmt.Sprintf("t-%d", i), 100, epoch.UTC())
	}
	return list
}

// wantDeposits checks how many transactions the customer c-1 has, of 1.00 each.
func (s *shop) wantDeposits(n int64) {
	s.Helper()
	sums := must(s.CustomerByExternalID(s.Context(), s.network, "c-1", "shoes"))(s).Sums
	if n == 0 && len(sums) == 0 {
		return
	}
	if len(sums) != 1 || sums[0].Transactions != n || sums[0].Deposits != 100*n {
		s.Errorf("the sums are %+v, want those of %d transactions", sums, n)
	}
}

func testAddTransactions(t *testing.T, db Database) {
	s := newShop(t, db)
	s.addCustomer(s.newCustomer("c-1"))
	list := s.deposits(5)
	list = append(list, list[2]) // twice in one list
	for range 2 {
		if err := s.AddTransactions(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		s.wantDeposits(5)
	}
	if err := s.AddTransactions(t.Context(), nil); err != nil {
		t.Errorf("no transactions: %v", err)
	}
}

func testAddTransactionsFails(t *testing.T, db Database) {
	s := newShop(t, db)
	s.addCustomer(s.newCustomer("c-1"))
	var invalid tracker.Invalid
	for name, c := range map[string]struct {
		edit func(n *tracker.NewTransaction)
		is   func(err error) bool
	}{
		"an invalid one":          {func(n *tracker.NewTransaction) { n.Currency = "?" }, func(err error) bool { return errors.As(err, &invalid) }},
		"one of nobody":           {func(n *tracker.NewTransaction) { n.CustomerExternalID = "c-2" }, failsWith(tracker.ErrNotFound)},
		"one of another brand":    {func(n *tracker.NewTransaction) { n.CustomerBrand = "hats" }, failsWith(tracker.ErrNotFound)},
		"one that is two at once": {func(n *tracker.NewTransaction) { n.ExternalID = "t-0"; n.Deposit++ }, failsWith(tracker.ErrConflict)},
		"one of another network":  {func(n *tracker.NewTransaction) { n.Network = "acme" }, failsWith(tracker.ErrNotFound)},
	} {
		list := s.deposits(4)
		c.edit(&list[2])
		err := s.AddTransactions(t.Context(), list)
		var entry *tracker.EntryError
		if !errors.As(err, &entry) || entry.Index != 2 || !c.is(err) {
			t.Errorf("%s: %v", name, err)
		}
		s.wantDeposits(0)
	}
}

func failsWith(want error) func(error) bool {
	return func(err error) bool { return errors.Is(err, want) }
}

// testAddTransactionsAtOnce has two hubs add the same lists, each the other way round.
func testAddTransactionsAtOnce(t *testing.T, db Database) {
	s := newShop(t, db)
	hubs := []*shop{s, s.also(db)}
	s.addCustomer(s.newCustomer("c-1"))
	s.addCustomer(s.newCustomer("c-2"))
	there, back := s.deposits(20), make([]tracker.NewTransaction, 20)
	for i := range there {
		there[i].CustomerExternalID = []string{"c-1", "c-2"}[i%2]
		back[len(back)-1-i] = there[i]
	}
	var adding sync.WaitGroup
	for i, list := range [][]tracker.NewTransaction{there, back, there, back} {
		adding.Go(func() {
			if err := hubs[i%2].AddTransactions(t.Context(), list); err != nil {
				t.Errorf("list %d: %v", i, err)
			}
		})
	}
	adding.Wait()
	s.wantDeposits(10)
}

func testTransactionCountry(t *testing.T, db Database) {
	s := newShop(t, db)
	c := s.addCustomer(s.newCustomer("c-1"))
	day := func(n int) time.Time { return epoch.AddDate(0, 0, n).UTC() }
	for i, commission := range []int64{0, 700, -700, 300, 0} {
		n := s.deposit(fmt.Sprintf("t-%d", i), 0, day(-i))
		n.CPACommission, n.Country, n.CountryCode = commission, "Utopia", "nl"
		added := s.addTransaction(n)
		if found := must(s.Transaction(t.Context(), s.network, added.ID))(s); !reflect.DeepEqual(found, added) ||
			found.Country != "Utopia" || found.CountryCode != "NL" {
			t.Errorf("read it is\n%+v, answered\n%+v", found, added)
		}
	}
	first := day(-3)
	want := []tracker.CustomerSum{{Currency: "EUR", Transactions: 5, CPACommission: 300, FirstCPAAt: &first}}
	if got := must(s.Customer(t.Context(), s.network, c.ID))(s).Sums; !reflect.DeepEqual(got, want) {
		t.Errorf("the sums are\n%+v, want\n%+v", got, want)
	}
	n := s.deposit("t-0", 0, day(0))
	if _, _, err := s.AddTransaction(t.Context(), n); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("reported again without its country: %v", err)
	}
}

func testCustomerBySession(t *testing.T, db Database) {
	s := newShop(t, db)
	n := s.newCustomer("c-1")
	first := s.addCustomer(n)
	session := n.Evidence.Token.Last.Session
	s.pass(time.Hour)
	n.ExternalID = "c-2"
	s.addCustomer(n)
	if found := must(s.CustomerBySession(t.Context(), s.network, session))(s); !reflect.DeepEqual(found, first) {
		t.Errorf("the session brought %+v, want %+v", found, first)
	}
	for name, ask := range map[string]func() (tracker.Customer, error){
		"another session": func() (tracker.Customer, error) {
			return s.CustomerBySession(t.Context(), s.network, tracker.NewSessionID(epoch))
		},
		"no session": func() (tracker.Customer, error) {
			return s.CustomerBySession(t.Context(), s.network, tracker.SessionID{})
		},
		"another network": func() (tracker.Customer, error) { return s.CustomerBySession(t.Context(), "acme", session) },
	} {
		if _, err := ask(); !errors.Is(err, tracker.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
