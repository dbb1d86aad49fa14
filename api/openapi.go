package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// schemaPrefix is where the document keeps its schemas.
const schemaPrefix = "#/components/schemas/"

// The names in an operation's metadata under which its scope and its body stand, and whether it is a report.
const (
	scopeKey   = "scope"
	bodyKey    = "body"
	replaysKey = "replays"
)

// newDocument is the OpenAPI document before the first operation.
func newDocument() *huma.OpenAPI {
	schemas := huma.NewMapRegistry(schemaPrefix, schemaName)
	describeEnums(schemas)
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Tags:    tags,
		Info: &huma.Info{
			Title:   "caddy-affiliate",
			Version: "1",
			Description: "The books of an affiliate programme. Amounts are whole numbers of minor units, times are UTC as RFC 3339 writes " +
				"them. Everything belongs to the network of the key. Errors are problems (RFC 9457). Bodies have at most 65536 bytes.",
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Components: &huma.Components{
			Schemas:   schemas,
			Responses: problemResponses(schemas),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"bearer": {Type: "http", Scheme: "bearer", Description: "A key, such as aff_…"},
				"header": {Type: "apiKey", In: "header", Name: "X-Api-Key", Description: "The same key, for clients that cannot send the other"},
			},
		},
	}
}

// schemaName names the schema of a type. Types of other packages get a name apart: theirs must not meet ours.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if pkg := t.PkgPath(); pkg != "" && !strings.HasPrefix(pkg, "github.com/caddy-affiliate/caddy-affiliate/") {
		return "Foreign" + name
	}
	return name
}

// describeOperation is what huma and the document need to know of an operation.
func describeOperation[I any](a *API, o operation) huma.Operation {
	schemas := a.huma.OpenAPI().Components.Schemas
	status := max(o.status, http.StatusOK)
	resource, _, _ := strings.Cut(string(o.scope), ":")
	op := huma.Operation{
		OperationID: o.id, Method: o.method, Path: "/" + o.path, Summary: o.summary, Tags: []string{resource},
		Description: strings.TrimSpace(fmt.Sprintf("%s%s\n\nNeeds the scope `%s`.", o.about, idempotencyNote(o), o.scope)),
		Metadata:    map[string]any{scopeKey: o.scope, replaysKey: o.replays},
		// OpenAPI 3.1 lets roles stand here for schemes other than OAuth's.
		Security:      []map[string][]string{{"bearer": {string(o.scope)}}, {"header": {string(o.scope)}}},
		DefaultStatus: status,
		Responses:     map[string]*huma.Response{strconv.Itoa(status): describeSuccess(schemas, o, status)},
	}
	b, hasBody := any(new(I)).(bodyReader)
	for _, code := range problemsOf(o, hasBody) {
		op.Responses[strconv.Itoa(code)] = &huma.Response{Ref: problemRef + strconv.Itoa(code)}
	}
	if hasBody {
		// Reading it is ours, so huma learns of it only once it has made the route.
		op.Metadata[bodyKey] = documentedBody{o, schemas.Schema(b.bodyType(), true, "")}
	}
	return op
}

func describeSuccess(schemas huma.Registry, o operation, status int) *huma.Response {
	r := &huma.Response{Description: http.StatusText(status), Headers: map[string]*huma.Param{
		"X-Request-Id": {Description: "the client's own id of the request, or one of ours", Schema: &huma.Schema{Type: huma.TypeString}},
	}}
	if o.answer != nil {
		r.Content = map[string]*huma.MediaType{
			"application/json": {Schema: schemas.Schema(reflect.TypeOf(o.answer), true, o.id+"Answer")},
		}
	}
	if o.csv {
		r.Content["text/csv"] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		r.Headers["Link"] = &huma.Param{Description: `rel="next": the next page`, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	if o.replays {
		r.Headers["Idempotent-Replayed"] = &huma.Param{
			Description: "true where the same was reported before; the answer is the first one's, byte for byte",
			Schema:      &huma.Schema{Type: huma.TypeString, Enum: []any{"true"}},
		}
	}
	return r
}

// problemsOf are the problems that an operation may answer with.
func problemsOf(o operation, hasBody bool) []int {
	codes := []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusServiceUnavailable,
	}
	if strings.Contains(o.path, "{id}") {
		codes = append(codes, http.StatusNotFound)
	}
	if o.method != http.MethodGet {
		codes = append(codes, http.StatusConflict)
	}
	if hasBody {
		codes = append(codes, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType)
	}
	return codes
}

// problemRef begins the references to problemResponses.
const problemRef = "#/components/responses/problem-"

// problemResponses are the answers that operations share.
func problemResponses(schemas huma.Registry) map[string]*huma.Response {
	responses := map[string]*huma.Response{}
	for _, code := range problemsOf(operation{path: "{id}"}, true) {
		responses["problem-"+strconv.Itoa(code)] = &huma.Response{
			Description: http.StatusText(code),
			Content: map[string]*huma.MediaType{
				"application/problem+json": {Schema: schemas.Schema(reflect.TypeFor[Problem](), true, "")},
			},
		}
	}
	return responses
}

// describe finishes the document and writes it.
func describe(document *huma.OpenAPI) []byte {
	for _, op := range operationsOf(document) {
		if b, ok := op.Metadata[bodyKey].(documentedBody); ok {
			op.RequestBody = b.describe(document.Components.Schemas)
		}
	}
	for name, schema := range document.Components.Schemas.Map() {
		soften(schema, isInput(name))
	}
	for _, op := range operationsOf(document) {
		for _, parameter := range op.Parameters {
			soften(parameter.Schema, true)
		}
		for _, response := range op.Responses {
			for _, content := range response.Content {
				soften(content.Schema, false)
			}
		}
	}
	text, err := json.Marshal(document)
	for err == nil && dropUnused(document.Components.Schemas.Map(), string(text)) {
		text, err = json.Marshal(document)
	}
	if err != nil {
		panic(fmt.Sprintf("api: writing the OpenAPI document: %v", err)) // it has no input but the code
	}
	return text
}

// dropUnused removes the schemas that nothing in the document refers to, such as those that huma makes for errors of its own,
// and reports whether there were any.
func dropUnused(schemas map[string]*huma.Schema, document string) bool {
	before := len(schemas)
	maps.DeleteFunc(schemas, func(name string, _ *huma.Schema) bool {
		return !strings.Contains(document, `"`+schemaPrefix+name+`"`)
	})
	return len(schemas) < before
}

// soften takes back two things that huma says of every schema: that an array may be null, which ours never are, and that
// there are no other fields, which is true of what is sent; answers may get more.
func soften(s *huma.Schema, input bool) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
		soften(s.Items, input)
	}
	if closed, ok := s.AdditionalProperties.(bool); ok && !closed && !input {
		s.AdditionalProperties = nil
	}
	for _, property := range s.Properties {
		soften(property, input)
	}
}

// operationsOf are all operations, by their names.
func operationsOf(document *huma.OpenAPI) []*huma.Operation {
	var all []*huma.Operation
	for _, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Delete} {
			if op != nil {
				all = append(all, op)
			}
		}
	}
	slices.SortFunc(all, func(a, b *huma.Operation) int { return strings.Compare(a.OperationID, b.OperationID) })
	return all
}

// tags are the resources, of which each operation has the one of its scope.
var tags = []*huma.Tag{
	{Name: "affiliates", Description: "Partners who refer visitors"},
	{Name: "campaigns", Description: "The offers that they promote: commissions, window, coupons"},
	{Name: "links", Description: "One affiliate in one campaign, by a code"},
	{Name: "sessions", Description: "Recorded referral clicks"},
	{Name: "customers", Description: "Registered persons of the merchant, bound to the session that brought them"},
	{Name: "transactions", Description: "Money that moved for a customer"},
	{Name: "conversions", Description: "Sales, leads and clicks that earn money, and refunds of them"},
	{Name: "keys", Description: "Keys of this API"},
	{Name: "reports", Description: "Sums of clicks and conversions"},
	{Name: "privacy", Description: "What is known of a person, and its erasure"},
	{Name: "deliveries", Description: "Events on their way to the destinations of the configuration"},
}
