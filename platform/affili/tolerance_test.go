package affili

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// tolerated are requests that only a tolerance lets pass, with the status that they have where tolerances are off.
var tolerated = map[string]struct {
	method, path, body string
	contentType        string // default: application/json
	authorization      string // default: Bearer and the key
	strict             int
}{
	"an access id in quotation marks":      {path: "conversions", authorization: `Bearer "KEY"`, strict: 401},
	"JSON that is called a form":           {method: "POST", path: "set-cookie", body: `{"referrer":"REFERRER"}`, contentType: "application/x-www-form-urlencoded", strict: 415},
	"an amount in quotation marks":         {method: "POST", path: "conversions", body: `{"type":"buy","external_id":"1","amount":"10","commissions":[{"name":"buy","sub_amount":10}],WHO}`, strict: 422},
	"a sub-amount in quotation marks":      {method: "POST", path: "conversions", body: `{"type":"buy","external_id":"2","amount":10,"commissions":[{"name":"buy","sub_amount":"10"}],WHO}`, strict: 422},
	"decimals that are zeros":              {method: "POST", path: "conversions", body: `{"type":"buy","external_id":"3","amount":10.00,"commissions":[{"name":"buy","sub_amount":10}],WHO}`, strict: 422},
	"a status in quotation marks":          {method: "POST", path: "conversions/ID", body: `{"status":"0"}`, strict: 422},
	"an external id that is a number":      {method: "POST", path: "conversions", body: `{"type":"buy","external_id":4,"amount":10,"commissions":[{"name":"buy","sub_amount":10}],WHO}`, strict: 422},
	"a type by its number":                 {method: "POST", path: "conversions", body: `{"type":6,"external_id":"5","amount":10,"commissions":[{"name":"buy","sub_amount":10}],WHO}`, strict: 422},
	"the number of a type as text":         {method: "POST", path: "conversions", body: `{"type":"6","external_id":"7","amount":10,"commissions":[{"name":"buy","sub_amount":10}],WHO}`, strict: 422},
	"sale for buy":                         {method: "POST", path: "conversions", body: `{"type":"sale","external_id":"6","amount":10,"commissions":[{"name":"buy","sub_amount":10}],WHO}`, strict: 422},
	"members that nobody knows":            {method: "POST", path: "conversions", body: `{"type":"click","products":[1],WHO}`, strict: 422},
	"no token":                             {method: "POST", path: "conversions", body: `{"type":"click","token":false,"aff_id":"AFFID","referrer":"REFERRER"}`, strict: 422},
	"a token of another system":            {method: "POST", path: "conversions", body: `{"type":"click","token":"eyJpdiI6IjBtZGhoaE03SmRHMTDUyMzJhNjEc1OTEyZDE2M2NTA3OTE5M2I4In0","aff_id":"AFFID","referrer":"REFERRER"}`, strict: 422},
	"the id of a session for a token":      {method: "POST", path: "conversions", body: `{"type":"lead","name":"signup","token":"SESSION","aff_id":"AFFID","referrer":"REFERRER"}`, strict: 422},
	"a token and nothing else of the link": {method: "POST", path: "conversions", body: `{"type":"lead","name":"other","token":"TOKEN"}`, strict: 422},
	"a filter without a value":             {path: "conversions?status=&min_amount=", strict: 422},
	"a plus that is not escaped":           {path: "conversions?min_created_at=2020-04-05T12:46:38+03:30", strict: 422},
}

func TestTolerances(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := newShop(t, func(o *Options) { o.Strict = strict })
		session, token := s.edgeClick(network)
		who := `"token":"` + token + `","aff_id":"` + sampleAffID + `","referrer":"` + sampleReferrer + `"`
		id := data[Conversion](s.doJSON("POST", "conversions",
			`{"type":"buy","external_id":"0","amount":10,"commissions":[{"name":"buy","sub_amount":10}],`+who+`}`)).ID
		values := strings.NewReplacer("KEY", s.key, "WHO", who, "AFFID", sampleAffID, "REFERRER", sampleReferrer,
			"SESSION", session.ID.String(), "TOKEN", token, "ID", id)
		for name, c := range tolerated {
			want := 200
			if strict {
				want = c.strict
			}
			if c.method == "" {
				c.method = "GET"
			}
			r := httptest.NewRequest(c.method, "/api/merchants/"+values.Replace(c.path), strings.NewReader(values.Replace(c.body)))
			r.Header.Set("Authorization", "Bearer "+s.key)
			r.Header.Set("Content-Type", "application/json")
			if c.authorization != "" {
				r.Header.Set("Authorization", values.Replace(c.authorization))
			}
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			if got := s.send(r); got.status != want {
				t.Errorf("%s, strict %t: %d %s, want %d", name, strict, got.status, got.body, want)
			}
		}
	}
}

// doJSON is do with the right content type.
func (s *shop) doJSON(method, path, body string) reply {
	s.Helper()
	r := httptest.NewRequest(method, "/api/merchants/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Content-Type", "application/json")
	return s.send(r)
}

// What a tolerance lets pass does what it should.
func TestWhoBroughtTheVisitor(t *testing.T) {
	s := newShop(t)
	session, token := s.edgeClick(network)
	for name, c := range map[string]struct {
		token, affID, referrer string // as JSON
		earns                  bool
		sessions               int // new ones
	}{
		"a token":                              {token: `"` + token + `"`, affID: `"x"`, referrer: `"x"`, earns: true},
		"a session":                            {token: `"` + session.ID.String() + `"`, affID: `"x"`, referrer: `"x"`, earns: true},
		"a session in capitals":                {token: `"` + strings.ToUpper(session.ID.String()) + `"`, affID: `"x"`, referrer: `"x"`, earns: true},
		"false, and an aff_id":                 {token: `false`, affID: `"` + strings.ToUpper(sampleAffID) + `"`, referrer: `"x"`, earns: true, sessions: 1},
		"false as a cookie has it":             {token: `"false"`, affID: `"x"`, referrer: `"` + sampleReferrer + `"`, earns: true, sessions: 1},
		"null, and nobody's link":              {token: `null`, affID: `"x"`, referrer: `"y"`},
		"no code at all":                       {token: `false`, affID: `"../../?\u0000"`, referrer: `"y"`},
		"a token of another system":            {token: `"eyJpdiI6Ij"`, affID: `"` + sampleAffID + `"`, referrer: `"x"`},
		"a session that is not in the books":   {token: `"01890a5d-ac96-774b-bcce-b302099a8057"`, affID: `"` + sampleAffID + `"`, referrer: `"x"`},
		"a token with one letter that differs": {token: `"` + token[:len(token)-1] + flip(token[len(token)-1]) + `"`, affID: `"` + sampleAffID + `"`, referrer: `"x"`},
	} {
		before := len(s.sessions(network))
		body := `{"type":"buy","external_id":"` + name + `","amount":10,"commissions":[{"name":"buy","sub_amount":10}],
			"token":` + c.token + `,"aff_id":` + c.affID + `,"referrer":` + c.referrer + `}`
		got := data[Conversion](s.do("POST", "conversions", body))
		if (got.Publisher != nil) != c.earns {
			t.Errorf("%s: %+v earns it", name, got.Publisher)
		}
		again := data[Conversion](s.do("POST", "conversions", body))
		if again.ID != got.ID || again.Status != 0 {
			t.Errorf("%s: a repeat is %+v", name, again)
		}
		if n := len(s.sessions(network)) - before; n != c.sessions {
			t.Errorf("%s: there are %d new sessions", name, n)
		}
	}
	for _, c := range s.booked(network) {
		if c.Source != tracker.SourceAffili || c.Currency != "IRR" || c.Amount != 10 {
			t.Errorf("booked %+v", c)
		}
	}
}

func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}
