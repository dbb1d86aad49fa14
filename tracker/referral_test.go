package tracker

import (
	"net/url"
	"strings"
	"testing"
)

var (
	testRules = &Rules{Params: []string{"via", "ref", "aff_id"}, Paths: []string{"/r/", "/go/"}, Subdomains: []string{"shop.com"}}
	testTable = NewLinkTable(7, []Link{
		{ID: 1, Network: "default", Code: "demo", Affiliate: "Demo", Subdomain: "demo", Active: true},
		{ID: 2, Network: "default", Code: "Anna_B-1", Affiliate: "Anna", Subdomain: "Anna"},
		{ID: 3, Network: "default", Code: "carl"},
		{ID: 4, Network: "other", Code: "theirs"},
	})
)

func TestFind(t *testing.T) {
	manyOthers := strings.Repeat("x=1&", MaxParams-1)
	tests := []struct {
		name              string
		host, path, query string
		code, param       string // no code: no referral
		unknown           int
	}{
		{name: "nothing", host: "shop.com", path: "/"},
		{name: "a parameter", path: "/", query: "via=demo", code: "demo", param: "via"},
		{name: "between others", path: "/", query: "a=1&ref=demo&b=2", code: "demo", param: "ref"},
		{name: "without case", path: "/", query: "via=DEMO", code: "demo", param: "via"},
		{name: "a link with capitals", path: "/", query: "via=anna_b-1", code: "Anna_B-1", param: "via"},
		{name: "names keep their case", path: "/", query: "VIA=demo"},
		{name: "the configured order of names decides", path: "/", query: "ref=carl&via=demo", code: "demo", param: "via"},
		{name: "the first known code wins over an unknown preferred one", path: "/", query: "via=github&ref=carl", code: "carl", param: "ref", unknown: 1},
		{name: "repeats in their order", path: "/", query: "via=carl&via=demo", code: "carl", param: "via"},
		{name: "an unknown repeat is passed over", path: "/", query: "via=x&via=&via=demo", code: "demo", param: "via", unknown: 1},
		{name: "unknown only", path: "/", query: "ref=github", unknown: 1},
		{name: "of another network", path: "/", query: "via=theirs", unknown: 1},
		{name: "an empty value names nothing", path: "/", query: "via=&ref&aff_id="},
		{name: "a longer name is another name", path: "/", query: "xvia=demo&viax=demo&a=via=demo"},
		{name: "percent-decoded", path: "/", query: "via=d%65mo", code: "demo", param: "via"},
		{name: "decoded once", path: "/", query: "via=d%2565mo", unknown: 1},
		{name: "a bad pair", path: "/", query: "via=demo%zz", unknown: 1},
		{name: "a plus is a space and no code", path: "/", query: "via=demo+", unknown: 1},
		{name: "a semicolon does not separate", path: "/", query: "a=1;via=demo"},
		{name: "a second question mark ends the code", path: "/", query: "via=demo?utm_source=x", code: "demo", param: "via"},
		{name: "too long for a code", path: "/", query: "via=" + strings.Repeat("d", 65), unknown: 1},
		{name: "the last parameter that counts", path: "/", query: manyOthers + "via=demo", code: "demo", param: "via"},
		{name: "one parameter too far", path: "/", query: manyOthers + "x=1&via=demo"},
		{name: "not UTF-8", path: "/", query: "via=\xff&ref=demo", code: "demo", param: "ref", unknown: 1},

		{name: "a path", path: "/r/demo", code: "demo", param: "path"},
		{name: "another prefix", path: "/go/carl", code: "carl", param: "path"},
		{name: "a path's code ends at the slash", path: "/r/demo/x/y", code: "demo", param: "path"},
		{name: "the prefix alone", path: "/r/"},
		{name: "the prefix without its slash", path: "/r"},
		{name: "elsewhere in the path", path: "/x/r/demo"},
		{name: "a path before a parameter", path: "/r/demo", query: "via=carl", code: "demo", param: "path"},
		{name: "an unknown path, a known parameter", path: "/r/x", query: "via=carl", code: "carl", param: "via", unknown: 1},

		{name: "a subdomain", host: "demo.shop.com", path: "/", code: "demo", param: "subdomain"},
		{name: "a subdomain with a port and capitals", host: "ANNA.Shop.Com:8443", path: "/", code: "Anna_B-1", param: "subdomain"},
		{name: "a fully qualified subdomain", host: "demo.shop.com.", path: "/", code: "demo", param: "subdomain"},
		{name: "a host without a link is no unknown code", host: "www.shop.com", path: "/"},
		{name: "two labels", host: "a.demo.shop.com", path: "/"},
		{name: "another domain's end", host: "demo.myshop.com", path: "/"},
		{name: "another domain's end, without a dot", host: "demoxshop.com", path: "/"},
		{name: "no label", host: ".shop.com", path: "/"},
		{name: "an address", host: "[::1]:80", path: "/"},
		{name: "a path before a subdomain", host: "demo.shop.com", path: "/r/carl", code: "carl", param: "path"},
		{name: "a subdomain before a parameter", host: "demo.shop.com", path: "/", query: "via=carl", code: "demo", param: "subdomain"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := testRules.Find(testTable, "default", test.host, test.path, test.query)
			code := ""
			if got.Link != nil {
				code = got.Link.Code
			}
			if code != test.code || got.Param != test.param || got.Unknown != test.unknown {
				t.Errorf("found %q by %q, %d unknown; want %q by %q, %d", code, got.Param, got.Unknown, test.code, test.param, test.unknown)
			}
			if redirect := test.param == "path" || test.param == "subdomain"; got.Redirect != redirect {
				t.Errorf("Redirect is %t, want %t", got.Redirect, redirect)
			}
			if (code != "" || got.Unknown > 0) && !testRules.Maybe(test.host, test.path, test.query) {
				t.Error("Maybe says no where Find finds something")
			}
		})
	}
}

func TestMaybeSaysNo(t *testing.T) {
	for _, request := range [][3]string{
		{"shop.com", "/", ""},
		{"shop.com", "/via/ref", "q=shoes&page=2"},
		{"shop.com", "/r", "utm_source=via"},
		{"shop.com", "/", "xvia=demo&via_x=demo&a=ref=demo&ref%3Ddemo"},
		{"a.b.shop.com", "/static/app.js", "v=123"},
	} {
		if testRules.Maybe(request[0], request[1], request[2]) {
			t.Errorf("Maybe(%q) says yes", request)
		}
	}
}

func TestZeroRulesAreTheDefaults(t *testing.T) {
	var r Rules
	for _, request := range [][2]string{{"/", "via=demo"}, {"/", "ref=demo"}, {"/r/demo", ""}} {
		if got := r.Find(testTable, "default", "shop.com", request[0], request[1]); got.Link == nil || got.Link.Code != "demo" {
			t.Errorf("%q: found %+v", request, got)
		}
	}
	none := Rules{Params: []string{}, Paths: []string{}}
	if got := none.Find(testTable, "default", "shop.com", "/r/demo", "via=demo"); got != (Referral{}) {
		t.Errorf("rules that are empty on purpose found %+v", got)
	}
}

func TestRecognitionDoesNotAllocate(t *testing.T) {
	long := strings.Repeat("via", 8<<10/3)
	tests := map[string]func(){
		"Maybe, no":          func() { testRules.Maybe("www.shop.com:443", "/products/shoes", "q=red+shoes&page=2&sort=price") },
		"Maybe, 8 KiB":       func() { testRules.Maybe("shop.com", "/", long) },
		"Find, known":        func() { testRules.Find(testTable, "default", "shop.com", "/", "a=1&via=demo&b=2") },
		"Find, with capital": func() { testRules.Find(testTable, "default", "shop.com", "/", "ref=DEMO") },
		"Find, unknown":      func() { testRules.Find(testTable, "default", "shop.com", "/", "ref=github") },
		"Strip, nothing":     func() { Strip("q=red+shoes&page=2&sort=price", testRules.Params) },
	}
	for name, f := range tests {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestHasMoreParams(t *testing.T) {
	for query, want := range map[string]bool{
		"":         false,
		"via=demo": false,
		strings.Repeat("a=1&", MaxParams-1) + "via=demo": false,
		strings.Repeat("a=1&", MaxParams) + "via=demo":   true,
		strings.Repeat("a=1&", MaxParams):                false,
		strings.Repeat("&", MaxParams) + "via=demo":      true,
	} {
		if got := HasMoreParams(query); got != want {
			t.Errorf("%q: %v", query, got)
		}
		if found := testRules.Find(testTable, "default", "", "", query).Link != nil; strings.HasSuffix(query, "via=demo") && found == want {
			t.Errorf("%q: its last parameter is looked at: %v", query, found)
		}
	}
}

func TestStrip(t *testing.T) {
	names := []string{"via", "ref"}
	tests := []struct{ query, want string }{
		{"", ""},
		{"via=demo", ""},
		{"via", ""},
		{"a=1&via=demo", "a=1"},
		{"via=demo&a=1", "a=1"},
		{"a=1&via=demo&b=2", "a=1&b=2"},
		{"via=1&a=%zz;&ref=2&&b&via=3", "a=%zz;&&b"},
		{"a=1&&b=via=demo", "a=1&&b=via=demo"},
		{"xvia=1&viax=2&VIA=3&v%69a=4", "xvia=1&viax=2&VIA=3&v%69a=4"},
	}
	for _, test := range tests {
		if got := Strip(test.query, names); got != test.want {
			t.Errorf("Strip(%q) is %q, want %q", test.query, got, test.want)
		}
	}
	if got := Strip("a=1", []string{""}); got != "a=1" {
		t.Errorf("an empty name removed something: %q", got)
	}
}

// plainQuery says that net/url reads a query as we do.
func plainQuery(query string) bool {
	return !strings.ContainsAny(query, ";%+?") && strings.Count(query, "&") < MaxParams
}

func FuzzFind(f *testing.F) {
	f.Add("shop.com", "/", "via=demo")
	f.Add("demo.shop.com:80", "/r/carl/x", "ref=%64emo&via=github?x")
	f.Add("[::1]", "/go/", "via=&via=a;b&ref=demo+&aff_id=%zz")
	f.Add(".shop.com", "", "&&=&via&=demo&\xff\x00=1")
	f.Fuzz(func(t *testing.T, host, path, query string) {
		got := testRules.Find(testTable, "default", host, path, query)
		if (got.Link != nil || got.Unknown > 0) && !testRules.Maybe(host, path, query) {
			t.Fatal("Maybe says no where Find finds something")
		}
		if got.Link != nil && (got.Link.Network != "default" || got.Param == "") {
			t.Fatalf("found %+v", got)
		}
		stripped := Strip(query, testRules.Params)
		if again := testRules.Find(testTable, "default", "", "", stripped); again != (Referral{}) {
			t.Fatalf("%q is left of %q and names %+v", stripped, query, again)
		}
		if len(stripped) > len(query) || Strip(stripped, testRules.Params) != stripped {
			t.Fatalf("Strip is not stable: %q", stripped)
		}
		if plainQuery(query) {
			compareWithNetURL(t, query)
		}
	})
}

func compareWithNetURL(t *testing.T, query string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return
	}
	var want *Link
	for _, name := range testRules.Params {
		for _, code := range values[name] {
			if want == nil {
				want = testTable.Lookup("default", code)
			}
		}
	}
	if got := testRules.Find(testTable, "default", "", "", query); got.Link != want {
		t.Fatalf("%q: found %v, net/url's reading gives %v", query, got.Link, want)
	}
}

func BenchmarkMaybe(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		testRules.Maybe("www.shop.com", "/products/shoes/red", "q=red+shoes&page=2&sort=price&utm_source=mail")
	}
}

func BenchmarkMaybe8KiB(b *testing.B) {
	query := strings.Repeat("vi=1&re=2&", 8<<10/10)
	b.ReportAllocs()
	for b.Loop() {
		testRules.Maybe("www.shop.com", "/", query)
	}
}

func BenchmarkFind(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		testRules.Find(testTable, "default", "shop.com", "/", "utm_source=mail&ref=demo&page=2")
	}
}

func BenchmarkFind8KiB(b *testing.B) {
	query := strings.Repeat("via=x&ref=y&", 8<<10/12)
	b.ReportAllocs()
	for b.Loop() {
		testRules.Find(testTable, "default", "shop.com", "/", query)
	}
}
