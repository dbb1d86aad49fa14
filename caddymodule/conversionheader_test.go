package caddymodule

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const sale = `buy;external_id="12345";amount=99.90;currency="EUR"`

func TestParseConversions(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  []reported
	}{
		{[]string{sale}, []reported{{kind: "buy", externalID: "12345", amount: "99.900", currency: "EUR"}}},
		{[]string{""}, nil},
		{[]string{`lead;external_id="a",sale;external_id="b";amount="1234567890123.45"`, `click;external_id="c"`}, []reported{
			{kind: "lead", externalID: "a"}, {kind: "sale", externalID: "b", amount: "1234567890123.45"}, {kind: "click", externalID: "c"},
		}},
		{[]string{`buy; external_id=abc; amount=100; currency=EUR; coupon=SPRING; customer="7 \"x\""; name=%"Zo%c3%ab"`}, []reported{
			{kind: "buy", externalID: "abc", amount: "100", currency: "EUR", coupon: "SPRING", customer: `7 "x"`, name: "Zoë"},
		}},
		{[]string{`buy;external_id="a";amount=1.001;currency="KWD"`}, []reported{{kind: "buy", externalID: "a", amount: "1.001", currency: "KWD"}}},
		{[]string{`buy;external_id="a";amount=999999999999.999`}, []reported{{kind: "buy", externalID: "a", amount: "999999999999.999"}}},
	} {
		got, errs := parseConversions(test.lines, false)
		if !reflect.DeepEqual(got, test.want) || errs != nil {
			t.Errorf("%q is read as %+v, %v", test.lines, got, errs)
		}
	}
	got, errs := parseConversions([]string{sale + `;status=approved`}, true)
	if len(got) != 1 || got[0].status != "approved" || errs != nil {
		t.Errorf("where the upstream is trusted: %+v, %v", got, errs)
	}
}

func TestParseConversionsRefuses(t *testing.T) {
	const secret = "hunter2"
	for text, want := range map[string]string{
		`buy;external_id="` + secret:                             "RFC 8941",
		`buy;external_id="a";amount=99.9999`:                     "RFC 8941",
		`buy;external_id="a";amount=1e400`:                       "RFC 8941",
		`buy;external_id="` + secret + `ü"`:                      "RFC 8941",
		sale + ",":                                               "RFC 8941",
		`"` + secret + `";external_id="a"`:                       "item 1: it does not begin with its type",
		`12345`:                                                  "item 1: it does not begin with its type",
		`(buy);external_id="a"`:                                  "item 1: it is an inner list",
		`buy;external_id=12345`:                                  "item 1: external_id: is not a String",
		`buy;external_id`:                                        "item 1: external_id: is not a String",
		`buy;external_id="a";amount=:` + secret + `=:`:           "item 1: amount: is neither a number nor a String",
		`buy;external_id="a";amount=hunter2`:                     "item 1: amount: is neither a number nor a String",
		`buy;external_id="a";amount=""`:                          "item 1: amount: is neither a number nor a String",
		`buy;external_id="a";commissions="` + secret + `"`:       "item 1: commissions: is not a parameter",
		`buy;external_id="a";status=approved`:                    "item 1: status: needs the option trusted",
		sale + strings.Repeat(", "+sale, 20):                     "more than 20 conversions",
		`buy;external_id="` + strings.Repeat("x", 8<<10) + `"`:   "more than 8192 bytes",
		sale + `,sale;external_id="` + secret + `";total="1.00"`: "item 2: total: is not a parameter",
	} {
		_, errs := parseConversions([]string{text}, false)
		if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) || strings.Contains(errs[0].Error(), secret) {
			t.Errorf("%.80s: %v, want %q", text, errs, want)
		}
	}
}

func TestALineThatIsNoListSpoilsNoOther(t *testing.T) {
	list, errs := parseConversions([]string{
		`buy;external_id="1"`, `buy;external_id="Zo` + "\u00eb" + `"`, `lead;external_id="2", sale;external_id="3"`, `buy;external_id="4`,
		`buy;external_id=5, buy;external_id="6"`, ``,
	}, false)
	var ids []string
	for _, c := range list {
		ids = append(ids, c.externalID)
	}
	if !slices.Equal(ids, []string{"1", "2", "3", "6"}) || len(errs) != 3 || !strings.HasPrefix(errs[0].Error(), "line 2 is no list") ||
		!strings.HasPrefix(errs[1].Error(), "line 4 is no list") || !strings.HasPrefix(errs[2].Error(), "line 5, item 1: ") {
		t.Errorf("of six lines %q are read, and wrong are %v", ids, errs)
	}
	items := strings.Repeat(sale+",", 10) + sale
	if list, errs := parseConversions([]string{items, items}, false); len(list) != 0 || len(errs) != 1 {
		t.Errorf("of 22 conversions in two lines %d are read, %v", len(list), errs)
	}
}

func TestTakeField(t *testing.T) {
	header := http.Header{
		conversionField:                     {"a", "b"},
		"Trailer:" + conversionField:        {"c"},
		"trailer:affiliate-conversion":      {"d"},
		"Trailer":                           {"Expires, affiliate-conversion", "X-Sum"},
		"X-Affiliate-Conversion":            {"theirs"},
		http.TrailerPrefix + "X-Conversion": {"theirs"},
	}
	if lines := takeField(header); !slices.Equal(lines, []string{"a", "b"}) {
		t.Errorf("the lines are %q", lines)
	}
	want := http.Header{
		"Trailer": {"Expires,X-Sum"}, "X-Affiliate-Conversion": {"theirs"}, http.TrailerPrefix + "X-Conversion": {"theirs"},
	}
	if !reflect.DeepEqual(header, want) {
		t.Errorf("what is left is %q, want %q", header, want)
	}
	header = http.Header{"affiliate-conversion": {"a"}, "trailer": {"Affiliate-Conversion"}}
	if lines := takeField(header); len(lines) != 1 || len(header) != 0 {
		t.Errorf("in other letters: %q, and %q is left", lines, header)
	}
	untouched := http.Header{"Trailer": {"X-A, X-B", "X-C"}}
	if takeField(untouched); len(untouched["Trailer"]) != 2 {
		t.Errorf("the announcement of other trailers was changed to %q", untouched)
	}
}

// FuzzConversionField sends what an upstream may send. Whatever it is, the handler does not panic, the client sees the site's
// answer and no field, and what counts as recorded comes back out of its record.
func FuzzConversionField(f *testing.F) {
	e := headerEdge(f, ConversionHeader{Trusted: true})
	for _, seed := range []string{
		sale, sale + ";status=approved, lead;external_id=a;currency=JPY;amount=1500", `buy;external_id="";amount=1e400`, "buy;;=", "(", `"`,
		`buy;external_id="a";amount="1e2000000000";currency="EUR"`, `buy;external_id=%"%00%ff";currency=KWD;amount=0.001`, "*;a=?1;b=@1;c=:AA==:",
	} {
		f.Add(seed, 200)
	}
	f.Fuzz(func(t *testing.T, line string, status int) {
		status = 200 + (status%400+400)%400
		before := read(t)
		e := &edge{Handler: e.Handler, t: t, engine: e.engine}
		res := e.serve(newRequest("http://shop.test/"), selling(status, line))
		if after := read(t); after["panics"] != before["panics"] {
			t.Fatal("the handler panicked")
		}
		if res.Code != status || len(res.Header()) != 0 {
			t.Errorf("status %d, header %v", res.Code, res.Header())
		}
		list, _ := parseConversions([]string{line}, true)
		for _, c := range list {
			n, err := c.conversion("default", tracker.SourceHeader, time.Now())
			if err != nil {
				continue
			}
			record, err := tracker.DecodeRecord(n.AppendRecord(nil))
			if err != nil {
				t.Fatal(err)
			}
			if back, err := record.Conversion(); err != nil || back.ContentHash() != n.ContentHash() || back.ExternalID != n.ExternalID {
				t.Errorf("%+v came back as %+v, %v", n, back, err)
			}
		}
	})
}
