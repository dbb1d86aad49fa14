package tracker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Money is an amount in a currency.
type Money struct {
	Amount   int64  `json:"amount" required:"true"`   // minor units: cents of EUR, yen of JPY, thousandths of KWD
	Currency string `json:"currency" required:"true"` // ISO 4217, upper case
}

// MaxAmount is the largest amount of one conversion, refund or transaction, in minor units: a hundred thousand million euros.
// So a 64-bit number holds the sum of 900,000 of the largest.
const MaxAmount = 10_000_000_000_000

// The most digits of an amount as text, before and after the point. More are never looked at: a number such as 1e2000000000
// would keep a decimal library busy for hours.
const (
	maxWhole    = 15
	maxDecimals = 6
)

// ErrAmount is returned for text that is no amount.
var ErrAmount = errors.New("an amount is a decimal number such as 12.50, without sign, exponent or separators")

// ParseAmount reads an amount in major units, such as "12.50", and returns minor units. Decimals that the currency does not
// have must be zeros: nothing is rounded. The errors are ErrCurrency and ErrAmount; neither repeats the text.
func ParseAmount(text, currency string) (int64, error) {
	digits, ok := Exponent(currency)
	if !ok {
		return 0, ErrCurrency
	}
	whole, decimals, ok := cutDecimal(text, maxWhole, maxDecimals)
	if !ok {
		return 0, ErrAmount
	}
	decimals += strings.Repeat("0", max(0, digits-len(decimals)))
	if strings.Trim(decimals[digits:], "0") != "" {
		return 0, fmt.Errorf("%w; one in %s has at most %d decimals", ErrAmount, currency, digits)
	}
	amount, err := strconv.ParseInt(whole+decimals[:digits], 10, 64)
	if err != nil || amount > MaxAmount {
		return 0, fmt.Errorf("%w, of at most %s %s", ErrAmount, FormatAmount(MaxAmount, currency), currency)
	}
	return amount, nil
}

// cutDecimal splits digits with an optional point and decimals. It reads no further than the longest that may be.
func cutDecimal(text string, maxWhole, maxDecimals int) (whole, decimals string, ok bool) {
	if len(text) > maxWhole+1+maxDecimals {
		return "", "", false
	}
	whole, decimals, point := strings.Cut(text, ".")
	if !isDigits(whole, maxWhole) || point && !isDigits(decimals, maxDecimals) {
		return "", "", false
	}
	return whole, decimals, true
}

// isDigits reports whether s is 1 to max of 0–9.
func isDigits(s string, max int) bool {
	return s != "" && len(s) <= max && strings.Trim(s, "0123456789") == ""
}

// FormatAmount writes an amount in minor units as ParseAmount reads it, with all of the currency's decimals: "12.50". That of
// an unknown currency is written in minor units.
func FormatAmount(amount int64, currency string) string {
	digits, _ := Exponent(currency)
	text := strconv.FormatInt(amount, 10)
	if digits == 0 {
		return text
	}
	sign := ""
	if amount < 0 {
		sign, text = "-", text[1:]
	}
	text = strings.Repeat("0", max(0, digits+1-len(text))) + text
	return sign + text[:len(text)-digits] + "." + text[len(text)-digits:]
}
