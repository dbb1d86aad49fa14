package tracker

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestParseAmount(t *testing.T) {
	tests := []struct {
		text, currency string
		want           int64
	}{
		{"0", "EUR", 0},
		{"0.00", "EUR", 0},
		{"99.90", "EUR", 9990},
		{"99.9", "EUR", 9990},
		{"99", "EUR", 9900},
		{"099.90", "EUR", 9990},
		{"99.900000", "EUR", 9990},
		{"0.01", "USD", 1},
		{"1500", "JPY", 1500},
		{"1500.00", "JPY", 1500},
		{"12.345", "KWD", 12345},
		{"12.3450", "KWD", 12345},
		{"12", "KWD", 12000},
		{"250000", "IRR", 250000},
		{"25000", "IRT", 25000},
		{"90071992547.40", "EUR", 9007199254740},
		{"90071992547409.93", "EUR", -1}, // 2^53+1, more than MaxAmount
		{"9999999999999", "JPY", MaxAmount - 1},
		{"100000000000.00", "EUR", MaxAmount},
		{"100000000000.01", "EUR", -1},
		{"10000000000.000", "KWD", MaxAmount},
		{"9999999999999", "KWD", -1},
		{"0.001", "EUR", -1},
		{"0.1", "JPY", -1},
		{"0.0001", "KWD", -1},
		{"0.0000000", "EUR", -1},
		{"10000000000001", "JPY", -1},
		{"", "EUR", -1},
		{" 1", "EUR", -1},
		{"1 ", "EUR", -1},
		{"1\n", "EUR", -1},
		{"-1", "EUR", -1},
		{"+1", "EUR", -1},
		{"1.", "EUR", -1},
		{".5", "EUR", -1},
		{".", "EUR", -1},
		{"1.2.3", "EUR", -1},
		{"1,50", "EUR", -1},
		{"1_000", "EUR", -1},
		{"1 000", "EUR", -1},
		{"0x10", "EUR", -1},
		{"1e3", "EUR", -1},
		{"1e400", "EUR", -1},
		{"1e2000000000", "EUR", -1},
		{"NaN", "EUR", -1},
		{"Inf", "EUR", -1},
		{"١٢", "EUR", -1}, // Arabic-Indic digits
		{"1２", "EUR", -1}, // a full-width digit
		{"1\x00", "EUR", -1},
		{"1", "eur", -1},
		{"1", "XAU", -1},
		{"1", "", -1},
	}
	for _, test := range tests {
		amount, err := ParseAmount(test.text, test.currency)
		switch {
		case test.want < 0 && !errors.Is(err, ErrAmount) && !errors.Is(err, ErrCurrency):
			t.Errorf("%q %s is %d, %v; want an error", test.text, test.currency, amount, err)
		case test.want >= 0 && (err != nil || amount != test.want):
			t.Errorf("%q %s is %d, %v; want %d", test.text, test.currency, amount, err, test.want)
		}
	}
}

func TestParseAmountIsNeverSlow(t *testing.T) {
	took := time.Hour
	for range 3 { // a machine that stands still for a moment makes one of them late
		started := time.Now()
		for _, text := range []string{"1e2000000000", strings.Repeat("9", 1<<20), "0." + strings.Repeat("0", 1<<20)} {
			for range 1000 {
				if _, err := ParseAmount(text, "EUR"); !errors.Is(err, ErrAmount) {
					t.Fatalf("%.20q is accepted", text)
				}
			}
		}
		took = min(took, time.Since(started))
	}
	if took > 5*time.Second {
		t.Errorf("3000 refusals took %s each time", took)
	}
}

func TestAmountErrorsRepeatNothing(t *testing.T) {
	for _, text := range []string{"123456.789", "secret", "777777777777777"} {
		for _, currency := range []string{"EUR", "secret"} {
			if _, err := ParseAmount(text, currency); err == nil || strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q %q: %v", text, currency, err)
			}
		}
	}
}

func TestFormatAmount(t *testing.T) {
	tests := []struct {
		amount   int64
		currency string
		want     string
	}{
		{0, "EUR", "0.00"},
		{1, "EUR", "0.01"},
		{10, "EUR", "0.10"},
		{9990, "EUR", "99.90"},
		{-9990, "EUR", "-99.90"},
		{-5, "EUR", "-0.05"},
		{1500, "JPY", "1500"},
		{-1500, "JPY", "-1500"},
		{5, "KWD", "0.005"},
		{12345, "KWD", "12.345"},
		{250000, "IRR", "250000"},
		{-1 << 63, "EUR", "-92233720368547758.08"},
		{77, "???", "77"},
	}
	for _, test := range tests {
		if got := FormatAmount(test.amount, test.currency); got != test.want {
			t.Errorf("%d %s is written %s, want %s", test.amount, test.currency, got, test.want)
		}
	}
}

func TestAmountsComeBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for currency := range exponents {
		for range 200 {
			want := random.Int64N(MaxAmount + 1)
			if got, err := ParseAmount(FormatAmount(want, currency), currency); err != nil || got != want {
				t.Fatalf("%d %s comes back as %d, %v", want, currency, got, err)
			}
		}
	}
}

func TestExponent(t *testing.T) {
	want := map[int][]string{
		0: {"JPY", "KRW", "VND", "CLP", "ISK", "UGX", "XAF", "XOF", "XPF", "IRR", "IRT"},
		2: {"EUR", "USD", "GBP", "CHF", "INR", "HUF", "TWD", "XCG", "ZWG"},
		3: {"KWD", "BHD", "OMR", "JOD", "TND", "IQD", "LYD"},
	}
	for digits, codes := range want {
		for _, code := range codes {
			if got, ok := Exponent(code); !ok || got != digits {
				t.Errorf("%s has %d decimals, want %d", code, got, digits)
			}
			if err := CheckCurrency(code); err != nil {
				t.Errorf("%s: %v", code, err)
			}
		}
	}
	for _, code := range []string{"", "eur", "EU", "EURO", "XXX", "XAU", "XTS", "€", "DEM"} {
		if err := CheckCurrency(code); !errors.Is(err, ErrCurrency) {
			t.Errorf("%q is accepted", code)
		}
	}
}

func FuzzParseAmount(f *testing.F) {
	for _, text := range []string{"0", "99.90", "12.345000", "1e400", "NaN", "1e2000000000", "-1", "+1", "1.", ".5", "٣", "9007199254740993", "999999999999999.999999"} {
		for _, currency := range []string{"EUR", "JPY", "KWD"} {
			f.Add(text, currency)
		}
	}
	f.Fuzz(func(t *testing.T, text, currency string) {
		amount, err := ParseAmount(text, currency)
		if err != nil {
			if amount != 0 {
				t.Errorf("%d beside an error", amount)
			}
			return
		}
		if amount < 0 || amount > MaxAmount {
			t.Errorf("%d is out of bounds", amount)
		}
		digits, _ := Exponent(currency)
		want, _ := new(big.Rat).SetString(text)
		if got := new(big.Rat).SetFrac64(amount, int64(math.Pow10(digits))); got.Cmp(want) != 0 {
			t.Errorf("%q %s is %s", text, currency, got)
		}
		if again, err := ParseAmount(FormatAmount(amount, currency), currency); err != nil || again != amount {
			t.Errorf("%d %s comes back as %d, %v", amount, currency, again, err)
		}
	})
}
