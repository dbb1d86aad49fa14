package tracker

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

func fullSale() NewConversion {
	n := NewConversion{
		Network: "default", ExternalID: "12345", Type: TypeLead, Amount: 12345, Currency: "KWD", Coupon: "SARA10", Name: "newsletter",
		Commissions: []Part{{"shoes", 12000, 0}, {"bags", 345, 0}},
		MetaData:    json.RawMessage(`{"b":"x","a":[null,true,1.50,"é<"],"c":{}}`),
	}
	n.Evidence.CustomerExternalID, n.Evidence.CustomerBrand = "c1", "shop"
	return n
}

// TestContentHashesNeverChange pins what is in every ledger: if it fails, all repeats become conflicts.
func TestContentHashesNeverChange(t *testing.T) {
	bare, full := sale(), fullSale()
	if err := bare.Check(); err != nil {
		t.Fatal(err)
	}
	if err := full.Check(); err != nil {
		t.Fatal(err)
	}
	back := refund()
	back.Currency, back.Note = "EUR", "sent back"
	person := NewCustomer{CustomerFields: CustomerFields{
		Username: "sara", Country: "Germany", CountryCode: "DE", RevShareExcluded: true, Category: "vip", Label: "l", Note: "n",
	}}
	moved := transaction()
	moved.CustomerBrand, moved.Currency = "shop", "EUR"
	moved.RevShareCommission, moved.CPACommission, moved.FixedCommission = 1, 2, 3
	moved.Product, moved.Category, moved.Label, moved.Note = "p", "c", "l", "n"
	for _, test := range []struct{ name, hash, want string }{
		{"a sale", bare.ContentHash(), "f5c10ab0ef87f2ae982beada9d84c916ef1eea16b26dbc4a0ce4bc87d30ddfb2"},
		{"a lead with everything", full.ContentHash(), "353a09e62640a293c7987084372d6aa73f6f422113403d9b59e58542df3f137a"},
		{"a refund", back.ContentHash(), "789b0bafc9a4468f330a117e38bbcec8163a5e5dcea2a3b497057a49e9135cc0"},
		{"a customer", person.ContentHash(), "1bd9aade1b673e4e15798354c9662cd318133d77815f48adbd645ef6b43941f7"},
		{"a transaction", moved.ContentHash(), "5410a420808d799136aadc4ef40f2f17f18d3301a4a0a717ebc05021bd2c9db8"},
	} {
		if test.hash != test.want {
			t.Errorf("%s has the hash %s, want %s", test.name, test.hash, test.want)
		}
	}
}

// change is an edit of something and what it is called.
type change[T any] struct {
	name string
	edit func(n *T)
}

// checkHashes checks that the same edits leave a hash as it is, and that the others give each another one.
func checkHashes[T any](t *testing.T, make func() T, hash func(n *T) string, same, other []change[T]) {
	t.Helper()
	first := make()
	seen := []string{hash(&first)}
	for _, c := range same {
		n := make()
		if c.edit(&n); hash(&n) != seen[0] {
			t.Errorf("%s: the hash is another", c.name)
		}
	}
	for _, c := range other {
		n := make()
		c.edit(&n)
		if slices.Contains(seen, hash(&n)) {
			t.Errorf("%s: the hash is the same", c.name)
		}
		seen = append(seen, hash(&n))
	}
}

func TestConversionContent(t *testing.T) {
	type edits = []change[NewConversion]
	checkHashes(t, fullSale, (*NewConversion).ContentHash, edits{
		{"another id", func(n *NewConversion) { n.ID = "x" }},
		{"another time", func(n *NewConversion) { n.OccurredAt = testTime }},
		{"another status", func(n *NewConversion) { n.Status = StatusApproved }},
		{"another actor", func(n *NewConversion) { n.Actor = "x" }},
		{"another request", func(n *NewConversion) { n.IdempotencyKey = "x" }},
		{"another policy", func(n *NewConversion) { n.Duplicates = DuplicateNew }},
		{"a token", func(n *NewConversion) { n.Evidence.Token = &Token{} }},
		{"a cookie", func(n *NewConversion) { n.Evidence.Cookie = &Token{} }},
		{"a session", func(n *NewConversion) { n.Evidence.Session = SessionID{1} }},
		{"consent", func(n *NewConversion) { n.Evidence.Consent = "given" }},
		{"wages", func(n *NewConversion) { n.Commissions = []Part{{"shoes", 12000, 7}, {"bags", 345, 7}} }},
		{"meta data in another spelling", func(n *NewConversion) {
			n.MetaData = json.RawMessage(` { "c":{ }, "a" : [null, true, 1.50, "\u00e9\u003c"],"b":"\u0078"}`)
		}},
	}, edits{
		{"type", func(n *NewConversion) { n.Type = TypeSale }},
		{"amount", func(n *NewConversion) { n.Amount++ }},
		{"currency", func(n *NewConversion) { n.Currency = "BHD" }},
		{"coupon", func(n *NewConversion) { n.Coupon = "" }},
		{"name", func(n *NewConversion) { n.Name = "x" }},
		{"coupon and name run together", func(n *NewConversion) { n.Coupon, n.Name = "SARA10newsletter", "" }},
		{"coupon and name exchanged", func(n *NewConversion) { n.Coupon, n.Name = n.Name, n.Coupon }},
		{"customer", func(n *NewConversion) { n.Evidence.CustomerExternalID = "c2" }},
		{"brand", func(n *NewConversion) { n.Evidence.CustomerBrand = "" }},
		{"a part's name", func(n *NewConversion) { n.Commissions[1].Name = "hats" }},
		{"a part's amount", func(n *NewConversion) { n.Commissions[0].SubAmount, n.Commissions[1].SubAmount = 345, 12000 }},
		{"a part more", func(n *NewConversion) { n.Commissions = append(n.Commissions, Part{"hats", 0, 0}) }},
		{"no meta data", func(n *NewConversion) { n.MetaData = nil }},
		{"a number in another spelling", func(n *NewConversion) { n.MetaData = json.RawMessage(`{"b":"x","a":[null,true,1.5,"é<"],"c":{}}`) }},
		{"a string for a number", func(n *NewConversion) { n.MetaData = json.RawMessage(`{"b":"x","a":[null,true,"1.50","é<"],"c":{}}`) }},
		{"an array for an object", func(n *NewConversion) { n.MetaData = json.RawMessage(`{"b":"x","a":[null,true,1.50,"é<"],"c":[]}`) }},
		{"nested otherwise", func(n *NewConversion) { n.MetaData = json.RawMessage(`{"b":"x","a":[null,true,1.50,"é<",{}],"c":{}}`) }},
		{"a key less", func(n *NewConversion) { n.MetaData = json.RawMessage(`{"b":"x","a":[null,true,1.50,"é<"]}`) }},
	})
}

func TestRefundContent(t *testing.T) {
	type edits = []change[NewRefund]
	checkHashes(t, refund, (*NewRefund).ContentHash, edits{
		{"another actor", func(n *NewRefund) { n.Actor = "x" }},
	}, edits{
		{"type", func(n *NewRefund) { n.ConversionType = TypeLead }},
		{"conversion", func(n *NewRefund) { n.ConversionExternalID = "x" }},
		{"amount", func(n *NewRefund) { n.Amount++ }},
		{"currency", func(n *NewRefund) { n.Currency = "USD" }},
		{"note", func(n *NewRefund) { n.Note = "x" }},
	})
}

func TestCustomerContent(t *testing.T) {
	type edits = []change[NewCustomer]
	checkHashes(t, customer, (*NewCustomer).ContentHash, edits{
		{"a time", func(n *NewCustomer) { n.RegisteredAt = time.Now() }},
		{"a session", func(n *NewCustomer) { n.Evidence.Session = SessionID{1} }},
	}, edits{
		{"username", func(n *NewCustomer) { n.Username = "x" }},
		{"country", func(n *NewCustomer) { n.Country = "x" }},
		{"country code", func(n *NewCustomer) { n.CountryCode = "FR" }},
		{"revenue share", func(n *NewCustomer) { n.RevShareExcluded = true }},
		{"CPA", func(n *NewCustomer) { n.CPAExcluded = true }},
		{"category", func(n *NewCustomer) { n.Category = "x" }},
		{"label", func(n *NewCustomer) { n.Label = "x" }},
		{"note", func(n *NewCustomer) { n.Note = "x" }},
	})
}

func TestTransactionContent(t *testing.T) {
	type edits = []change[NewTransaction]
	checkHashes(t, transaction, (*NewTransaction).ContentHash, edits{
		{"a time", func(n *NewTransaction) { n.Time = time.Now() }},
	}, edits{
		{"customer", func(n *NewTransaction) { n.CustomerExternalID = "x" }},
		{"brand", func(n *NewTransaction) { n.CustomerBrand = "x" }},
		{"type", func(n *NewTransaction) { n.Type = "x" }},
		{"currency", func(n *NewTransaction) { n.Currency = "USD" }},
		{"deposit", func(n *NewTransaction) { n.Deposit++ }},
		{"revenue", func(n *NewTransaction) { n.GrossRevenue++ }},
		{"wagered", func(n *NewTransaction) { n.Wagered++ }},
		{"revenue share", func(n *NewTransaction) { n.RevShareCommission++ }},
		{"CPA", func(n *NewTransaction) { n.CPACommission++ }},
		{"fixed", func(n *NewTransaction) { n.FixedCommission++ }},
		{"product", func(n *NewTransaction) { n.Product = "x" }},
		{"category", func(n *NewTransaction) { n.Category = "x" }},
		{"label", func(n *NewTransaction) { n.Label = "x" }},
		{"note", func(n *NewTransaction) { n.Note = "x" }},
		{"country", func(n *NewTransaction) { n.Country = "DE" }},
		{"country code", func(n *NewTransaction) { n.CountryCode = "DE" }},
	})
}
