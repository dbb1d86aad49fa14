package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// planted are values that no error may repeat: of every kind that a decoder might quote.
var planted = []string{
	`"plant-4711-a"`, `"<script>plant-4711-b</script>"`, `47114711`, `-47114711`, `4711.4711`, `4711e4711`, `"203.0.113.47"`,
	`"aff_plant4711aaa_secret"`, `"v1.plant.4711"`, `["plant-4711-c"]`, `{"x":"plant-4711-d"}`, `"2026-13-47T11:00:00Z"`, `"plant-4711\u0000"`,
	`"+4711 4711"`, `"mail@plant-4711.example"`, `"https://plant-4711.example/?q=1"`, `"\u202eplant-4711"`, `9223372036854774711`, `"47,11"`, `"%47%31plant-4711"`,
}

// traces are what of them would be recognised in an answer.
var traces = []string{"plant", "4711", "203.0.113.47", "secret", "\u202e", "-13-47"}

func (r reply) wantNoTrace(where string) {
	r.t.Helper()
	if r.status < 400 {
		return
	}
	body := strings.ReplaceAll(r.body, r.header.Get("X-Request-Id"), "")
	for _, trace := range traces {
		if strings.Contains(body, trace) {
			r.t.Errorf("%s: the problem repeats %q: %s", where, trace, r.body)
		}
	}
}

func TestProblemsRepeatNoValue(t *testing.T) {
	s := newShop(t)
	document, _ := readDocument(t)
	if len(planted) != 20 {
		t.Fatalf("%d values are planted", len(planted))
	}
	refused := 0
	for _, r := range routes {
		if r.method != http.MethodPost && r.method != http.MethodPatch || strings.HasPrefix(r.path, "destinations/") { // no body
			continue
		}
		for _, field := range bodyFields(t, document, r) {
			for _, value := range planted {
				where := fmt.Sprintf("%s %s %s %s", r.method, r.path, field, value)
				body := `{"` + field + `":` + value + `}`
				got := s.do(r.method, r.path, body)
				got.wantNoTrace(where)
				if got.status >= 500 {
					t.Errorf("%s: %s", where, got.body)
				}
				if got.status >= 400 {
					refused++
				}
			}
		}
	}
	for _, value := range planted {
		plain := strings.Trim(value, `"`)
		for _, path := range []string{"affiliates", "links", "sessions", "customers", "transactions", "conversions", "reports", "deliveries"} {
			for _, parameter := range []string{"limit", "after", "format", "status", "min_created_at", "min_time", "visitor_id", "affiliate_id", "from", "by", "type", "state"} {
				s.do("GET", path+"?"+parameter+"="+url.QueryEscape(plain), nil).wantNoTrace(path + " " + parameter + " " + value)
			}
		}
		for _, path := range []string{"affiliates/", "conversions/", "sessions/", "deliveries/", "nothing/"} {
			s.do("GET", path+url.PathEscape(plain), nil).wantNoTrace(path + value)
		}
		r := s.request("POST", "conversions", sale)
		r.Header.Set("Idempotency-Key", plain+"\x7f")
		s.send(r).wantProblem(http.StatusUnprocessableEntity, "invalid", "Idempotency-Key").wantNoTrace("Idempotency-Key " + value)
		r = s.request("GET", "links", nil)
		r.Header.Set("Authorization", "Bearer "+plain)
		s.send(r).wantProblem(http.StatusUnauthorized, "unauthorized").wantNoTrace("Authorization " + value)
		r = s.request("POST", "links", fields{})
		r.Header.Set("Content-Type", plain)
		s.send(r).wantProblem(http.StatusUnsupportedMediaType, "media-type").wantNoTrace("Content-Type " + value)
	}
	if refused < 500 {
		t.Errorf("only %d bodies were refused", refused)
	}
	for _, trace := range traces {
		if strings.Contains(s.log.String(), trace) {
			t.Errorf("the log has %q: %s", trace, s.log.String())
		}
	}
}

// bodyFields are the fields that the document names for a route's body.
func bodyFields(t *testing.T, document openAPI, r route) []string {
	t.Helper()
	op, ok := document.Paths["/"+strings.ReplaceAll(strings.ReplaceAll(r.path, someID, "{id}"), "/1", "/{id}")][strings.ToLower(r.method)]
	if !ok || op.RequestBody == nil {
		t.Fatalf("the document has no body for %s %s", r.method, r.path)
	}
	schema := op.RequestBody.Content["application/json"].Schema
	names := []string{}
	for name := range document.Components.Schemas[strings.TrimPrefix(schema.Ref, schemaPrefix)].Properties {
		names = append(names, name)
	}
	if len(names) == 0 {
		t.Fatalf("%s %s has no fields", r.method, r.path)
	}
	return names
}

func TestEachRequiredFieldIsAskedFor(t *testing.T) {
	s := newShop(t)
	document, _ := readDocument(t)
	for _, r := range routes {
		if r.method != http.MethodPost || strings.Contains(r.path, "{") || strings.HasPrefix(r.path, "destinations/") {
			continue
		}
		op := document.Paths["/"+strings.ReplaceAll(r.path, someID, "{id}")]["post"]
		for _, name := range document.Components.Schemas[strings.TrimPrefix(op.RequestBody.Content["application/json"].Schema.Ref, schemaPrefix)].Required {
			body := r.body.(fields)
			s.do("POST", r.path, body.without(name)).wantProblem(http.StatusUnprocessableEntity, "invalid", name)
		}
	}
}
