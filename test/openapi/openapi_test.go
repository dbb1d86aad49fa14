// Package openapi holds the tests that the API is what its document says, by somebody else's reading of OpenAPI.
package openapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/caddy-affiliate/caddy-affiliate/api"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger/sqlite/sqlitetest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// readDocument reads the document that an API serves.
func readDocument(t *testing.T, a *api.API) *openapi3.T {
	t.Helper()
	served := httptest.NewRecorder()
	a.ServeHTTP(served, httptest.NewRequest(http.MethodGet, api.Prefix+"openapi.json", nil))
	document, err := openapi3.NewLoader().LoadFromData(served.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestTheDocumentIsOpenAPI31(t *testing.T) {
	document := readDocument(t, api.New(api.Options{}))
	if !document.IsOpenAPI31OrLater() {
		t.Errorf("its version is %s", document.OpenAPI)
	}
	err := document.Validate(t.Context(), openapi3.EnableSchemaFormatValidation(), openapi3.ProhibitExtensionsWithRef())
	if err != nil {
		t.Error(err)
	}
}

// visitor is a client that holds each request which is taken, and each answer, against the document.
type visitor struct {
	*testing.T
	api      *api.API
	books    *ledger.Ledger
	document routers.Router
	seen     map[string]bool // the operations that were answered with success
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	books := sqlitetest.Open(t)
	a := api.New(api.Options{
		Books:        func() (api.Books, error) { return books, nil },
		OpenToken:    func(string, string) (tracker.Token, bool) { return tracker.Token{}, false },
		Destinations: func(string) []string { return []string{"hook"} },
		TestDestination: func(context.Context, string, string) (tracker.Attempt, error) {
			return tracker.Attempt{N: 1, Time: time.Now(), Status: 200, Answer: "fine"}, nil
		},
	})
	books.UseRoutes([]tracker.Route{{Destination: "hook", Network: "acme", Kinds: []tracker.EventKind{tracker.EventConversion}}})
	document, err := legacy.NewRouter(readDocument(t, a))
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, a, books, document, map[string]bool{}}
}

// do sends a request as the operator does, fails unless the answer has the status, and returns the id in it.
func (v *visitor) do(status int, method, path, body string) (id string) {
	v.Helper()
	request := func() *http.Request {
		r := httptest.NewRequest(method, api.Prefix+path, strings.NewReader(body))
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		return r
	}
	answer := httptest.NewRecorder()
	v.api.ServeHTTP(answer, api.AsOperator(request(), "acme"))
	if answer.Code != status {
		v.Fatalf("%s %s: status %d, want %d: %s", method, path, answer.Code, status, answer.Body)
	}
	text := answer.Body.String()
	v.compare(request(), answer)
	var object struct {
		ID json.RawMessage `json:"id"`
	}
	if strings.HasPrefix(text, "{") {
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			v.Fatal(err)
		}
	}
	return strings.Trim(string(object.ID), `"`)
}

// sent sends the delivery that the conversion has made, and returns its id.
func (v *visitor) sent() string {
	v.Helper()
	claimed, err := v.books.ClaimDeliveries(v.Context(), "acme", "hook", time.Minute, 1)
	if err != nil || len(claimed) != 1 {
		v.Fatalf("claimed %v, %v", claimed, err)
	}
	err = v.books.FinishDeliveries(v.Context(), "acme", "hook", []tracker.DeliveryOutcome{{
		Delivery: claimed[0], State: tracker.DeliverySent, Attempt: tracker.Attempt{Time: time.Now(), DurationUS: 5, Status: 200, Answer: "fine"},
	}})
	if err != nil {
		v.Fatal(err)
	}
	return claimed[0].ID
}

func (v *visitor) compare(r *http.Request, answer *httptest.ResponseRecorder) {
	v.Helper()
	route, parameters, err := v.document.FindRoute(r)
	if err != nil {
		v.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true,
			RejectWhenRequestBodyNotSpecified: true,
		},
	}
	if answer.Code < 300 {
		v.seen[route.Operation.OperationID] = true
		if err := openapi3filter.ValidateRequest(v.Context(), input); err != nil {
			v.Errorf("the document refuses %s %s, and it was taken: %v", r.Method, r.URL, err)
		}
	}
	err = openapi3filter.ValidateResponse(v.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: answer.Code, Header: answer.Header(), Body: io.NopCloser(answer.Body), Options: input.Options,
	})
	if err != nil {
		v.Errorf("the answer %d to %s %s is not as documented: %v", answer.Code, r.Method, r.URL, err)
	}
}

func TestAnswersAreAsDocumented(t *testing.T) {
	v := newVisitor(t)
	affiliate := v.do(201, "POST", "affiliates", `{"name":"Ada","custom_data":{"a":"b"},"users":[{"id_from_network":"u","first_name":"Ada",
		"last_name":"L","email_settings":[{"email_address":"ada@example.com","use_for_notifications":true}]}]}`)
	v.do(200, "PATCH", "affiliates/"+affiliate, `{"id_from_network":"A-1"}`)
	campaign := v.do(201, "POST", "campaigns", `{"name":"Spring","window_seconds":3600,"commissions":[{"name":"default","percent":"12.5"},
		{"name":"lead","fixed":{"amount":150,"currency":"EUR"}}],"coupons":[{"code":"ADA","affiliate_id":`+affiliate+`}]}`)
	v.do(200, "PATCH", "campaigns/"+campaign, `{"landing_page":"/spring"}`)
	link := v.do(201, "POST", "links", `{"code":"ada","affiliate_id":`+affiliate+`,"campaign_id":`+campaign+`,"expires_at":"2999-01-01T00:00:00Z"}`)
	v.do(200, "PATCH", "links/"+link, `{"expires_at":null,"enabled":true}`)
	customer := v.do(201, "POST", "customers", `{"external_id":"c-1","coupon":"ADA"}`)
	v.do(200, "PATCH", "customers/"+customer, `{"note":"kind"}`)
	transaction := v.do(201, "POST", "transactions", `{"customer_external_id":"c-1","external_id":"t-1","currency":"EUR","deposit":-5}`)
	conversion := v.do(201, "POST", "conversions", `{"external_id":"o-1","type":"buy","amount":9990,"currency":"EUR","coupon":"ADA","meta_data":{"a":[1]},
		"commissions":[{"name":"a","sub_amount":9000},{"name":"b","sub_amount":990}]}`)
	v.do(200, "PATCH", "conversions/"+conversion, `{"status":"approved","note":"checked"}`)
	v.do(201, "POST", "refunds", `{"external_id":"r-1","conversion_external_id":"o-1","conversion_type":"buy","amount":90,"currency":"EUR"}`)
	waiting := v.do(201, "POST", "refunds", `{"external_id":"r-1","source":"header","conversion_external_id":"o-1","conversion_type":"buy","amount":90,"currency":"EUR"}`)
	v.do(200, "POST", "conversions/"+conversion+"/reversal", ``)
	key := v.do(201, "POST", "keys", `{"name":"k","scopes":["read","links:write"],"rate":10000}`)
	for _, path := range []string{
		"affiliates", "affiliates/" + affiliate, "campaigns", "campaigns/" + campaign, "links", "links/" + link, "sessions?limit=5",
		"customers", "customers/" + customer, "transactions", "transactions/" + transaction, "conversions", "conversions/" + conversion,
		"refunds?waiting=true", "refunds/" + waiting, "keys", "reports?from=2026-01-01&to=2026-01-31&by=day,affiliate", "conversions?format=csv",
	} {
		v.do(200, "GET", path, "")
	}
	delivery := v.sent()
	for _, path := range []string{"deliveries?destination=hook&state=sent", "deliveries/" + delivery, "destinations", "deliveries?format=csv"} {
		v.do(200, "GET", path, "")
	}
	v.do(200, "POST", "deliveries/retry", `{"id":"`+delivery+`"}`)
	v.do(200, "POST", "deliveries/retry", `{"destination":"hook","min_created_at":"2026-01-01T00:00:00Z","state":"dead"}`)
	for _, verb := range []string{"pause", "resume", "test", "drop"} {
		v.do(200, "POST", "destinations/hook/"+verb, "")
	}
	v.do(200, "POST", "privacy/export", `{"customer_id":"`+customer+`"}`)
	v.do(200, "POST", "privacy/erase", `{"customer_id":"`+customer+`"}`)
	v.do(204, "DELETE", "keys/"+key, "")
	v.do(204, "DELETE", "refunds/"+waiting, "")
	v.do(204, "DELETE", "affiliates/"+v.do(201, "POST", "affiliates", `{"name":"Eve"}`), "")
	v.do(204, "DELETE", "campaigns/"+v.do(201, "POST", "campaigns", `{"name":"Autumn"}`), "")

	v.do(400, "POST", "conversions", `[]`)
	v.do(404, "GET", "links/4711", "")
	v.do(409, "POST", "affiliates", `{"name":"Ada"}`)
	v.do(409, "DELETE", "affiliates/"+affiliate, "")
	v.do(422, "POST", "affiliates", `{}`)
	v.do(422, "GET", "links?limit=0", "")
	for _, item := range readDocument(t, v.api).Paths.Map() {
		for method, operation := range item.Operations() {
			if !v.seen[operation.OperationID] && operation.OperationID != "get-session" { // there is none: clicks come by the edge
				t.Errorf("%s %s was not tried", method, operation.OperationID)
			}
		}
	}
}
