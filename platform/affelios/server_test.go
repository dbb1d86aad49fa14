package affelios

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// with sends a request with these header fields, in pairs, and no others.
func (s *shop) with(method, path, body string, header ...string) reply {
	s.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return s.send(r)
}

const nobody = "/api/v1/customer/0190a000-0000-7000-8000-000000000000"

func TestKeys(t *testing.T) {
	s := newShop(t)
	revoked := s.books.NewKey("acme", tracker.ScopeAll)
	id, _, _ := tracker.ParseKey(revoked)
	if _, err := s.books.RevokeKey(t.Context(), "acme", id); err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string][]string{
		"none": nil, "empty": {"X-Api-Key", ""}, "revoked": {"X-Api-Key", revoked}, "another's secret": {"X-Api-Key", s.key[:17] + revoked[17:]},
		"two": {"X-Api-Key", s.key, "X-Api-Key", s.key}, "half": {"X-Api-Key", s.key[:30]}, "Basic": {"Authorization", "Basic " + s.key},
		"a good one behind a bad one": {"X-Api-Key", revoked, "Authorization", s.key},
	} {
		r := s.with("GET", nobody, "", header...).refused(401)
		if r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: the answer does not say how to do better", name)
		}
	}
	for _, header := range [][]string{
		{"X-Api-Key", s.key}, {"x-api-key", " " + s.key + " "}, {"Authorization", s.key}, {"Authorization", "bearer " + s.key},
		{"X-Api-Key", s.key, "Authorization", "Bearer " + revoked},
	} {
		s.with("GET", nobody, "", header...).refused(404)
	}
	if strings.Contains(s.log.String(), revoked[17:]) || strings.Contains(s.log.String(), s.key[17:]) {
		t.Error("the log has a key")
	}
}

func TestScopes(t *testing.T) {
	s := newShop(t)
	id := *s.create("c-1", "").ID
	s.do("POST", "/api/v1/transaction", deposit("t-1", "")).want(202)
	path := "/api/v1/customer/" + id
	all := s.key
	for _, c := range []struct{ scope, method, path, body string }{
		{"customers:write", "POST", "/api/v1/customer", newCustomer("c-2", "")}, {"customers:write", "PUT", path, `{}`},
		{"customers:read", "GET", path, ""}, {"transactions:write", "POST", "/api/v1/transaction", deposit("t-2", "")},
		{"transactions:write", "POST", "/api/v1/transaction/bulk", "[]"},
	} {
		for _, scope := range []string{"customers:read", "customers:write", "transactions:read", "transactions:write"} {
			s.key = s.books.NewKey("acme", tracker.Scope(scope))
			r := s.do(c.method, c.path, c.body)
			if allowed := r.status != 403; allowed != (scope == c.scope) {
				t.Errorf("with %s, %s %s answers %d %s", scope, c.method, c.path, r.status, r.body)
			}
			if strings.Contains(r.body, "t-1") {
				t.Errorf("with %s alone the transactions show: %s", scope, r.body)
			}
		}
	}
	s.key = all
	if shown := s.do("GET", path, "").want(200).customer(); len(shown.Transactions) != 2 {
		t.Errorf("the transactions are %+v", shown.Transactions)
	}
}

func TestRate(t *testing.T) {
	s := newShop(t)
	s.key = s.books.NewSlowKey("acme", 1, tracker.ScopeAll)
	for range 2 {
		s.do("GET", nobody, "").refused(404)
	}
	if r := s.do("GET", nobody, "").refused(429); r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
}

func TestOwns(t *testing.T) {
	for path, want := range map[string]bool{
		"/api/v1/customer": true, "/api/v1/customer/": true, "/api/v1/customer/x": true, "/API/V1/Customer": true,
		"/api/v1/transaction/bulk": true, "/api/v1/transaction/x/y": true,
		"/": false, "/api/v1": false, "/api/v1/customers": false, "/api/v1/transactions": false, "/api/2018-11-01/1/affiliates": false,
		"/api/merchants/conversions": false, "/x/api/v1/customer": false,
	} {
		if got := New(Options{}).Owns(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

// TestTolerances has one case for each row of the table in docs/affelios.md.
func TestTolerances(t *testing.T) {
	s := newShop(t)
	click := s.click("acme", "ann").ID.String()
	s.create("c-1", "")
	json := []string{"X-Api-Key", s.key, "Content-Type", "application/json"}
	bearer := []string{"Authorization", "Bearer " + s.key, "Content-Type", "application/json"}
	for name, c := range map[string]struct {
		path, body string
		header     []string
		status     int
		strict     int
	}{
		"authorization":      {"/api/v1/customer", newCustomer("t-1", ""), bearer, 200, 401},
		"no content type":    {"/api/v1/customer", newCustomer("t-2", ""), []string{"X-Api-Key", s.key}, 200, 415},
		"path":               {"/API/v1/Customer/", newCustomer("t-3", ""), json, 200, 404},
		"case of names":      {"/api/v1/customer", strings.Replace(newCustomer("t-4", ""), "externalId", "ExternalId", 1), json, 200, 400},
		"names of the key":   {"/api/v1/customer", newCustomer("t-5", `,"clickKey":"`+click+`"`), json, 200, 400},
		"unknown members":    {"/api/v1/customer", newCustomer("t-6", `,"shoeSize":44`), json, 200, 400},
		"numbers in strings": {"/api/v1/transaction", deposit("t-7", `,"depositAmount":"1.5"`), json, 202, 400},
		"the year 1":         {"/api/v1/transaction", deposit("t-8", `,"transactionDate":"0001-01-01T00:00:00"`), json, 202, 400},
	} {
		t.Run(name, func(t *testing.T) {
			s.serve(strict)
			if !s.server.Owns(c.path) && c.strict == 404 {
				c.strict = 0 // it is the next handler's
			} else {
				s.with("POST", c.path, c.body, c.header...).want(c.strict)
			}
			s.serve()
			s.with("POST", c.path, c.body, c.header...).want(c.status)
		})
	}
	s.serve(strict)
	s.create("s-1", `,"clickId":"`+click+`"`)
	s.do("POST", "/api/v1/transaction", deposit("s-1", `,"clickKey":"`+click+`","depositAmount":1.5`)).want(202)
}

func TestMediaTypes(t *testing.T) {
	s := newShop(t)
	for media, status := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, "text/json": 200, "application/vnd.affelios+json": 200,
		"text/plain": 415, "application/x-www-form-urlencoded": 415, "application/jsonx": 415, "": 415, "?": 415,
	} {
		s.with("POST", "/api/v1/customer", newCustomer("c-"+media, ""), "X-Api-Key", s.key, "Content-Type", media).want(status)
	}
}

// brokenBooks fail at whatever is asked of customers.
type brokenBooks struct {
	*ledger.Ledger
	err error
}

func (b brokenBooks) Customer(context.Context, string, string) (tracker.Customer, error) {
	if b.err == nil {
		panic("secret")
	}
	return tracker.Customer{}, b.err
}

func TestFaultsOfOurs(t *testing.T) {
	s := newShop(t)
	ask := func(books func() (Books, error)) reply {
		s.serve(func(o *Options) { o.Books = books })
		return s.do("GET", nobody, "")
	}
	broken := func(err error) func() (Books, error) {
		return func() (Books, error) { return brokenBooks{s.books.Ledger, err}, nil }
	}
	for name, r := range map[string]reply{
		"no books":  ask(func() (Books, error) { return nil, errors.New("secret") }).refused(503),
		"away":      ask(broken(tracker.ErrAway)).refused(503),
		"late":      ask(broken(context.DeadlineExceeded)).refused(503),
		"our fault": ask(broken(errors.New("secret"))).refused(500),
		"a panic":   ask(broken(nil)).refused(500),
	} {
		if r.status == 503 && r.header.Get("Retry-After") != "5" {
			t.Errorf("%s: Retry-After is %q", name, r.header.Get("Retry-After"))
		}
		if strings.Contains(r.body, "secret") {
			t.Errorf("%s: the answer is %s", name, r.body)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"currency": {Currency: "EURO"}, "unknown_click_key": {UnknownKey: "?"}, "duplicates": {Duplicates: "?"},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Options{Currency: "USD"}).Check(); err != nil {
		t.Error(err)
	}
}

// TestAttacks: each is refused in bounded time with the dialect's own error.
func TestAttacks(t *testing.T) {
	s := newShop(t)
	deep := strings.Repeat(`{"a":`, 100_000)
	many := func(n int, entry string) string { return "[" + strings.Repeat(entry+",", n-1) + entry + "]" }
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"an object that is deep":           {"/api/v1/customer", deep[:60_000], 400},
		"a list that is deep":              {"/api/v1/transaction/bulk", strings.Repeat("[", 100_000), 400},
		"a deep object in a list":          {"/api/v1/transaction/bulk", "[" + deep, 400},
		"a body that is too large":         {"/api/v1/customer", newCustomer("c", `,"username":"`+strings.Repeat("x", 70_000)+`"`), 413},
		"a transaction that is too large":  {"/api/v1/transaction", deposit("t", `,"note":"`+strings.Repeat("x", 70_000)+`"`), 413},
		"a list that is too large":         {"/api/v1/transaction/bulk", many(100_000, deposit("t", "")), 413},
		"100,000 empty entries":            {"/api/v1/transaction/bulk", many(100_000, `{}`), 400},
		"100,000 numbers":                  {"/api/v1/transaction/bulk", many(100_000, `0`), 400},
		"entries that are all wrong":       {"/api/v1/transaction/bulk", many(maxEntries, `{"a":1}`), 400},
		"members with different case":      {"/api/v1/customer", newCustomer("c", `,"EXTERNALID":"d"`), 400},
		"a member twice":                   {"/api/v1/customer", newCustomer("c", `,"username":"a","username":"b"`), 400},
		"a member twice, once escaped":     {"/api/v1/customer", newCustomer("c", `,"\u0065xternalId":"d"`), 400},
		"many members":                     {"/api/v1/customer", newCustomer("c", strings.Repeat(`,"externalId":"d"`, 3000)), 400},
		"text that is no UTF-8":            {"/api/v1/customer", newCustomer("c", `,"username":"`+"\xff"+`"`), 400},
		"a NUL":                            {"/api/v1/customer", newCustomer("c", `,"username":"\u0000"`), 400},
		"a line feed":                      {"/api/v1/customer", newCustomer("c", `,"username":"a\nb"`), 400},
		"half a surrogate pair in a name":  {"/api/v1/customer", newCustomer("\\ud800\n", ``), 400},
		"an amount of many digits":         {"/api/v1/transaction", deposit("t", `,"depositAmount":`+strings.Repeat("9", 50_000)), 400},
		"an amount with a huge exponent":   {"/api/v1/transaction", deposit("t", `,"depositAmount":1e999999999`), 400},
		"an empty body":                    {"/api/v1/customer", "", 400},
		"two values":                       {"/api/v1/customer", newCustomer("c", "") + newCustomer("d", ""), 400},
		"null":                             {"/api/v1/customer", "null", 400},
		"a list instead of an object":      {"/api/v1/customer", "[" + newCustomer("c", "") + "]", 400},
		"a list of null":                   {"/api/v1/transaction/bulk", "[null]", 400},
		"a click key that is very long":    {"/api/v1/customer", newCustomer("c", `,"clickId":"v1.`+strings.Repeat("A", 60_000)+`"`), 422},
		"a path that leads somewhere else": {"/api/v1/customer/../transaction", "{}", 404},
	} {
		t.Run(name, func(t *testing.T) {
			platformtest.Soon(t, 2*time.Second, func() {
				r := s.with("POST", c.path, c.body, "X-Api-Key", s.key, "Content-Type", "application/json").want(c.status)
				if len(r.body) > 16<<10 {
					t.Errorf("it is answered with %d bytes", len(r.body))
				}
			})
		})
	}
	for _, path := range []string{
		"/api/v1/customer/%00", "/api/v1/customer/%ff", "/api/v1/customer/..%2f", "/api/v1/customer/" + strings.Repeat("a", 10_000),
		"/api/v1/customer/'%20OR%201=1--",
	} {
		s.do("GET", path, "").refused(http.StatusNotFound)
	}
	customers, _, err := s.books.Customers(t.Context(), "acme", tracker.CustomerFilter{}, tracker.Page{})
	if err != nil || len(customers) > 0 {
		t.Errorf("the customers are %+v (%v)", customers, err)
	}
}
