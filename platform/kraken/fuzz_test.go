package kraken

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// bare is a server without books: whatever is asked of it, it does not break.
func bare() *platform.Server {
	return New(Options{
		Options:       platform.Options{Keys: func(string) [][]byte { return [][]byte{[]byte(strings.Repeat("k", 32))} }},
		Books:         func() (Books, error) { return nil, errors.New("none") },
		Introspection: true,
	})
}

// wantForm fails unless the answer is Kraken's form and no fault of ours.
func wantForm(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	var response Response
	if err := json.Unmarshal(w.Body.Bytes(), &response); err != nil {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	if w.Code == http.StatusInternalServerError || w.Code == 0 || len(response.Errors) == 0 && response.Data == nil {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
	for _, err := range response.Errors {
		if err.Message == "" || err.Extensions != nil && err.Extensions.Code == codeInternal.text {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
	}
}

var documents = []string{
	"{ __typename }", whoami, createSession, obtain, "{", "", "query A { a: __typename } mutation B { __typename } fragment C on Query { __typename }",
	`mutation { createAffiliateSession(input: {linkId: 99999999999999999999, queryParams: {a: [1.5e400, "\u12", """b""", $c]}}) { __typename } }`,
	"{ ...a } fragment a on Query { ...a }", "{ __schema { types { name } } }", "query($a: [Int!] = [1]) { affiliateOrganisation(id: $a) { id } }",
	`{ affiliateLink(subdomain: "\ud800") { id } }`, "# comment\n{ __typename @skip(if: true) }", "subscription { a }", "\ufeff{ __typename }",
}

func FuzzBody(f *testing.F) {
	for _, document := range documents {
		body, err := json.Marshal(fields{"query": document, "variables": fields{"input": fields{"linkId": 1, "queryParams": fields{}}}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(body))
	}
	for _, body := range []string{"[]", "null", `{"query":1}`, `{"query":"{ __typename }","variables":{"a":{"b":[1,{"c":null}]}}}`, `{"a":"\ud800"}`, "{\"query\":\"\xff\"}"} {
		f.Add(body)
	}
	s := bare()
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "JWT x")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		wantForm(t, w)
	})
}

func FuzzQuery(f *testing.F) {
	for _, document := range documents {
		f.Add(url.Values{"query": {document}, "operationName": {"A"}, "variables": {`{"input":{}}`}}.Encode())
	}
	for _, query := range []string{"", "query=%", "query=a;b", "query={__typename}&variables=[]", "query={__typename}&extensions=1"} {
		f.Add(query)
	}
	s := bare()
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, Path, nil)
		r.URL.RawQuery = query
		r.Header.Set("Accept", mediaGraphQL)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		wantForm(t, w)
	})
}

func FuzzOutline(f *testing.F) {
	for _, document := range documents {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document string) {
		o := outlineOf(document)
		if o.aliases > strings.Count(document, ":") || o.introspect && !strings.Contains(document, "__") {
			t.Errorf("%q is read as %+v", document, o)
		}
		if at := fieldAt(document, "", "id"); at >= 0 && !strings.HasPrefix(document[at:], "id") {
			t.Errorf("id is at %d of %q", at, document)
		}
		for _, op := range o.operations {
			if op.name != "" && !strings.Contains(document, op.name) {
				t.Errorf("%q is read as %+v", document, o)
			}
		}
	})
}

func TestOutline(t *testing.T) {
	for document, want := range map[string]outline{
		"":            {},
		"{ a }":       {operations: []operation{{"query", ""}}},
		"mutation{a}": {operations: []operation{{"mutation", ""}}},
		"query mutation($a: B = {c: 1}) @d(e: 1) { f(g: {h: 1}) i: j }":                {operations: []operation{{"query", "mutation"}}, aliases: 1},
		"fragment mutation on Query { a } query #mutation\nX { ...mutation mutation }": {operations: []operation{{"query", "X"}}},
		`query A { a(b: "} mutation M {") } mutation B { c(d: """ " } query C { \""" """) }`: {
			operations: []operation{{"query", "A"}, {"mutation", "B"}},
		},
		"{ a { __type(name: \"x\") { b } } }": {operations: []operation{{"query", ""}}, introspect: true},
		"{ a(b: __schema) }":                  {operations: []operation{{"query", ""}}},
	} {
		got := outlineOf(document)
		if got.aliases != want.aliases || got.introspect != want.introspect || len(got.operations) != len(want.operations) {
			t.Errorf("%s is read as %+v, want %+v", document, got, want)
			continue
		}
		for i := range want.operations {
			if got.operations[i] != want.operations[i] {
				t.Errorf("%s is read as %+v, want %+v", document, got, want)
			}
		}
	}
}

func TestPlaces(t *testing.T) {
	for document, want := range map[string]int{
		"{ a }":                  2,
		"{\n\t# a\n\tb, a: c\n}": 11,
		"{ b: a c @a a }":        12,
		"query($a: X = {a: 1}) { b(a: {a: 1}) { a } a }": 43,
		"{ b { a } ...a ... on Query { a } }":            -1,
		"fragment F on Query { a } query { a }":          34,
		"query A { a } query B { a }":                    24,
		`{ b(c: "{ a") a }`:                              14,
		"query B { b } fragment a on Query { a }":        -1,
		"": -1,
	} {
		operation := ""
		if strings.Contains(document, "query B") {
			operation = "B"
		}
		if got := fieldAt(document, operation, "a"); got != want {
			t.Errorf("in %q it is at %d, want %d", document, got, want)
		}
	}
	if at := locationOf("{\n äöü b", 10); at.Line != 2 || at.Column != 6 {
		t.Errorf("the place is %v", at)
	}
}

func FuzzAccept(f *testing.F) {
	for _, header := range accepts {
		f.Add(header.text)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if media, ok := accepted([]string{header}); ok != (media == mediaJSON || media == mediaGraphQL) {
			t.Errorf("%q accepts %q", header, media)
		}
	})
}

var accepts = []struct{ text, media string }{
	{"", mediaJSON}, {"*/*", mediaJSON}, {"application/*", mediaJSON}, {"application/json, text/plain, */*", mediaJSON},
	{"application/graphql-response+json", mediaGraphQL}, {"application/json", mediaJSON},
	{"application/json, application/graphql-response+json", mediaGraphQL},
	{"application/graphql-response+json;q=0.5, application/json", mediaJSON},
	{"application/graphql-response+json; charset=utf-8, application/json; q=0.9", mediaGraphQL},
	{"application/json;q=0, */*", mediaGraphQL}, {"APPLICATION/JSON", mediaJSON}, {"*/*;q=0.1, application/graphql-response+json;q=0", mediaJSON},
	{"text/html", ""}, {"*/*;q=0", ""}, {"application/json;q=nan", ""}, {"application/json;q=x", ""}, {"nonsense;;", ""}, {",", ""},
}

func TestAccept(t *testing.T) {
	for _, c := range accepts {
		if media, ok := accepted([]string{c.text}); media != c.media || ok != (c.media != "") {
			t.Errorf("%q gets %q", c.text, media)
		}
	}
	if media, _ := accepted([]string{"text/html", mediaGraphQL}); media != mediaGraphQL {
		t.Errorf("of two headers it gets %q", media)
	}
}

func FuzzParams(f *testing.F) {
	for _, params := range []string{
		`{}`, `{"route":"/join/buy-now?a=b#c","additionalQueryParams":{"additionalParams":"MMMMMM","n":1}}`, `{"route":null}`, `[]`,
		`{"additionalQueryParams":"?a=%zz&&"}`, `{"additionalQueryParams":{"a":{"b":1},"":""}}`, `{"ROUTE":"/x","route":"\u0000"}`, `"`,
	} {
		f.Add(params)
	}
	f.Fuzz(func(t *testing.T, params string) {
		route, query := captureParams(params)
		for _, part := range []struct {
			text string
			max  int
		}{{route, tracker.MaxRoute}, {query, tracker.MaxQuery}} {
			if again, cut := tracker.CaptureURL(part.text, part.max); again != part.text || cut {
				t.Errorf("%q leaves %q", params, part.text)
			}
		}
	})
}

func FuzzJSONString(f *testing.F) {
	for _, text := range []string{"{}", " [1]", `"a"`, "null", "{", strings.Repeat("[", 100), "\x00", "{\"a\":\"\xff\"}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		defer func() {
			if value := recover(); value != nil {
				if _, ok := value.(badValue); !ok {
					panic(value)
				}
			}
		}()
		var v jsonString
		if err := v.UnmarshalGraphQL(text); err != nil {
			t.Fatal(err)
		}
		for _, object := range []bool{true, false} {
			v.object = object
			if shown, err := json.Marshal(v); err != nil || !json.Valid(shown) {
				t.Errorf("%q is shown as %q, %v", text, shown, err)
			}
		}
	})
}

func FuzzToken(f *testing.F) {
	s := signer{[][]byte{[]byte(strings.Repeat("k", 32))}}
	now := time.Unix(1795262400, 0)
	good, err := s.sign(Claims{Issuer: issuer, Subject: "x", Use: useAccess, Expires: now.Unix() + 60})
	if err != nil {
		f.Fatal(err)
	}
	for _, token := range []string{good, good + "x", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", strings.Replace(good, ".", "..", 1)} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := s.open(token, useAccess, now)
		if err == nil && token != good && claims.Subject != "x" {
			t.Errorf("%q opens as %+v", token, claims)
		}
	})
}
