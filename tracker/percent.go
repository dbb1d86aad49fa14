package tracker

import (
	"errors"
	"strconv"
	"strings"
)

// Percent is a share in units of 1/10000 of a percent: 12.5 % is 125000. As text it is "12.5".
type Percent int64

// Hundred is 100 %, the largest share.
const Hundred Percent = 100 * onePercent

const (
	onePercent      = 10_000
	percentDecimals = 4
)

// ErrPercent is returned for what is no share.
var ErrPercent = errors.New("a percentage is a decimal number from 0 to 100 with at most 4 decimals, such as 12.5")

// ParsePercent reads a share such as "12.5". The error is ErrPercent, which does not repeat the text.
func ParsePercent(s string) (Percent, error) {
	whole, decimals, ok := cutDecimal(s, 3, percentDecimals)
	if !ok {
		return 0, ErrPercent
	}
	decimals += strings.Repeat("0", percentDecimals-len(decimals))
	n, err := strconv.ParseInt(whole+decimals, 10, 64)
	if err != nil || Percent(n) > Hundred {
		return 0, ErrPercent
	}
	return Percent(n), nil
}

// String returns the share as ParsePercent reads it, without zeros at its end.
func (p Percent) String() string {
	text := strconv.FormatInt(int64(p/onePercent), 10)
	if rest := int64(p % onePercent); rest != 0 {
		text += "." + strings.TrimRight(strconv.FormatInt(onePercent+rest, 10)[1:], "0")
	}
	return text
}

// MarshalText implements encoding.TextMarshaler.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The error is that of ParsePercent.
func (p *Percent) UnmarshalText(text []byte) error {
	parsed, err := ParsePercent(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}
