package invoca

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func TestTokenPlaces(t *testing.T) {
	n := newNetwork(t, nil)
	other := n.books.NewKey("acme", tracker.ScopeAll)
	wrong := n.key[:len(n.key)-4] + "AAAA"
	for name, c := range map[string]struct {
		headers []string
		query   string
		status  int
	}{
		"none":                         {nil, "", 401},
		"raw":                          {[]string{n.key}, "", 200},
		"Bearer":                       {[]string{"bearer " + n.key}, "", 200},
		"Token":                        {[]string{"Token  " + n.key}, "", 200},
		"Basic, the name":              {[]string{basic(n.key, "")}, "", 200},
		"Basic, the password":          {[]string{basic("api", n.key)}, "", 200},
		"Basic, both the same":         {[]string{basic(n.key, n.key)}, "", 200},
		"Basic, two":                   {[]string{basic(n.key, other)}, "", 401},
		"Basic, none":                  {[]string{basic("a", "b")}, "", 401},
		"Basic, no base64":             {[]string{"Basic " + n.key}, "", 401},
		"another scheme":               {[]string{"Digest " + n.key}, "", 401},
		"the query":                    {nil, "?oauth_token=" + n.key, 200},
		"the query, another case":      {nil, "?OAuth_Token=" + n.key, 401},
		"the same in both":             {[]string{n.key}, "?oauth_token=" + n.key, 200},
		"a good one and a bad one":     {[]string{n.key}, "?oauth_token=" + wrong, 401},
		"a bad one and a good one":     {[]string{wrong}, "?oauth_token=" + n.key, 401},
		"two good ones":                {[]string{n.key}, "?oauth_token=" + other, 401},
		"two headers":                  {[]string{n.key, other}, "", 401},
		"two headers, one empty":       {[]string{n.key, ""}, "", 401},
		"two headers, the same":        {[]string{n.key, "Bearer " + n.key}, "", 200},
		"two in the query":             {nil, "?oauth_token=" + n.key + "&oauth_token=" + other, 401},
		"one in the query that is bad": {nil, "?oauth_token=" + wrong, 401},
		"another network's":            {[]string{n.books.NewKey("other", tracker.ScopeAll)}, "", 403},
		"one without the scope":        {[]string{n.books.NewKey("acme", "links:read", "affiliates:write")}, "", 403},
	} {
		r := n.request("GET", "affiliates.json"+c.query, "")
		r.Header.Del("Authorization")
		for _, value := range c.headers {
			r.Header.Add("Authorization", value)
		}
		if got := n.send(r); got.status != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, got.status, c.status, got.body)
		}
	}
}

func TestTokenInTheBody(t *testing.T) {
	n := newNetwork(t, nil)
	good, other := n.key, n.books.NewKey("acme", tracker.ScopeAll)
	n.key = ""
	with := func(token string) string {
		return `{"oauth_token": ` + token + `, "id_from_network": "1", "name": "A"}`
	}
	n.do("POST", "affiliates.json", with(`"`+good+`"`)).want(201)
	n.do("POST", "affiliates.json", with(`null`)).wantClass(401, "Unauthorized")
	n.do("POST", "affiliates.json", with(`["`+good+`"]`)).wantClass(401, "Unauthorized")
	n.do("POST", "affiliates.json?oauth_token="+other, with(`"`+good+`"`)).wantClass(401, "Unauthorized")
	n.do("POST", "affiliates.json?oauth_token="+good, with(`"`+good+`"`)).want(201)
	n.do("POST", "affiliates.json", `{"oauth_token": "`+good+`", "oauth_token": "`+good+`", "id_from_network": "2", "name": "B"}`).wantClass(401, "Unauthorized")
	n.do("DELETE", "affiliates/1.json", with(`"`+good+`"`)).wantClass(401, "Unauthorized")
	n.key = other
	n.do("POST", "affiliates.json", with(`"`+good+`"`)).wantClass(401, "Unauthorized")
}

// TestStrangersLearnNothing: without a token, everything is answered alike.
func TestStrangersLearnNothing(t *testing.T) {
	n := newNetwork(t, nil)
	n.do("POST", "affiliates.json", surf).want(201)
	n.key = ""
	want := n.do("GET", "affiliates.json", "").wantClass(401, "Unauthorized").body
	for _, c := range [][3]string{
		{"GET", "affiliates/222.json", ""}, {"GET", "affiliates/999.json", ""}, {"GET", "nothing", ""}, {"PATCH", "affiliates/222.json", ""},
		{"GET", "/api/2018-11-01/other/affiliates.json", ""}, {"DELETE", "affiliates/222.json", ""}, {"POST", "affiliates.json", `{"a":`},
		{"POST", "affiliates.json", strings.Repeat("[", 1000)}, {"PUT", "affiliates/222.json", surf},
	} {
		n.do(c[0], c[1], c[2]).wantBody(401, want)
	}
}

// TestNetworks: the network of a path must be the token's, and what is another's is never seen.
func TestNetworks(t *testing.T) {
	n := newNetwork(t, func(o *Options) { o.NetworkIDs = map[string]string{"33": "acme", "34": "other"} })
	mine := n.key
	n.do("POST", "affiliates.json", surf).want(201)
	n.key = n.books.NewKey("other", tracker.ScopeAll)
	forbidden := n.do("GET", "affiliates/222.json", "").wantClass(403, "UnauthorizedOperation").body
	for _, path := range []string{"acme/affiliates/999.json", "33/affiliates/222.json", "nobody/affiliates/222.json", "35/affiliates.json"} {
		for _, method := range []string{"GET", "DELETE", "PUT", "POST"} {
			if method != "GET" && !strings.Contains(path, "/affiliates/") {
				continue
			}
			n.do(method, prefix+path, "").wantBody(403, forbidden)
		}
	}
	n.do("GET", prefix+"affiliates/222.json", "").wantClass(404, "RecordNotFound")
	n.do("GET", prefix+"34/affiliates.json", "").wantBody(200, "[]")
	n.do("DELETE", prefix+"other/affiliates/222.json", "").wantBody(200, "{}")
	n.do("POST", prefix+"other/affiliates.json", surf).want(201)
	n.key = mine
	for _, path := range []string{"acme/affiliates/222.json", "33/affiliates/222.json", "affiliates/222.json"} {
		n.do("GET", prefix+path, "").want(200, `"id":1,`)
	}
}

func TestRate(t *testing.T) {
	n := newNetwork(t, nil)
	n.key = n.books.NewSlowKey("acme", 1, "read")
	for range 2 {
		n.do("GET", "affiliates.json", "").want(200)
	}
	if got := n.do("GET", "affiliates.json", "").wantClass(429, "TooManyRequests"); got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
}

// awayBooks cannot be reached, or fail.
type awayBooks struct {
	Books
	err error
}

func (b awayBooks) KeyByID(context.Context, string) (tracker.Key, error) { return tracker.Key{}, b.err }

func TestBooksAway(t *testing.T) {
	n := newNetwork(t, nil)
	for name, c := range map[string]struct {
		books  func() (Books, error)
		status int
		class  string
	}{
		"none":   {func() (Books, error) { return nil, errors.New("this node keeps no books") }, 503, "ServiceUnavailable"},
		"away":   {func() (Books, error) { return awayBooks{err: tracker.ErrAway}, nil }, 503, "ServiceUnavailable"},
		"broken": {func() (Books, error) { return awayBooks{err: errors.New("planted-4711")}, nil }, 500, "InternalServiceError"},
		"panic":  {func() (Books, error) { panic("planted-4711") }, 500, "InternalServiceError"},
		"no key": {func() (Books, error) { return awayBooks{err: access.ErrKey}, nil }, 401, "Unauthorized"},
	} {
		o := Options{Books: c.books}
		n.handler = New(o)
		got := n.do("GET", "affiliates.json", "").wantClass(c.status, c.class)
		if strings.Contains(got.body, "4711") {
			t.Errorf("%s: the answer says why: %s", name, got.body)
		}
		if retry := got.header.Get("Retry-After"); (retry != "") != (c.status == 503) {
			t.Errorf("%s: Retry-After is %q", name, retry)
		}
		if id := got.header.Get("X-Request-Id"); c.status == 500 && !strings.Contains(got.body, "refer to error handle "+id) {
			t.Errorf("%s: the answer has no error handle: %s", name, got.body)
		}
	}
}

func TestMethods(t *testing.T) {
	n := newNetwork(t, nil)
	for _, c := range []struct{ method, path, allow string }{
		{"PATCH", "affiliates/222.json", "GET, HEAD, POST, PUT, DELETE"},
		{"PUT", "affiliates.json", "GET, HEAD, POST"},
		{"DELETE", "affiliates.json", "GET, HEAD, POST"},
	} {
		if got := n.do(c.method, c.path, "").wantClass(http.StatusMethodNotAllowed, "InvalidInput"); got.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow is %q", c.method, c.path, got.header.Get("Allow"))
		}
	}
}
