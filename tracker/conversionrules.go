package tracker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxParts is how many parts a conversion may have.
const MaxParts = 50

// MaxMetaData is the size in bytes of a conversion's meta data.
const MaxMetaData = 8 << 10

// Check fills defaults, but neither times nor ids, and returns an Invalid if anything is wrong.
func (n *NewConversion) Check() error {
	var wrong Invalid
	n.checkIdentity(&wrong)
	n.Currency = strings.ToUpper(n.Currency)
	wrong.money("amount", n.Amount, 0)
	wrong.err("currency", CheckCurrency(n.Currency))
	if len(n.Commissions) > 0 {
		n.Commissions = checkParts(&wrong, n.Commissions, &n.Amount)
	} else { // nobody said a part, so nothing is wrong with one
		n.Commissions = []Part{{Name: DefaultCommission, SubAmount: n.Amount}}
	}
	orDefault(&n.Status, StatusPending)
	oneOf(&wrong, "status", n.Status, StatusPending, StatusApproved)
	wrong.text("name", n.Name, MaxName)
	n.MetaData = checkMetaData(&wrong, n.MetaData)
	wrong.time("occurred_at", n.OccurredAt)
	if n.Duplicates != "" {
		checkDuplicates(&wrong, n.Duplicates)
	}
	orDefault(&n.Coupon, n.Evidence.Coupon)
	n.Evidence.Coupon = n.Coupon
	n.Evidence.check(&wrong)
	wrong.text("Idempotency-Key", n.IdempotencyKey, MaxName)
	return wrong.Err()
}

func (n *NewConversion) checkIdentity(wrong *Invalid) {
	if n.ID != "" {
		if _, err := ParseSessionID(n.ID); err != nil {
			wrong.Add("id", "is not a UUID")
		}
	}
	wrong.err("network", CheckNetwork(n.Network))
	orDefault(&n.Source, SourceAPI)
	checkSource(wrong, n.Source)
	wrong.required("external_id", n.ExternalID, MaxName)
	checkType(wrong, "type", n.Type)
}

func checkSource(wrong *Invalid, source string) {
	if CheckCode(source) != nil {
		wrong.Add("source", "is not 1 to 64 of A-Z a-z 0-9 _ -")
	}
}

func checkType(wrong *Invalid, field string, kind ConversionType) {
	oneOf(wrong, field, kind, TypeBuy, TypeSale, TypeLead, TypeClick)
}

// checkParts returns a copy without wages. The parts add up to the amount, if it is given.
func checkParts(wrong *Invalid, parts []Part, amount *int64) []Part {
	checked := []Part{}
	if wrong.tooMany("commissions", len(parts), MaxParts) {
		return checked
	}
	sum := int64(0)
	for i, part := range parts {
		field := fmt.Sprintf("commissions[%d].", i)
		wrong.required(field+"name", part.Name, maxCommissionName)
		wrong.money(field+"sub_amount", part.SubAmount, 0)
		checked = append(checked, Part{Name: part.Name, SubAmount: part.SubAmount})
		sum += part.SubAmount
	}
	if amount != nil && sum != *amount {
		wrong.Add("commissions", "do not add up to the amount")
	}
	return checked
}

// checkMetaData returns the object without white space, and nil for an empty one or null.
func checkMetaData(wrong *Invalid, data json.RawMessage) json.RawMessage {
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 || string(trimmed) == "null" {
		return nil
	}
	var compact bytes.Buffer
	switch {
	case len(trimmed) > MaxMetaData:
		wrong.Add("meta_data", fmt.Sprintf("has more than %d bytes", MaxMetaData))
	case trimmed[0] != '{' || !utf8.Valid(trimmed) || json.Compact(&compact, trimmed) != nil:
		wrong.Add("meta_data", "is not a JSON object")
	case compact.Len() > len("{}"):
		return compact.Bytes()
	}
	return nil
}

func (e *Evidence) check(wrong *Invalid) {
	if e.CustomerID != "" {
		id, err := ParseSessionID(e.CustomerID)
		if err != nil {
			wrong.Add("customer_id", "must be a UUID")
		}
		e.CustomerID = id.String()
	}
	wrong.text("customer_external_id", e.CustomerExternalID, MaxName)
	wrong.text("customer_brand", e.CustomerBrand, MaxName)
	wrong.text("coupon", e.Coupon, MaxName)
	if e.Consent != "" {
		oneOf(wrong, "consent", e.Consent, "given", "refused")
	}
}

// Check returns an Invalid if anything is wrong.
func (u ConversionUpdate) Check() error {
	var wrong Invalid
	if u.Status != nil {
		oneOf(&wrong, "status", *u.Status, StatusPending, StatusApproved, StatusRejected)
	}
	if u.Amount != nil {
		wrong.money("amount", *u.Amount, 0)
	}
	if len(u.Commissions) > 0 {
		checkParts(&wrong, u.Commissions, u.Amount)
	}
	if u.Paid != nil && !*u.Paid {
		wrong.Add("paid", "cannot be taken back")
	}
	wrong.note("note", u.Note)
	return wrong.Err()
}

// Check fills defaults and returns an Invalid if anything is wrong.
func (n *NewRefund) Check() error {
	var wrong Invalid
	wrong.err("network", CheckNetwork(n.Network))
	orDefault(&n.Source, SourceAPI)
	oneOf(&wrong, "source", n.Source, Sources...) // of another one no conversion would ever come
	wrong.required("external_id", n.ExternalID, MaxName)
	checkType(&wrong, "conversion_type", n.ConversionType)
	wrong.required("conversion_external_id", n.ConversionExternalID, MaxName)
	n.Currency = strings.ToUpper(n.Currency)
	wrong.money("amount", n.Amount, 1)
	wrong.err("currency", CheckCurrency(n.Currency))
	wrong.note("note", n.Note)
	return wrong.Err()
}
