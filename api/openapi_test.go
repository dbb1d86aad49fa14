package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

type openAPI struct {
	OpenAPI    string `json:"openapi"`
	Components struct {
		Schemas map[string]*struct {
			Properties map[string]any `json:"properties"`
			Required   []string       `json:"required"`
		} `json:"schemas"`
	} `json:"components"`
	Paths map[string]map[string]struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Description string                `json:"description"`
		Security    []map[string][]string `json:"security"`
		Responses   map[string]any        `json:"responses"`
		RequestBody *struct {
			Content map[string]struct {
				Schema struct {
					Ref string `json:"$ref"`
				} `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
}

// readDocument asks for the document without a key.
func readDocument(t *testing.T) (openAPI, string) {
	t.Helper()
	a := New(Options{})
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/affiliate/v1/openapi.json", nil))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("the document: status %d, type %q", w.Code, w.Header().Get("Content-Type"))
	}
	var document openAPI
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatalf("the document is not JSON: %v", err)
	}
	return document, w.Body.String()
}

func TestDocumentSaysWhoRefusesIdempotencyKeys(t *testing.T) {
	document, _ := readDocument(t)
	for path, want := range map[string]string{
		"/conversions": "An Idempotency-Key is honoured", "/refunds": "Idempotency-Key is refused",
		"/customers": "Idempotency-Key is refused", "/transactions": "Idempotency-Key is refused",
	} {
		if got := document.Paths[path]["post"].Description; !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q", path, got, want)
		}
	}
	if got := document.Paths["/affiliates"]["post"].Description; strings.Contains(got, "Idempotency-Key") {
		t.Errorf("affiliates take no notice of a key, and say %q", got)
	}
}

func TestDocumentSaysWhatIsRequiredAndWhatIsAnObject(t *testing.T) {
	document, _ := readDocument(t)
	for name, field := range map[string]string{"CommissionInput": "name", "CouponInput": "code", "NewPartInput": "name", "BodyCreateConversion": "external_id"} {
		if schema := document.Components.Schemas[name]; schema == nil || !slices.Contains(schema.Required, field) {
			t.Errorf("%s does not require %s", name, field)
		}
	}
	for _, name := range []string{"BodyCreateConversion", "Conversion"} {
		if meta, _ := document.Components.Schemas[name].Properties["meta_data"].(map[string]any); meta["type"] != "object" {
			t.Errorf("meta_data of %s is %v", name, meta)
		}
	}
}

func TestDocumentNamesEachOperationAndItsScope(t *testing.T) {
	document, _ := readDocument(t)
	if document.OpenAPI != "3.1.0" {
		t.Errorf("openapi is %q", document.OpenAPI)
	}
	seen := map[string]string{}
	for path, operations := range document.Paths {
		for method, op := range operations {
			where := method + " " + path
			if other, ok := seen[op.OperationID]; ok || op.OperationID == "" {
				t.Errorf("%s has the operation id %q, as has %s", where, op.OperationID, other)
			}
			seen[op.OperationID] = where
			if op.Summary == "" {
				t.Errorf("%s has no summary", where)
			}
			if len(op.Security) != 2 || len(op.Security[0]["bearer"]) != 1 || !isScope(op.Security[0]["bearer"][0]) {
				t.Errorf("%s has the security %v, want one known scope", where, op.Security)
			}
			for _, status := range []string{"401", "403", "422", "429", "503"} {
				if op.Responses[status] == nil {
					t.Errorf("%s does not document %s", where, status)
				}
			}
			bodyless := strings.HasPrefix(path, "/destinations/") // a verb says it all
			if (method == "post" && !bodyless || method == "patch") != (op.RequestBody != nil) {
				t.Errorf("%s: a body is documented: %v", where, op.RequestBody != nil)
			}
		}
	}
	want := []string{
		"create-affiliate", "create-campaign", "create-conversion", "create-customer", "create-key", "create-link", "create-refund",
		"create-transaction", "delete-affiliate", "delete-campaign", "drop-deliveries", "erase-person", "export-person", "get-affiliate",
		"get-campaign", "get-conversion", "get-customer", "get-delivery", "get-link", "get-refund", "get-report", "get-session", "get-transaction",
		"list-affiliates", "list-campaigns", "list-conversions", "list-customers", "list-deliveries", "list-destinations",
		"list-keys", "list-links", "list-refunds", "list-sessions", "list-transactions", "pause-destination", "resume-destination",
		"retry-deliveries", "reverse-conversion", "revoke-key", "test-destination", "update-affiliate", "update-campaign",
		"update-conversion", "update-customer", "update-link", "withdraw-refund",
	}
	var got []string
	for id := range seen {
		got = append(got, id)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("operations:\n got %v\nwant %v", got, want)
	}
}

func TestDocumentRefersToWhatItHasAndNothingElse(t *testing.T) {
	document, text := readDocument(t)
	for _, piece := range strings.Split(text, `"`+schemaPrefix)[1:] {
		name, _, _ := strings.Cut(piece, `"`)
		if document.Components.Schemas[name] == nil {
			t.Errorf("a reference leads to %s, which is missing", name)
		}
	}
	for name := range document.Components.Schemas {
		if strings.Contains(name, "Foreign") || name == "ErrorModel" {
			t.Errorf("%s is no schema of ours", name)
		}
		if !strings.Contains(text, `"`+schemaPrefix+name+`"`) {
			t.Errorf("nothing refers to the schema %s", name)
		}
	}
	for _, unwanted := range []string{"$schema", "unpkg.com"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("the document contains %s", unwanted)
		}
	}
}

// The document's limits are written into tags, where no constant can stand.
func TestDocumentHasTheLimitsOfTheBooks(t *testing.T) {
	document, _ := readDocument(t)
	field := func(schema, name string) map[string]any {
		t.Helper()
		property, ok := document.Components.Schemas[schema].Properties[name].(map[string]any)
		if !ok {
			t.Fatalf("%s has no %s", schema, name)
		}
		return property
	}
	for _, limit := range []struct {
		schema, field, keyword string
		want                   float64
	}{
		{"BodyCreateKey", "rate", "maximum", tracker.MaxRate},
		{"BodyCreateKey", "name", "maxLength", tracker.MaxName},
		{"BodyCreateConversion", "amount", "maximum", tracker.MaxAmount},
		{"BodyUpdateConversion", "amount", "maximum", tracker.MaxAmount},
		{"BodyCreateRefund", "amount", "maximum", tracker.MaxAmount},
	} {
		if got := field(limit.schema, limit.field)[limit.keyword]; got != limit.want {
			t.Errorf("%s.%s has the %s %v, want %v", limit.schema, limit.field, limit.keyword, got, limit.want)
		}
	}
	if got := field("BodyCreateRefund", "source")["enum"]; fmt.Sprint(got) != fmt.Sprint(tracker.Sources) {
		t.Errorf("the sources are %v, want %v", got, tracker.Sources)
	}
}

func TestDocumentTakesNullOnlyWhereItTakesSomethingAway(t *testing.T) {
	document, _ := readDocument(t)
	var takers []string
	for schema, s := range document.Components.Schemas {
		for name, property := range s.Properties {
			if text, _ := json.Marshal(property); strings.Contains(string(text), `"null"`) {
				takers = append(takers, schema+"."+name)
			}
		}
	}
	slices.Sort(takers)
	if want := []string{"BodyCreateLink.expires_at", "BodyUpdateLink.expires_at"}; !slices.Equal(takers, want) {
		t.Errorf("null is taken for %v, want %v", takers, want)
	}
}

func TestTagsAreTheResources(t *testing.T) {
	var names []string
	for _, tag := range tags {
		names = append(names, tag.Name)
	}
	if !slices.Equal(names, tracker.Resources) {
		t.Errorf("tags %v, resources %v", names, tracker.Resources)
	}
}

func TestDocumentSaysWhatACommissionNeeds(t *testing.T) {
	_, text := readDocument(t)
	for _, want := range []string{`"anyOf":[{"required":["percent"]},{"required":["fixed"]}]`, `"maximum":10000000000000`} {
		if !strings.Contains(text, want) {
			t.Errorf("the document lacks %s", want)
		}
	}
}

// isScope reports whether a key can have the scope.
func isScope(scope string) bool {
	key := tracker.Key{Network: "acme", Name: "shop", Scopes: []tracker.Scope{tracker.Scope(scope)}}
	return key.Check() == nil
}
