package invoca

import (
	"net/url"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	for path, want := range map[string]target{
		"33/affiliates.json":              {network: "33"},
		"33/affiliates":                   {network: "33", bare: true},
		"affiliates.json":                 {},
		"affiliates":                      {bare: true},
		"33/affiliates/222.json":          {network: "33", id: "222", one: true},
		"33/affiliates/222":               {network: "33", id: "222", one: true, bare: true},
		"affiliates/222.json":             {id: "222", one: true},
		"33/affiliates/a.json.json":       {network: "33", id: "a.json", one: true},
		"33/affiliates/a%2Fb.json":        {network: "33", id: "a/b", one: true},
		"33/affiliates/a%20b%2Ejson":      {network: "33", id: "a b", one: true},
		"33/affiliates/%20a%20.json":      {network: "33", id: "a", one: true},
		"33/affiliates/a+b.json":          {network: "33", id: "a+b", one: true},
		"33/affiliates/%C3%A9.json":       {network: "33", id: "é", one: true},
		"affiliates/affiliates.json":      {id: "affiliates", one: true},
		"a/affiliates/affiliates.json":    {network: "a", id: "affiliates", one: true},
		"33%2Faffiliates/affiliates.json": {network: "33/affiliates"},
	} {
		if got, ok := parsePath(prefix + path); !ok || got != want {
			t.Errorf("%s is %+v %t, want %+v", path, got, ok, want)
		}
	}
	for _, path := range []string{
		"", "33", "33/", "33/affiliates/", "33/affiliates/.json", "affiliates/", "33/affiliates/222/users.json", "33/advertisers/1.json",
		"33/affiliates/%zz.json", "33/affiliates/%20.json", "33/Affiliates.json",
	} {
		if got, ok := parsePath(prefix + path); ok {
			t.Errorf("%s is %+v", path, got)
		}
	}
}

func TestIDsOfAllKinds(t *testing.T) {
	n := newNetwork(t, nil)
	for _, id := range []string{"a/b", "a b", "é", "a.json", ".json", "?", "#", "%", "a%2Fb", "..", "..%2f", "affiliates", "🦘"} {
		path := "affiliates/" + url.PathEscape(id) + ".json"
		body := `{"name": "named ` + strings.ReplaceAll(id, `"`, "") + `"}`
		made := n.do("PUT", path, body).want(200).body
		n.do("GET", path, "").wantBody(200, made)
		n.do("DELETE", path, "").wantBody(200, "{}")
		n.do("GET", path, "").wantClass(404, "RecordNotFound")
	}
	for _, id := range []string{"%00", "%ff", "a%0Ab", strings.Repeat("x", 256)} {
		path := "affiliates/" + id + ".json"
		n.do("GET", path, "").wantBody(404, `{"errors":{"invalid_data":"Could not find Affiliate","class":"RecordNotFound"}}`)
		n.do("DELETE", path, "").wantBody(200, "{}")
		n.do("PUT", path, `{"name": "A"}`).wantFields(`{"id_from_network":["is invalid"]}`)
	}
}

// FuzzParsePath: a path that is understood names what it names again when it is written in the platform's own form.
func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{
		"33/affiliates.json", "33/affiliates/222.json", "affiliates/a%2Fb.json", "33/affiliates/a.json.json", "affiliates/.json", "%", "//", "affiliates/%ff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, ok := parsePath(prefix + path)
		if !ok {
			return
		}
		if got.one == (got.id == "") {
			t.Fatalf("%q is %+v", path, got)
		}
		again := prefix
		if got.network != "" {
			again += url.PathEscape(got.network) + "/"
		}
		again += collection
		if got.one {
			again += "/" + url.PathEscape(got.id)
		}
		got.bare = false
		if same, ok := parsePath(again + suffix); !ok || same != got {
			t.Errorf("%q is %+v, and %q is %+v", path, got, again, same)
		}
	})
}
