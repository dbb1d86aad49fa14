package platform

import (
	"strings"
	"testing"
)

func TestTooDeep(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`{"a":[`, n) + strings.Repeat(`]}`, n) }
	for text, want := range map[string]bool{
		``:                               false,
		`{}`:                             false,
		nested(MaxDepth / 2):             false,
		nested(MaxDepth/2) + `[`:         false,
		nested(MaxDepth/2 + 1):           true,
		`"` + strings.Repeat(`[`, 1000):  false,
		`"\"` + strings.Repeat(`[`, 100): false,
		strings.Repeat(`[],`, 1000):      false,
	} {
		if got := TooDeep([]byte(text)); got != want {
			t.Errorf("TooDeep(%.40q) = %t", text, got)
		}
	}
}
