package tracker

import "strings"

// Check normalises, fills no times, and returns an Invalid if anything is wrong.
func (n *NewCustomer) Check() error {
	var wrong Invalid
	wrong.err("network", CheckNetwork(n.Network))
	wrong.required("external_id", n.ExternalID, MaxName)
	wrong.text("brand", n.Brand, MaxName)
	n.CustomerFields.check(&wrong)
	n.Evidence.check(&wrong)
	return wrong.Err()
}

// Check normalises, fills no times, and returns an Invalid if anything is wrong.
func (f *CustomerFields) Check() error {
	var wrong Invalid
	f.check(&wrong)
	return wrong.Err()
}

func (f *CustomerFields) check(wrong *Invalid) {
	wrong.text("username", f.Username, MaxName)
	wrong.time("registered_at", f.RegisteredAt)
	wrong.text("country", f.Country, MaxName)
	f.CountryCode = wrong.countryCode("country_code", f.CountryCode)
	wrong.text("category", f.Category, MaxName)
	wrong.text("label", f.Label, MaxName)
	wrong.note("note", f.Note)
}

// countryCode returns a country's code in upper case. It may be empty.
func (e *Invalid) countryCode(field, code string) string {
	code = strings.ToUpper(code)
	if code != "" && (len(code) != 2 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		e.Add(field, "is not two letters of ISO 3166-1")
	}
	return code
}

// maxTransactionType is the most characters of a transaction's type.
const maxTransactionType = 64

// Check normalises, fills no times, and returns an Invalid if anything is wrong.
func (n *NewTransaction) Check() error {
	var wrong Invalid
	wrong.err("network", CheckNetwork(n.Network))
	wrong.required("customer_external_id", n.CustomerExternalID, MaxName)
	wrong.text("customer_brand", n.CustomerBrand, MaxName)
	wrong.required("external_id", n.ExternalID, MaxName)
	wrong.text("type", n.Type, maxTransactionType)
	wrong.time("time", n.Time)
	n.Currency = strings.ToUpper(n.Currency)
	wrong.err("currency", CheckCurrency(n.Currency))
	wrong.money("deposit", n.Deposit, -MaxAmount)
	wrong.money("gross_revenue", n.GrossRevenue, -MaxAmount)
	wrong.money("wagered", n.Wagered, -MaxAmount)
	wrong.money("rev_share_commission", n.RevShareCommission, -MaxAmount)
	wrong.money("cpa_commission", n.CPACommission, -MaxAmount)
	wrong.money("fixed_commission", n.FixedCommission, -MaxAmount)
	wrong.text("product", n.Product, MaxName)
	wrong.text("country", n.Country, MaxName)
	n.CountryCode = wrong.countryCode("country_code", n.CountryCode)
	wrong.text("category", n.Category, MaxName)
	wrong.text("label", n.Label, MaxName)
	wrong.note("note", n.Note)
	return wrong.Err()
}
