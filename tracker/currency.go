package tracker

import (
	"errors"
	"strings"
)

// ErrCurrency is returned for what is no currency of ours.
var ErrCurrency = errors.New("a currency is an ISO 4217 code, such as EUR")

// exponents tells for each currency how many decimals its major unit has: ISO 4217's list of currencies that people pay
// in, without metals, funds and test codes, and with those that ended in 2025 (ANG, BGN). Two differ from the standard.
// Nobody counts dinars of the Iranian rial, and the programmes there report whole rials: IRR has 0, where ISO says 2. IRT,
// the toman of ten rials, is in no standard but on every Iranian price tag.
var exponents = exponentTable(map[int]string{
	0: `BIF CLP DJF GNF IRR IRT ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF`,
	2: `AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC
		CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS
		KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
		PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
		TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG`,
	3: `BHD IQD JOD KWD LYD OMR TND`,
})

func exponentTable(byDigits map[int]string) map[string]int {
	table := map[string]int{}
	for digits, codes := range byDigits {
		for code := range strings.FieldsSeq(codes) {
			table[code] = digits
		}
	}
	return table
}

// Exponent returns how many decimals the currency's major unit has: 2 for EUR, whose minor unit is the cent. ok is false
// for what is no currency.
func Exponent(currency string) (digits int, ok bool) {
	digits, ok = exponents[currency]
	return digits, ok
}

// CheckCurrency returns ErrCurrency unless code is a currency's, in upper case.
func CheckCurrency(code string) error {
	if _, ok := exponents[code]; !ok {
		return ErrCurrency
	}
	return nil
}
