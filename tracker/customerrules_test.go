package tracker

import (
	"testing"
	"time"
)

func customer() NewCustomer {
	return NewCustomer{Network: "default", ExternalID: "c1", CustomerFields: CustomerFields{CountryCode: "de"}}
}

func TestCustomerCheck(t *testing.T) {
	n := customer()
	if err := n.Check(); err != nil || n.CountryCode != "DE" || !n.RegisteredAt.IsZero() {
		t.Errorf("%+v, %v", n, err)
	}
	with := func(edit func(n *NewCustomer, value string)) func(string) error {
		return func(value string) error {
			n := customer()
			edit(&n, value)
			return n.Check()
		}
	}
	checkText(t, "external_id", with(func(n *NewCustomer, v string) { n.ExternalID = v }))
	checkText(t, "brand", with(func(n *NewCustomer, v string) { n.Brand = v }))
	checkText(t, "username", with(func(n *NewCustomer, v string) { n.Username = v }))
	checkText(t, "country", with(func(n *NewCustomer, v string) { n.Country = v }))
	checkText(t, "category", with(func(n *NewCustomer, v string) { n.Category = v }))
	checkText(t, "label", with(func(n *NewCustomer, v string) { n.Label = v }))
	checkText(t, "coupon", with(func(n *NewCustomer, v string) { n.Evidence.Coupon = v }))
	bad := NewCustomer{CustomerFields: CustomerFields{CountryCode: "D1", RegisteredAt: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC), Note: "\x00"}}
	if got := paths(bad.Check()); got != "network external_id registered_at country_code note" {
		t.Errorf("wrong are %s", got)
	}
	if got := paths(bad.CustomerFields.Check()); got != "registered_at country_code note" {
		t.Errorf("of the fields, wrong are %s", got)
	}
	for _, code := range []string{"D", "DEU", "ÄÖ", "é", "D ", "12"} {
		f := CustomerFields{CountryCode: code}
		if got := paths(f.Check()); got != "country_code" {
			t.Errorf("%q: %s", code, got)
		}
	}
}

func transaction() NewTransaction {
	return NewTransaction{
		Network: "default", CustomerExternalID: "c1",
		TransactionFields: TransactionFields{ExternalID: "t1", Type: "deposit", Currency: "eur", Deposit: 5000, GrossRevenue: -100},
	}
}

func TestTransactionCheck(t *testing.T) {
	n := transaction()
	if err := n.Check(); err != nil || n.Currency != "EUR" || !n.Time.IsZero() {
		t.Errorf("%+v, %v", n, err)
	}
	n.Deposit, n.GrossRevenue = MaxAmount, -MaxAmount
	if err := n.Check(); err != nil {
		t.Error(err)
	}
	checkText(t, "external_id", func(v string) error { n := transaction(); n.ExternalID = v; return n.Check() })
	checkText(t, "customer_external_id", func(v string) error { n := transaction(); n.CustomerExternalID = v; return n.Check() })
	checkText(t, "customer_brand", func(v string) error { n := transaction(); n.CustomerBrand = v; return n.Check() })
	checkText(t, "type", func(v string) error { n := transaction(); n.Type = v; return n.Check() })
	checkText(t, "country", func(v string) error { n := transaction(); n.Country = v; return n.Check() })
	n = transaction()
	if n.CountryCode = "de"; n.Check() != nil || n.CountryCode != "DE" {
		t.Errorf("the code of a country is %q", n.CountryCode)
	}
	checkText(t, "product", func(v string) error { n := transaction(); n.Product = v; return n.Check() })
	checkText(t, "category", func(v string) error { n := transaction(); n.Category = v; return n.Check() })
	checkText(t, "label", func(v string) error { n := transaction(); n.Label = v; return n.Check() })
	bad := NewTransaction{TransactionFields: TransactionFields{
		Time: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), Deposit: MaxAmount + 1, GrossRevenue: -MaxAmount - 1, Wagered: 1<<63 - 1, RevShareCommission: -1 << 63,
		CPACommission: MaxAmount + 1, FixedCommission: MaxAmount + 1, CountryCode: "D1", Note: "\xff",
	}}
	want := "network customer_external_id external_id time currency deposit gross_revenue wagered rev_share_commission cpa_commission fixed_commission country_code note"
	if got := paths(bad.Check()); got != want {
		t.Errorf("wrong are %s", got)
	}
}
