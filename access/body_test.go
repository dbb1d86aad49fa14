package access

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
