package affili

import (
	"encoding/json"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// number writes minor units as the platform writes amounts: whole ones as integers, others with the decimals that they need.
func number(amount int64, currency string) json.Number {
	text := tracker.FormatAmount(amount, currency)
	if whole, decimals, point := strings.Cut(text, "."); point {
		if decimals = strings.TrimRight(decimals, "0"); decimals == "" {
			text = whole
		} else {
			text = whole + "." + decimals
		}
	}
	return json.Number(text)
}
