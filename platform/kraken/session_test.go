package kraken

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const createSession = `mutation($input: CreateAffiliateSessionInputType!) { createAffiliateSession(input: $input) {
	affiliateSession { id ipAddress userAgent queryParams } } }`

func TestASessionIsLikeOneFromTheEdge(t *testing.T) {
	s := newShop(t)
	const agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
	params := `{"additionalQueryParams": {"sub2": "blue sky", "gclid": "abc", "n": 5, "list": [1]}, "route": "/join/buy now?sub1=mail#top"}`
	s.do(createSession, fields{"input": fields{
		"linkId": 12, "ipAddress": "2001:DB8::1", "userAgent": agent, "queryParams": params, "quoteShareId": "34",
	}}).want(http.StatusOK)
	all := s.sessions()
	if len(all) != 1 {
		t.Fatalf("there are %+v", all)
	}
	got := all[0]
	if got.Class != tracker.ClassHuman || got.Code != "familymart" || got.LinkID != 12 || got.Affiliate != "Octoenergy" ||
		!got.Time.Equal(epoch) || got.IP != "2001:db8::1" || got.UserAgent != agent || got.Browser != "Chrome 130" || got.OS != "Linux" {
		t.Errorf("the session is %+v", got)
	}
	if got.Route != "/join/buy%20now" || got.Query != "sub1=mail&sub2=blue+sky&gclid=abc&n=5" || got.Param != "kraken" {
		t.Errorf("it has the route %q and the query %q", got.Route, got.Query)
	}
	if !maps.Equal(got.SubIDs, map[string]string{"sub1": "mail", "sub2": "blue sky"}) || got.ClickIDs["gclid"] != "abc" {
		t.Errorf("it has the marks %v and %v", got.SubIDs, got.ClickIDs)
	}
	if got.QueryParams != params || got.QuoteShareID != "34" {
		t.Errorf("it keeps %q and %q", got.QueryParams, got.QuoteShareID)
	}
	rows, err := s.books.Report(t.Context(), "acme", tracker.ReportQuery{
		From: epoch.AddDate(0, 0, -1), To: epoch.AddDate(0, 0, 1), By: []tracker.ReportBy{tracker.ByAffiliate},
	})
	if err != nil || len(rows) != 1 || rows[0].Clicks != 1 {
		t.Errorf("the report says %+v, %v", rows, err)
	}
}

// TestAConversionNamesTheSession: the id that Kraken's client gets is what tells who sent the buyer.
func TestAConversionNamesTheSession(t *testing.T) {
	s := newShop(t)
	s.do(createSession, fields{"input": fields{"linkId": 12}}).want(http.StatusOK)
	id, err := tracker.ParseSessionID(s.sessions()[0].ID.String())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.books.CreateConversion(t.Context(), tracker.NewConversion{
		Network: "acme", ExternalID: "1", Type: tracker.TypeSale, Amount: 1000, Currency: "EUR", Evidence: tracker.Evidence{Session: id},
	})
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := s.books.Conversions(t.Context(), "acme", tracker.ConversionFilter{}, tracker.Page{})
	if err != nil || len(all) != 1 || all[0].Affiliate != "Octoenergy" || all[0].LinkID != 12 {
		t.Errorf("the conversion is %+v, %v", all, err)
	}
}

func TestWhatIsUsedOfQueryParams(t *testing.T) {
	long := strings.Repeat("x", 2*tracker.MaxQuery)
	for params, want := range map[string][2]string{
		`{}`:                  {"", ""},
		`5`:                   {"", ""},
		`[{"route": "/"}]`:    {"", ""},
		`{"route": 5}`:        {"", ""},
		`{"route": "/a?b=1"}`: {"/a", "b=1"},
		`{"route": "/a", "additionalQueryParams": "?sub1=x&y=2"}`:                                  {"/a", "sub1=x&y=2"},
		`{"additionalQueryParams": {"b": "1", "a": true, "c": null, "d": {}, "e&": "f=", "b": 2}}`: {"", "b=1&a=true&e%26=f%3D&b=2"},
		`{"additionalQueryParams": ["sub1"]}`:                                                      {"", ""},
		`{"route": "/ü\u0000\r\n"}`:                                                                {"/%C3%BC%00%0D%0A", ""},
		`{"route": "/` + long + `"}`:                                                               {"/" + long[:tracker.MaxRoute-1], ""},
		`{"additionalQueryParams": "` + long + `"}`:                                                {"", long[:tracker.MaxQuery]},
	} {
		if route, query := captureParams(params); route != want[0] || query != want[1] {
			t.Errorf("%.80s gives %.80q and %.80q", params, route, query)
		}
	}
}

func TestObjectParams(t *testing.T) {
	s := newShop(t, func(o *Options) { o.ObjectParams = true })
	query := `mutation { createAffiliateSession(input: {linkId: 12, queryParams: "{\"b\": 1, \"a\": [2]}"}) { affiliateSession { queryParams } } }`
	s.do(query, nil).wantData(`{"createAffiliateSession":{"affiliateSession":{"queryParams":{"b":1,"a":[2]}}}}`)
}

func TestUnknownLinkCode(t *testing.T) {
	s := newShop(t, func(o *Options) { o.UnknownLink = "KT-CT-7721" })
	s.do(createSession, fields{"input": fields{"linkId": 99}}).want(http.StatusOK, "KT-CT-7721")
}

// TestFieldsOfOneDocument: each field of a mutation is on its own, also where another one fails.
func TestFieldsOfOneDocument(t *testing.T) {
	s := newShop(t)
	query := `mutation { a: createAffiliateSession(input: {linkId: 12}) { __typename } b: createAffiliateSession(input: {linkId: 13}) { __typename } }`
	s.do(query, nil).wantData(`{"a":{"__typename":"CreateAffiliateSession"},"b":{"__typename":"CreateAffiliateSession"}}`)
	if n := len(s.sessions()); n != 2 {
		t.Errorf("%d sessions", n)
	}
	// A value that is none ends all of it before anything is done.
	bad := `mutation($n: ID!) { a: createAffiliateSession(input: {linkId: 12}) { __typename } b: createAffiliateSession(input: {linkId: $n}) { __typename } }`
	if r := s.do(bad, fields{"n": 1.5}); r.Data != nil || len(s.sessions()) != 2 {
		t.Errorf("%s, and %d sessions", r.body, len(s.sessions()))
	}
}

// TestNetworksAreApart: a key sees and changes nothing of another network.
func TestNetworksAreApart(t *testing.T) {
	s := newShop(t)
	s.key = s.books.NewKey("other", tracker.ScopeAll)
	s.do(createSession, fields{"input": fields{"linkId": 12}}).want(http.StatusOK, "KT-CT-7713")
	s.do(`{ affiliateLink(subdomain: "familymart") { id } }`, nil).want(http.StatusOK, "KT-CT-7713")
	s.do(`{ affiliateOrganisation(id: 1) { id } }`, nil).want(http.StatusOK, "KT-CT-7701")
	s.do(`{ affiliateLinks(agentContactEmail: "joe@familymart.com") { id } }`, nil).wantData(`{"affiliateLinks":[]}`)
	s.do(`mutation { updateAffiliateLink(input: {linkId: 12, contactName: "x"}) { __typename } }`, nil).want(http.StatusOK, "KT-CT-7711")
	create := `mutation { createAffiliateLink(input: {organisationId: 1, subdomain: "mine", contactName: "x", contactEmail: "x@example.com"}) { __typename } }`
	s.do(create, nil).want(http.StatusOK, "KT-CT-7711")
}

func TestEdgesAreToldOfChangedLinks(t *testing.T) {
	s := newShop(t)
	for i, query := range []string{
		`mutation { createAffiliateLink(input: {organisationId: 1, subdomain: "new", contactName: "x", contactEmail: "x@example.com"}) { __typename } }`,
		`mutation { updateAffiliateLink(input: {linkId: 12, contactName: "x"}) { __typename } }`,
	} {
		s.do(query, nil).want(http.StatusOK)
		if n := s.changes.Load(); n != int64(i+1) {
			t.Errorf("they were told %d times", n)
		}
	}
	s.do(`mutation { updateAffiliateLink(input: {linkId: 12, subdomain: "www"}) { __typename } }`, nil).want(http.StatusOK, "KT-CT-7713")
	if n := s.changes.Load(); n != 2 {
		t.Errorf("they were told %d times", n)
	}
}

func TestReservedSubdomains(t *testing.T) {
	s := newShop(t)
	for _, word := range strings.Fields("affiliates api business click consul developer friends kraken mail sendgrid tech webhooks www www2 WWW") {
		s.do(`mutation($s: String!) { updateAffiliateLink(input: {linkId: 12, subdomain: $s}) { __typename } }`, fields{"s": word}).
			want(http.StatusOK, "KT-CT-7713")
	}
}

// TestALinkThatExpires is found until it does.
func TestALinkThatExpires(t *testing.T) {
	s := newShop(t)
	at := epoch.Add(time.Hour)
	_, err := s.books.UpdateLink(t.Context(), "acme", 12, func(f *tracker.LinkFields) error { f.ExpiresAt = &at; return nil })
	if err != nil {
		t.Fatal(err)
	}
	s.do(createSession, fields{"input": fields{"linkId": 12}}).want(http.StatusOK)
	s.books.At(at)
	s.do(createSession, fields{"input": fields{"linkId": 12}}).want(http.StatusOK, "KT-CT-7718")
}

// TestIntrospection asks what GraphQL's own tools ask (getIntrospectionQuery of graphql-js 16).
func TestIntrospection(t *testing.T) {
	query := `query IntrospectionQuery {
		__schema { queryType { name kind } mutationType { name kind } subscriptionType { name kind }
			types { ...FullType } directives { name description locations args(includeDeprecated: true) { ...InputValue } } } }
	fragment FullType on __Type { kind name description specifiedByURL
		fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
		inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
		enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
	fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
	fragment TypeRef on __Type { kind name ` + strings.Repeat("ofType { kind name ", 9) + strings.Repeat("}", 9) + ` }`
	s := newShop(t, func(o *Options) { o.Introspection = true })
	if r := s.do(query, nil).want(http.StatusOK); !strings.Contains(string(r.Data), `"name":"CreateAffiliateSessionInputType"`) {
		t.Errorf("it is answered with %.500s", r.body)
	}
	newShop(t).do(query, nil).want(http.StatusOK, "KT-CT-1113")
}
