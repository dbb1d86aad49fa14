package affelios

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// deposit is the body of a transaction of the customer c-1; more is what else it says, with a comma before it.
func deposit(externalID, more string) string {
	return `{"externalId":"` + externalID + `","type":"deposit","externalCustomerId":"c-1","externalBrandId":"brand-1"` + more + `}`
}

func TestTransactionsAndTheirSums(t *testing.T) {
	s := newShop(t)
	id := *s.create("c-1", "").ID
	fresh := s.do("GET", "/api/v1/customer/"+id, "").want(200).customer()
	if fresh.HasDeposited || text(fresh.FTDDate) != noDate || text(fresh.CPAQualificationDate) != noDate || fresh.LifetimeRevenue != "0" ||
		fresh.FirstDepositAmount != nil || fresh.LifetimeDeposits != nil || fresh.Transactions == nil || len(fresh.Transactions) > 0 {
		t.Errorf("before, the customer is %+v", fresh)
	}
	for _, body := range []string{
		deposit("t-1", `,"transactionDate":"2026-11-20T10:00:00Z","depositAmount":100,"grossRevenue":12.34,"revShareCommission":3.5`),
		deposit("t-2", `,"transactionDate":"2026-11-19T10:00:00.25Z","depositAmount":20.5,"wageredAmount":-7,"cpaCommission":50`),
		deposit("t-3", `,"transactionDate":"2026-11-18T10:00:00Z","depositAmount":-20.50,"grossRevenue":-2.04,"fixedCommission":"0.01"`),
	} {
		if r := s.do("POST", "/api/v1/transaction", body).want(202); r.body != "" {
			t.Errorf("the answer is %q", r.body)
		}
	}
	c := s.do("GET", "/api/v1/customer/"+id, "").want(200).customer()
	if !c.HasDeposited || text(c.FTDDate) != "2026-11-19T10:00:00.25Z" || !c.CPAQualified ||
		text(c.CPAQualificationDate) != "2026-11-19T10:00:00.25Z" || c.LifetimeRevenue != "10.3" || *c.FirstDepositAmount != "20.5" ||
		*c.LifetimeDeposits != "100" || c.LifetimeCommission != "53.51" {
		t.Errorf("the customer is %+v", c)
	}
	if len(c.Transactions) != 3 {
		t.Fatalf("the transactions are %+v", c.Transactions)
	}
	for _, one := range c.Transactions {
		if one.ExternalID == "t-2" && (one.WageredAmount != "-7" || one.CustomerID != id || text(one.ExternalCustomerID) != "c-1") {
			t.Errorf("a transaction is %+v", one)
		}
	}
	s.serve(func(o *Options) { o.NullDates = true; o.Currency = "USD" })
	if other := s.do("GET", "/api/v1/customer/"+id, "").want(200).customer(); other.FTDDate != nil || other.HasDeposited ||
		other.LifetimeRevenue != "0" || len(other.Transactions) > 0 {
		t.Errorf("in another currency the customer is %+v", other)
	}
}

func TestAmountsAreReadDigitByDigit(t *testing.T) {
	s := newShop(t, func(o *Options) { o.Currency = "KWD" })
	s.create("c-1", "")
	for i, amount := range []string{"0", "-0", "0.1", "-12.345", "10000000000", "9999999999.999", `"7.5"`, "null", "1.500000"} {
		s.do("POST", "/api/v1/transaction", deposit(fmt.Sprintf("t-%d", i), `,"grossRevenue":`+amount)).want(202)
	}
	for _, amount := range []string{
		"1e400", "1E2", "0.30000000000000004", "0.0001", "10000000000.001", "99999999999999999999999999", `"NaN"`, `"Infinity"`, `""`,
		`"1,5"`, `" 1"`, `"+1"`, `"--1"`, `"1e2"`, "true", "[]", "{}", `"0x10"`, `"١"`, "-1e400", "1." + strings.Repeat("0", 1000),
	} {
		s.do("POST", "/api/v1/transaction", deposit("x", `,"grossRevenue":`+amount)).refused(400, "GrossRevenue")
	}
	for _, amount := range []string{"NaN", "+1", "01", ".5", "1.", "0x10", "1_000"} {
		s.do("POST", "/api/v1/transaction", deposit("x", `,"grossRevenue":`+amount)).refused(400)
	}
}

func TestTransactionsCountOnce(t *testing.T) {
	s := newShop(t)
	id := *s.create("c-1", "").ID
	body := deposit("t-1", `,"depositAmount":5,"country":"Utopia","country_code":"nl","transactionDate":"2026-11-20T10:00:00Z"`)
	for range 3 {
		s.do("POST", "/api/v1/transaction", body).want(202)
		s.do("POST", "/api/v1/transaction/bulk", "["+body+","+body+"]").want(202)
	}
	s.do("POST", "/api/v1/transaction", deposit("t-1", `,"depositAmount":6`)).refused(409, "ExternalId")
	s.do("POST", "/api/v1/transaction/bulk", "["+deposit("t-2", "")+","+deposit("t-1", "")+"]").refused(409, "[1].ExternalId")
	c := s.do("GET", "/api/v1/customer/"+id, "").want(200).customer()
	if len(c.Transactions) != 1 || *c.LifetimeDeposits != "5" || text(c.Transactions[0].Country) != "Utopia" ||
		text(c.Transactions[0].CountryCode) != "NL" || c.Transactions[0].TransactionDate != "2026-11-20T10:00:00Z" {
		t.Errorf("the customer is %+v", c)
	}
}

// TestBulkIsAllOrNothing: of a list with one fault nothing is booked.
func TestBulkIsAllOrNothing(t *testing.T) {
	s := newShop(t)
	id := *s.create("c-1", "").ID
	good := deposit("t-1", `,"depositAmount":5`)
	for name, c := range map[string]struct {
		entry    string
		status   int
		property string
	}{
		"an unknown customer": {`{"externalId":"t-2","externalCustomerId":"c-9","externalBrandId":"brand-1"}`, 422, "[1].ExternalCustomerId"},
		"another brand":       {`{"externalId":"t-2","externalCustomerId":"c-1","externalBrandId":"b"}`, 422, "[1].ExternalCustomerId"},
		"no external id":      {`{"externalCustomerId":"c-1","externalBrandId":"brand-1"}`, 400, "[1].ExternalId"},
		"no brand":            {`{"externalId":"t-2","externalCustomerId":"c-1"}`, 400, "[1].ExternalBrandId"},
		"no customer":         {`{"externalId":"t-2"}`, 400, "[1].ExternalCustomerId"},
		"only an affiliate":   {`{"externalId":"t-2","affiliateId":"1"}`, 400, "[1].ExternalCustomerId"},
		"a wrong amount":      {deposit("t-2", `,"depositAmount":0.001`), 400, "[1].DepositAmount"},
		"a long type":         {strings.Replace(deposit("t-2", ""), `"deposit"`, `"`+strings.Repeat("x", 65)+`"`, 1), 400, "[1].Type"},
		"no object":           {`7`, 400, "[1]"},
		"a conflict":          {deposit("t-1", `,"depositAmount":6`), 409, "[1].ExternalId"},
		"another's affiliate": {deposit("t-2", `,"affiliateId":"99"`), 422, "[1].AffiliateId"},
	} {
		t.Run(name, func(t *testing.T) {
			s.do("POST", "/api/v1/transaction/bulk", "["+good+","+c.entry+"]").refused(c.status, c.property)
		})
	}
	s.do("POST", "/api/v1/transaction/bulk", good).refused(400)
	s.do("POST", "/api/v1/transaction/bulk", "[]").want(202)
	if c := s.do("GET", "/api/v1/customer/"+id, "").want(200).customer(); len(c.Transactions) > 0 {
		t.Errorf("the transactions are %+v", c.Transactions)
	}
}

// TestTransactionNamesItsCustomerByClick: what has no customer's id is the first customer's whom the click brought.
func TestTransactionNamesItsCustomerByClick(t *testing.T) {
	s := newShop(t)
	click, unused := s.click("acme", "ann"), s.click("acme", "ann")
	id := *s.create("c-1", `,"clickId":"`+click.ID.String()+`"`).ID
	for i, key := range []string{click.ID.String(), s.token(click), s.handoff(click)} {
		body := fmt.Sprintf(`{"externalId":"t-%d","clickKey":%q,"depositAmount":1}`, i, key)
		s.do("POST", "/api/v1/transaction", body).want(202)
		s.do("POST", "/api/v1/transaction", body).want(202)
	}
	s.do("POST", "/api/v1/transaction", fmt.Sprintf(`{"externalId":"t-9","ClickKey":%q}`, unused.ID)).refused(422, "ClickKey")
	s.do("POST", "/api/v1/transaction", `{"externalId":"t-9","clickId":"?"}`).refused(422, "ClickKey")
	s.do("POST", "/api/v1/transaction", `{"externalId":"t-9","clickId":"a","clickKey":"b"}`).refused(400, "ClickKey")

	// With a customer, the customer's own click decides; the affiliate has to be theirs.
	affiliate := fmt.Sprintf(`,"affiliateId":"%d"`, s.ann.AffiliateID)
	s.do("POST", "/api/v1/transaction", deposit("t-4", `,"depositAmount":1,"clickKey":"`+unused.ID.String()+`"`+affiliate)).want(202)
	s.do("POST", "/api/v1/transaction", fmt.Sprintf(`{"externalId":"t-9","clickKey":%q,"affiliateId":"99"}`, click.ID)).
		refused(422, "AffiliateId")
	if c := s.do("GET", "/api/v1/customer/"+id, "").want(200).customer(); *c.LifetimeDeposits != "4" {
		t.Errorf("the deposits are %s", *c.LifetimeDeposits)
	}
}

func TestManyTransactionsAtOnce(t *testing.T) {
	s := newShop(t)
	id := *s.create("c-1", "").ID
	list := make([]json.RawMessage, maxEntries)
	for i := range list {
		list[i] = json.RawMessage(deposit(fmt.Sprintf("t-%d", i), `,"depositAmount":0.01,"note":"`+strings.Repeat("n", 300)+`"`))
	}
	body, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	s.do("POST", "/api/v1/transaction/bulk", string(body)).want(202)
	c := s.do("GET", "/api/v1/customer/"+id, "").want(200).customer()
	if *c.LifetimeDeposits != "10" || len(c.Transactions) != maxShown {
		t.Errorf("the deposits are %s, and %d transactions are shown", *c.LifetimeDeposits, len(c.Transactions))
	}
}
