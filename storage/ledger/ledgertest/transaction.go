package ledgertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var transactionTests = []test{
	{"transactions and their sums", testTransactions},
	{"transactions by filters and pages", testTransactionList},
}

// deposit is a transaction of the customer c-1.
func (s *shop) deposit(externalID string, amount int64, at time.Time) tracker.NewTransaction {
	return tracker.NewTransaction{
		Network: s.network, CustomerExternalID: "c-1", CustomerBrand: "shoes",
		TransactionFields: tracker.TransactionFields{
			ExternalID: externalID, Type: "deposit", Time: at, Currency: "EUR", Deposit: amount, Note: "a note",
		},
	}
}

func (s *shop) addTransaction(n tracker.NewTransaction) tracker.Transaction {
	s.Helper()
	answer, replayed, err := s.AddTransaction(s.Context(), n)
	if err != nil || replayed {
		s.Fatalf("adding transaction %s: replayed %t, %v", n.ExternalID, replayed, err)
	}
	return decode[tracker.Transaction](s, answer)
}

func testTransactions(t *testing.T, db Database) {
	s := newShop(t, db)
	c := s.addCustomer(s.newCustomer("c-1"))
	day := func(n int) time.Time { return epoch.AddDate(0, 0, n).UTC() }
	s.addTransaction(s.deposit("t-0", 0, day(-30)))
	s.addTransaction(s.deposit("t-1", 5000, day(-1)))
	added := s.addTransaction(s.deposit("t-2", 3000, day(-2))) // came later, and was earlier
	s.addTransaction(s.deposit("t-3", -3000, day(-3)))
	s.addTransaction(s.deposit("t-4", 7000, time.Time{}))
	other := s.deposit("t-5", 0, day(0))
	other.Currency, other.Type = "usd", "revenue"
	other.GrossRevenue, other.Wagered, other.RevShareCommission, other.CPACommission, other.FixedCommission = 1, 2, 3, 4, -5
	s.addTransaction(other)
	s.addTransaction(func() tracker.NewTransaction { o := other; o.ExternalID = "t-6"; return o }())

	if added.CustomerID != c.ID || added.Deposit != 3000 || !added.Time.Equal(day(-2)) || !added.CreatedAt.Equal(s.clock()) {
		t.Errorf("a transaction is %+v", added)
	}
	if found := must(s.Transaction(t.Context(), s.network, added.ID))(s); !reflect.DeepEqual(found, added) {
		t.Errorf("read it is\n%+v, answered\n%+v", found, added)
	}
	first, commission := day(-2), day(0)
	want := []tracker.CustomerSum{
		{Currency: "EUR", Transactions: 5, Deposits: 12000, FirstDepositAt: &first, FirstDeposit: 3000},
		{Currency: "USD", Transactions: 2, GrossRevenue: 2, Wagered: 4, RevShareCommission: 6, CPACommission: 8, FixedCommission: -10,
			FirstCPAAt: &commission},
	}
	if got := must(s.Customer(t.Context(), s.network, c.ID))(s).Sums; !reflect.DeepEqual(got, want) {
		t.Errorf("the sums are\n%+v, want\n%+v", got, want)
	}

	answer, replayed, err := s.AddTransaction(t.Context(), s.deposit("t-2", 3000, day(-9)))
	if again := decode[tracker.Transaction](s, answer); err != nil || !replayed || again != added {
		t.Errorf("repeated: replayed %t, %v, %+v", replayed, err, again)
	}
	if _, _, err := s.AddTransaction(t.Context(), s.deposit("t-2", 3001, day(-2))); !errors.Is(err, tracker.ErrConflict) {
		t.Errorf("with other content: %v", err)
	}
	stranger := s.deposit("t-9", 1, day(0))
	stranger.CustomerBrand = "hats"
	if _, _, err := s.AddTransaction(t.Context(), stranger); !errors.Is(err, tracker.ErrNotFound) {
		t.Errorf("of a customer who is unknown: %v", err)
	}
	var invalid tracker.Invalid
	if _, _, err := s.AddTransaction(t.Context(), s.deposit("t-9", tracker.MaxAmount+1, day(0))); !errors.As(err, &invalid) {
		t.Errorf("of too much: %v", err)
	}
	if got := must(s.Customer(t.Context(), s.network, c.ID))(s).Sums; !reflect.DeepEqual(got, want) {
		t.Errorf("what was not taken moved the sums to %+v", got)
	}
}

// testTransactionsAtOnce reports transactions of few customers several times, by two hubs at once. The sums are what a
// plain addition says.
func testTransactionsAtOnce(t *testing.T, db Database) {
	s, random := newShop(t, db), rand.New(rand.NewPCG(1, 2))
	hubs := []*shop{s, s.also(db)}
	const customers, transactions, reports = 3, 30, 3
	for i := range customers {
		s.addCustomer(s.newCustomer(fmt.Sprintf("c-%d", i)))
	}
	sums := map[string]map[string]*tracker.CustomerSum{}
	var reporting sync.WaitGroup
	for i := range transactions {
		at := epoch.Add(time.Duration(random.IntN(1000))*time.Minute + time.Duration(i)*time.Millisecond) // no two at once
		n := s.deposit(fmt.Sprintf("t-%d", i), int64(random.IntN(2000)-500), at.UTC())
		n.CustomerExternalID = fmt.Sprintf("c-%d", random.IntN(customers))
		n.Currency = []string{"EUR", "USD"}[random.IntN(2)]
		n.GrossRevenue = int64(random.IntN(100))
		addTo(sums, n)
		for j := range reports {
			reporting.Go(func() {
				if _, _, err := hubs[j%2].AddTransaction(t.Context(), n); err != nil {
					t.Errorf("transaction %d: %v", i, err)
				}
			})
		}
	}
	reporting.Wait()
	for id, want := range sums {
		got := must(s.CustomerByExternalID(t.Context(), s.network, id, "shoes"))(s).Sums
		if len(got) != len(want) {
			t.Errorf("customer %s has the sums %+v", id, got)
		}
		for _, sum := range got {
			if !reflect.DeepEqual(&sum, want[sum.Currency]) {
				t.Errorf("customer %s has\n%+v, want\n%+v", id, sum, *want[sum.Currency])
			}
		}
	}
}

// addTo adds a transaction to the sums of its customer.
func addTo(sums map[string]map[string]*tracker.CustomerSum, n tracker.NewTransaction) {
	if sums[n.CustomerExternalID] == nil {
		sums[n.CustomerExternalID] = map[string]*tracker.CustomerSum{}
	}
	sum := sums[n.CustomerExternalID][n.Currency]
	if sum == nil {
		sum = &tracker.CustomerSum{Currency: n.Currency}
		sums[n.CustomerExternalID][n.Currency] = sum
	}
	sum.Transactions++
	sum.Deposits += n.Deposit
	sum.GrossRevenue += n.GrossRevenue
	if n.Deposit > 0 && (sum.FirstDepositAt == nil || n.Time.Before(*sum.FirstDepositAt)) {
		sum.FirstDepositAt, sum.FirstDeposit = &n.Time, n.Deposit
	}
}

func testTransactionList(t *testing.T, db Database) {
	s := newShop(t, db)
	s.addCustomer(s.newCustomer("c-1"))
	s.addCustomer(s.newCustomer("c-2"))
	var all []tracker.Transaction // newest first
	for i := range 20 {
		n := s.deposit(fmt.Sprintf("t-%d", i), 100, epoch.AddDate(0, 0, -i))
		n.CustomerExternalID = []string{"c-1", "c-2"}[i%2]
		n.Type = []string{"deposit", "revenue", ""}[i%3]
		all = slices.Insert(all, 0, s.addTransaction(n))
		s.pass(time.Second)
	}
	for name, c := range map[string]struct {
		filter tracker.TransactionFilter
		want   func(tx tracker.Transaction) bool
	}{
		"all": {tracker.TransactionFilter{}, func(tracker.Transaction) bool { return true }},
		"customer": {tracker.TransactionFilter{CustomerID: all[0].CustomerID}, func(tx tracker.Transaction) bool {
			return tx.CustomerID == all[0].CustomerID
		}},
		"external id": {tracker.TransactionFilter{ExternalID: "t-3"}, func(tx tracker.Transaction) bool { return tx.ExternalID == "t-3" }},
		"type":        {tracker.TransactionFilter{Type: "revenue"}, func(tx tracker.Transaction) bool { return tx.Type == "revenue" }},
		"time": {tracker.TransactionFilter{MinTime: all[3].Time, MaxTime: all[5].Time}, func(tx tracker.Transaction) bool {
			return !tx.Time.Before(all[3].Time) && !tx.Time.After(all[5].Time)
		}},
	} {
		want := slices.DeleteFunc(slices.Clone(all), func(one tracker.Transaction) bool { return !c.want(one) })
		var got []tracker.Transaction
		p := tracker.Page{Limit: 3}
		for {
			page, next, err := s.Transactions(t.Context(), s.network, c.filter, p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page...)
			if p.After = next; next == "" {
				break
			}
		}
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %d transactions, want %d", name, len(got), len(want))
		}
	}
}
