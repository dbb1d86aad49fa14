package geniuslink

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/platform/geniuslink/jsv"
)

func TestNegotiate(t *testing.T) {
	const group = "/v4/groups/1/group-affiliate-tokens"
	for _, c := range []struct{ target, accept, sent, want string }{
		{group, "", "", "application/json"},
		{group, "*/*", "", "application/json"},
		{group, "*/*", "application/x-www-form-urlencoded", "application/json"},
		{group, "*/*", "text/jsv", "text/jsv"},
		{group, "*/*", "application/xml; charset=utf-8", "application/xml"},
		{group, "", "application/xml", "application/json"},
		{group, "text/jsv", "", "text/jsv"},
		{group, "application/jsv", "", "application/jsv"},
		{group, "application/jsv; q=0.1, application/json", "", "application/json"},
		{group, "application/xml, application/jsv", "application/jsv", "application/jsv"},
		{group, "application/jsv, application/xml", "application/json", "application/xml"},
		{group, "text/html, application/xml;q=0.9, */*", "", "application/xml"},
		{group, "text/html, */*", "", "application/json"},
		{group, "APPLICATION/JSON; charset=utf-8", "", "application/json"},
		{group, "application/json-patch", "", "application/json"},
		{group, "text/csv", "", "text/csv"},
		{group, "text/csv, */*", "", "application/json"},
		{group, "text/jsonl", "application/json", "text/jsonl"},
		{group, "image/png", "", "application/json"},
		{group + "?format=jsv", "application/json", "", "application/jsv"},
		{group + "?format=XML.x", "application/json", "", "application/xml"},
		{group + "?format=html", "application/jsv", "", "application/jsv"},
		{group + ".jsv?format=xml", "application/json", "", "application/jsv"},
		{group + ".CSV", "", "", "text/csv"},
		{group + "/a.json.xml", "", "", "application/xml"},
		{group + "/a.pdf", "application/jsv", "", "application/jsv"},
		{"/xml/reply/PutGroupAffiliateTokensRequest", "application/jsv", "application/json", "application/xml"},
		{"/xml/reply/PutGroupAffiliateTokensRequest?format=csv", "", "", "text/csv"},
		{"/api/PutGroupAffiliateTokensRequest", "application/jsv", "", "application/jsv"},
		{group + "?callback=f", "application/xml", "", "application/xml"},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		if c.accept != "" {
			r.Header.Set("Accept", c.accept)
		}
		if c.sent != "" {
			r.Header.Set("Content-Type", c.sent)
		}
		if got := negotiate(r).mediaType; got != c.want {
			t.Errorf("%s with Accept %q and Content-Type %q: %s, want %s", c.target, c.accept, c.sent, got, c.want)
		}
	}
}

func TestOwns(t *testing.T) {
	for path, want := range map[string]bool{
		"/v4/groups/1/group-affiliate-tokens": true, "/v4/groups/1/group-affiliate-tokens/": true, "/v4/groups/x/group-affiliate-tokens/a.b.jsv": true,
		"/V4/Groups/1/Group-Affiliate-Tokens/x": true, "/v4/user-affiliate-tokens.xml": true, "/v4/affiliate-tokens-sets": true,
		"/v3/affiliate-programs": true, "/v3/group-affiliate-tokens.json": true,
		"/v4/groups/1": true, "/v4/groups//group-affiliate-tokens": true, "/v4/groups/1/group-affiliate-tokens/a/b": true,
		"/v4/groups/1/group-affiliate-tokens.pdf": true, "/": false, "/v4/": false, "/v4/groups/": false, "/v4/groupsx/1": false, "/api/PostGroupAffiliateTokensRequest": false, "/x/reply/PutGroupAffiliateTokensRequest": false,
		"/jsv/reply/PutGroupAffiliateTokensRequest": true, "/api/PutGroupAffiliateTokensRequest": true, "/api/": false, "/api/v1": false, "/api//v1": false,
		"/api/PutGroupAffiliateTokensRequest/x": false, "/jsv/oneway/PutGroupAffiliateTokensRequest": false,
		"/x/v4/user-affiliate-tokens": false, "/v4/user-affiliate-tokens/": true, "/v4.json/user-affiliate-tokens": false,
	} {
		if got := owns(path); got != want {
			t.Errorf("owns(%s) = %t", path, got)
		}
	}
}

// hostile are texts that mean something to a format.
var hostile = []string{
	`</Value><x>&lt;]]>`, `"';--`, `{a:b},[c]`, "=HYPERLINK(\"http://evil.example\")", "+1", "-1", "@x", "\t=1", " =1", "＝1", "\u2028", "é日本", `\`, `a""b`, "\ufffe",
}

// TestAnswersEscape reads hostile texts back with the readers of each format.
func TestAnswersEscape(t *testing.T) {
	for _, s := range hostile {
		a := reply{200, "T", record{{"text", s}, {"none", nil}, {"map", texts{"k" + s: s}}, {"list", rows{"I", []record{{{"a", s}}}}}, {"names", []string{s}}}}
		var object struct {
			Text  string
			Map   map[string]string
			List  []struct{ A string }
			Names []string
		}
		if err := json.Unmarshal(encodeJSON(a), &object); err != nil || object.Text != s || object.Map["k"+s] != s || object.List[0].A != s || object.Names[0] != s {
			t.Errorf("%q in JSON is read as %+v (%v)", s, object, err)
		}
		n, err := jsv.ParseCompact(string(encodeJSV(a)))
		if err != nil || len(n.Members) != 4 || n.Members[0].Value.Text != s || n.Members[1].Value.Members[0].Key != "k"+s || n.Members[2].Value.Items[0].Members[0].Value.Text != s {
			t.Errorf("%q in JSV is read as %+v (%v)", s, n, err)
		}
		element, err := decodeXML(encodeXML(a))
		if want := strings.ReplaceAll(s, "\ufffe", "\ufffd"); err != nil || memberOf(element, "text").Text != want || len(element.Members) != 4 {
			t.Errorf("%q in XML is read as %+v (%v)", s, element, err)
		}
		d := xml.NewDecoder(strings.NewReader(string(encodeXML(a))))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%q makes XML that is none: %v", s, err)
			}
		}
		lines, err := csv.NewReader(strings.NewReader(string(encodeCSV(a)))).ReadAll()
		if err != nil || len(lines) != 2 || len(lines[0]) != 4 {
			t.Errorf("%q in CSV is read as %q (%v)", s, lines, err)
		}
		for _, got := range lines[1] {
			if strings.ContainsAny(got[:1], "=+-@\t") || strings.HasPrefix(strings.TrimLeft(got, " "), "=") {
				t.Errorf("%q makes the cell %q", s, got)
			}
		}
	}
}

// FuzzBody reads strangers' bodies of every type, and binds them.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		`{"username":"u","parameters":{"tag":"x"}}`, `{username:u,parameters:{tag:x}}`, "{\n\tparameters: \n\t{\n\t\ta: b\n\t}\n}", `username=u&parameters=%7Ba:b%7D`,
		`<a><parameters><x><Key>k</Key><Value>v</Value></x></parameters><affiliatePrograms><p><programGuid>g</programGuid></p></affiliatePrograms></a>`,
		`{"affiliatePrograms":[{"programGuid":"g","affiliateTokens":{"a":1,"b":null,"c":true}}]}`, `[[[[`, `<a><a>`, `groupId=4294967296`, `{"__type":"x"}`,
	} {
		for kind := range uint8(5) {
			f.Add(kind, body)
		}
	}
	kinds := []string{"application/json", "text/jsv", "application/xml", "application/x-www-form-urlencoded", ""}
	f.Fuzz(func(t *testing.T, kind uint8, body string) {
		members, err := decodeBody(kinds[int(kind)%len(kinds)], []byte(body), kind >= 128)
		if err != nil {
			if fault, ours := asFault(err); ours || fault.status/100 != 4 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		path := map[string]string{"groupid": "7", "guid": "g"}
		for _, form := range []bool{false, true} {
			var r request
			if form {
				r, err = bind(path, nil, nil, members)
			} else {
				r, err = bind(path, members, nil, nil)
			}
			if err == nil && (r.groupID == nil || *r.groupID != 7 || r.guid != "g") {
				t.Fatalf("%q changes the path to %v %q", body, r.groupID, r.guid)
			}
			for name, value := range r.parameters {
				if value == "" {
					t.Errorf("%q has the empty parameter %q", body, name)
				}
			}
		}
	})
}
