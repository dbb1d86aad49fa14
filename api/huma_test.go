package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// careless is an error of another module, which repeats what it is given.
type careless struct{ Message string }

func (careless) GetStatus() int  { return http.StatusUnprocessableEntity }
func (c careless) Error() string { return c.Message }

func TestErrorsOfAnotherModuleDoNotReachOurClients(t *testing.T) {
	s := newShop(t)
	before := huma.NewError
	t.Cleanup(func() { huma.NewError = before })
	huma.NewError = func(_ int, msg string, errs ...error) huma.StatusError { return careless{fmt.Sprint(msg, errs)} }
	got := s.do("GET", "affiliates?limit=4711", nil).wantProblem(http.StatusUnprocessableEntity, "invalid")
	if strings.Contains(strings.ReplaceAll(got.body, got.header.Get("X-Request-Id"), ""), "4711") {
		t.Errorf("the problem is %s", got.body)
	}
	s.do("POST", "affiliates", fields{}).wantProblem(http.StatusUnprocessableEntity, "invalid", "name")
	if document, _ := readDocument(t); len(document.Paths) == 0 { // made anew, with that error
		t.Error("there is no document")
	}
}

func TestHumaIsLeftAsItIs(t *testing.T) {
	New(Options{})
	if huma.ValidateStrictCasing || !huma.DefaultArrayNullable || len(huma.DefaultFormats) != 2 {
		t.Error("a process-wide setting of huma's was changed")
	}
	if _, ours := huma.NewError(422, "x").(*huma.ErrorModel); !ours {
		t.Error("huma's errors were replaced for the whole process")
	}
}
