package platform

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBodiesAreBounded(t *testing.T) {
	for size, want := range map[int]error{0: nil, MaxBody: nil, MaxBody + 1: ErrTooLarge} {
		body := strings.Repeat("x", size)
		got, err := ReadBody(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(body)))
		if !errors.Is(err, want) || want == nil && string(got) != body {
			t.Errorf("%d bytes: %d come, error %v", size, len(got), err)
		}
	}
}

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
