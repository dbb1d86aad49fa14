package tracker

import (
	"cmp"
	"math/bits"
	"slices"
)

// Wages returns the parts of a conversion in that currency with the wage that the rules pay on each. A part follows the rule
// of its name, or else the one named DefaultCommission, or else earns nothing.
//
// Shares are exact: those of all parts are summed in millionths of a minor unit, the sum is rounded once, half up, and
// split among the parts by largest remainder, of equal ones to the earlier. So a share never exceeds its part. A fixed sum is
// added as it stands, once for a conversion in its currency, to the first part that follows its rule; it does not
// depend on the amount, so whoever takes a whole conversion back takes the wage back as well.
func Wages(parts []Part, currency string, rules []Commission) []Part {
	paid := make([]Part, len(parts))
	remainders := make([]uint64, len(parts)) // millionths
	rest := uint64(0)                        // their sum
	fixed := map[string]bool{}               // rules whose sum is given out
	for i, part := range parts {
		paid[i] = Part{Name: part.Name, SubAmount: part.SubAmount}
		rule := ruleOf(part.Name, rules)
		switch {
		case rule == nil:
		case rule.Fixed == nil:
			paid[i].Wage, remainders[i] = mulDiv(part.SubAmount, int64(rule.Percent), int64(Hundred))
			rest += remainders[i]
		case rule.Fixed.Currency == currency && !fixed[rule.Name]:
			paid[i].Wage = rule.Fixed.Amount
			fixed[rule.Name] = true
		}
	}
	units := (rest + uint64(Hundred)/2) / uint64(Hundred)
	for _, i := range largest(remainders, int(units)) {
		paid[i].Wage++
	}
	return paid
}

// ruleOf returns the rule that a part of that name follows, or nil.
func ruleOf(name string, rules []Commission) *Commission {
	var fallback *Commission
	for i := range rules {
		switch rules[i].Name {
		case name:
			return &rules[i]
		case DefaultCommission:
			fallback = &rules[i]
		}
	}
	return fallback
}

// ScaleParts returns the parts with sub-amounts in the same proportion that add up to amount, which is not negative: rounded
// down, and what is left goes to the largest remainders, of equal ones to the earlier. Parts that come to nothing have no
// proportion: there the first takes all. Wages are 0 afterwards; see Wages.
func ScaleParts(parts []Part, amount int64) []Part {
	if len(parts) == 0 {
		return []Part{{Name: DefaultCommission, SubAmount: amount}}
	}
	total := int64(0)
	for _, part := range parts {
		total += part.SubAmount
	}
	scaled := make([]Part, len(parts))
	remainders := make([]uint64, len(parts))
	left := amount
	for i, part := range parts {
		scaled[i].Name = part.Name
		if total > 0 {
			scaled[i].SubAmount, remainders[i] = mulDiv(part.SubAmount, amount, total)
			left -= scaled[i].SubAmount
		}
	}
	if total == 0 {
		scaled[0].SubAmount = amount
		return scaled
	}
	for _, i := range largest(remainders, int(left)) {
		scaled[i].SubAmount++
	}
	return scaled
}

// mulDiv returns a × b / c, rounded down, and the remainder. None is negative, and neither a nor b, or only one of them,
// exceeds c, so the result fits; the product need not.
func mulDiv(a, b, c int64) (int64, uint64) {
	high, low := bits.Mul64(uint64(a), uint64(b))
	quotient, remainder := bits.Div64(high, low, uint64(c))
	return int64(quotient), remainder
}

// largest returns the indices of the n largest, of equal ones the earlier.
func largest(remainders []uint64, n int) []int {
	order := make([]int, len(remainders))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainders[b], remainders[a]) })
	return order[:n]
}
