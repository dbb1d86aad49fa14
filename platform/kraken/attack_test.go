package kraken

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
)

// TestAttacks sends documents that are made to cost much. Each is refused in Kraken's form, soon, and for little.
func TestAttacks(t *testing.T) {
	s := newShop(t)
	deep := func(n int) string {
		return strings.Repeat("{ organisation ", n) + strings.Repeat("}", n)
	}
	fragments := func(n int) string { // each spreads the next one twice: 2^n fields
		var b strings.Builder
		b.WriteString(`{ affiliateLink(subdomain: "x") { ...f0 } }`)
		for i := range n {
			fmt.Fprintf(&b, " fragment f%d on AffiliateLinkType { ...f%d ...f%d }", i, i+1, i+1)
		}
		fmt.Fprintf(&b, " fragment f%d on AffiliateLinkType { id }", n)
		return b.String()
	}
	padded := func(size int) string {
		query := whoami
		return query + strings.Repeat(" ", size-len(query))
	}
	for name, c := range map[string]struct {
		query  string
		status int
		code   string
	}{
		"aliases of a mutation": {
			"mutation {" + repeat(100, func(i int) string {
				return fmt.Sprintf("a%d: createAffiliateSession(input: {linkId: 12}) { __typename } ", i)
			}) + "}", http.StatusOK, "KT-CT-1188",
		},
		"aliases of a query":          {"{" + repeat(300, func(i int) string { return fmt.Sprintf("a%d: __typename ", i) }) + "}", http.StatusOK, "KT-CT-1188"},
		"aliases in fragments":        {"{ ...f } fragment f on Query {" + repeat(300, func(i int) string { return fmt.Sprintf("a%d:__typename,", i) }) + "}", http.StatusOK, "KT-CT-1188"},
		"one field many times":        {"{" + strings.Repeat("__typename ", 700) + "}", http.StatusOK, "KT-CT-1188"},
		"many fields":                 {`{ affiliateLink(subdomain: "x") {` + strings.Repeat("... { id } ", 250) + "} }", http.StatusOK, "KT-CT-1188"},
		"fragments that double":       {fragments(24), http.StatusOK, "KT-CT-1189"},
		"a fragment cycle":            {"{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }", http.StatusOK, ""},
		"a fragment of itself":        {"{ ...a } fragment a on Query { __typename ...a }", http.StatusOK, ""},
		"depth":                       {`{ affiliateLink(subdomain: "x") ` + deep(200) + "}", http.StatusOK, "KT-CT-1188"},
		"depth without names":         {strings.Repeat("{a", 4000), http.StatusOK, ""},
		"lists without end":           {"{ a(b: " + strings.Repeat("[", 8000), http.StatusOK, ""},
		"objects without end":         {"{ a(b: " + strings.Repeat("{c:", 2500), http.StatusOK, ""},
		"a string without end":        {`{ a(b: "` + strings.Repeat("x", 8000), http.StatusOK, ""},
		"a long document":             {padded(maxDocument + 1), http.StatusOK, "KT-CT-1188"},
		"a document of nearly 64 KiB": {padded(60 << 10), http.StatusOK, "KT-CT-1188"},
		"a document of 1 MiB":         {padded(1 << 20), http.StatusRequestEntityTooLarge, ""},
		"directives":                  {"{ __typename " + strings.Repeat("@skip(if: false) ", 480) + "}", http.StatusOK, ""},
		"variables":                   {"query(" + repeat(400, func(i int) string { return fmt.Sprintf("$v%d: Int ", i) }) + ") { __typename }", http.StatusOK, ""},
		"introspection that repeats":  {"{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }", http.StatusOK, "KT-CT-1113"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shop{TB: t, Server: s.Server, key: s.key, books: s.books}
			var before, after runtime.MemStats
			var r reply
			platformtest.Soon(t, 2*time.Second, func() {
				runtime.ReadMemStats(&before)
				r = s.do(c.query, nil)
				runtime.ReadMemStats(&after)
			})
			if r.status != c.status || len(r.Errors) == 0 || r.Data != nil || len(r.body) > 16<<10 {
				t.Errorf("it is answered with %d %.300s", r.status, r.body)
			}
			if c.code != "" && (r.Errors[0].Extensions == nil || r.Errors[0].Extensions.Code != c.code) {
				t.Errorf("the error is %.300s, want %s", r.body, c.code)
			}
			if after.TotalAlloc-before.TotalAlloc > 64<<20 {
				t.Errorf("it took %d bytes", after.TotalAlloc-before.TotalAlloc)
			}
		})
	}
	if n := len(s.sessions()); n != 0 {
		t.Errorf("they made %d sessions", n)
	}
}

// TestTheSchemaTwentyTimes: who may ask for the schema may not ask for it under other names as well.
func TestTheSchemaTwentyTimes(t *testing.T) {
	s := newShop(t, func(o *Options) { o.Introspection = true })
	s.do("{ __schema { types { name } } }", nil).want(http.StatusOK)
	s.do("{ a: __schema { types { name } } b: __schema { types { name } } }", nil).want(http.StatusOK, "KT-CT-1188")
	s.do(`{ a: __typename b: __typename c: affiliateLink(subdomain: "familymart") { __typename } }`, nil).want(http.StatusOK)
}

func repeat(n int, one func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(one(i))
	}
	return b.String()
}

// TestBatchesAreRefused whatever is in them, and however deep.
func TestBatchesAreRefused(t *testing.T) {
	s := newShop(t)
	one := `{"query":"mutation { createAffiliateSession(input: {linkId: 12}) { __typename } }"}`
	for _, body := range []string{
		"[" + one + "]", "[" + strings.Repeat(one+",", 100) + one + "]", " \n[" + one + "]", "[]", "[[" + one + "]]",
		strings.Repeat("[", 30000), strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		`"` + strings.ReplaceAll(one, `"`, `\"`) + `"`, "null", "5", "", "{", `{"query":` + strings.Repeat(`{"a":`, 5000),
	} {
		if r := s.send(s.post(body)); r.status != http.StatusBadRequest || len(r.Errors) != 1 || r.Data != nil {
			t.Errorf("%.60s is answered with %d %s", body, r.status, r.body)
		}
	}
	if n := len(s.sessions()); n != 0 {
		t.Errorf("they made %d sessions", n)
	}
}

// TestDeepVariables: what a JSONString holds is bounded too, as an object and as the text of one.
func TestDeepVariables(t *testing.T) {
	s := newShop(t)
	deep := strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000)
	body := fmt.Sprintf(`{"query":%q,"variables":{"input":{"linkId":12,"queryParams":%s}}}`, "mutation($input: CreateAffiliateSessionInputType!) { createAffiliateSession(input: $input) { __typename } }", deep)
	if r := s.send(s.post(body)); r.status != http.StatusBadRequest {
		t.Errorf("an object is answered with %d %s", r.status, r.body)
	}
	if r := s.do(createSession, fields{"input": fields{"linkId": 12, "queryParams": deep}}); len(r.Errors) != 1 || r.Data != nil {
		t.Errorf("a text is answered with %d %s", r.status, r.body)
	}
}

// TestErrorsRepeatNoValue sends one that must not come back, wherever a value may stand.
func TestErrorsRepeatNoValue(t *testing.T) {
	s := newShop(t)
	const planted = "planted-secret"
	for query, variables := range map[string]any{
		`mutation { createAffiliateSession(input: "` + planted + `") { __typename } }`:                            nil,
		`mutation { createAffiliateSession(input: {linkId: "` + planted + `"}) { __typename } }`:                  nil,
		`mutation { createAffiliateSession(input: {linkId: 12, ipAddress: "` + planted + `"}) { __typename } }`:   nil,
		`mutation { createAffiliateSession(input: {linkId: 12, queryParams: "` + planted + `"}) { __typename } }`: nil,
		`mutation { obtainKrakenToken(input: {APIKey: "` + planted + `"}) { token } }`:                            nil,
		`mutation { obtainKrakenToken(input: "` + planted + `") { token } }`:                                      nil,
		`{ affiliateOrganisation(id: "` + planted + `") { id } }`:                                                 nil,
		`{ affiliateOrganisation(number: "` + planted + `") { id } }`:                                             nil,
		`{ affiliateLink(subdomain: "` + planted + `") { id } }`:                                                  nil,
		`{ affiliateLink(subdomain: ["` + planted + `"]) { id } }`:                                                nil,
		`{ __typename @skip(if: "` + planted + `") }`:                                                             nil,
		`{ "` + planted + `" }`:                            nil,
		`query($a: Boolean!) { __typename @skip(if: $a) }`: fields{"a": planted},
		obtain: fields{"input": planted},
		`mutation($input: ObtainJSONWebTokenInput!) { obtainKrakenToken(input: $input) { __typename } }`: fields{"input": fields{planted: 1}},
		createSession: fields{"input": []string{planted}},
		`mutation($a: ID!) { createAffiliateSession(input: {linkId: $a}) { __typename } }`:                        fields{"a": fields{"b": planted}},
		`query($a: Int) { affiliateOrganisation(id: $a) { id } }`:                                                 fields{"a": planted},
		`mutation { updateAffiliateLink(input: {linkId: 12, contactEmail: "` + planted + `"}) { __typename } }`:   nil,
		`mutation { updateAffiliateLink(input: {linkId: 12, landingUrl: "` + planted + `"}) { __typename } }`:     nil,
		`mutation { updateAffiliateLink(input: {linkId: 12, trainingStatus: "` + planted + `"}) { __typename } }`: nil,
	} {
		r := s.do(query, variables)
		if len(r.Errors) == 0 || strings.Contains(r.body, planted) {
			t.Errorf("%s is answered with %s", query, r.body)
		}
	}
	if strings.Contains(s.log.String(), planted) {
		t.Errorf("the log says %s", s.log.String())
	}
}
