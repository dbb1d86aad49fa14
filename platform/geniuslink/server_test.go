package geniuslink

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const (
	group     = "/v4/groups/123/group-affiliate-tokens"
	tokensOf  = group + "/" + guid
	oneTag    = `{"parameters":{"tag":"abc-20"}}`
	jsonType  = "application/json"
	unbound   = `"errorCode":"SerializationException"`
	noContent = ""
)

// TestTolerances has what is taken though it is not what the platform documents. Each is off with strict.
func TestTolerances(t *testing.T) {
	lenient, strict := newShop(t, false), newShop(t, true)
	for name, c := range map[string]struct {
		request func(s *shop) *http.Request
		refused int
	}{
		"the key in one piece": {func(s *shop) *http.Request {
			r := httptest.NewRequest("GET", group, nil)
			r.Header.Set("X-Api-Key", s.key)
			return r
		}, 401},
		"the key in one piece, with any secret": {func(s *shop) *http.Request {
			r := httptest.NewRequest("GET", group, nil)
			r.Header.Set("X-Api-Key", s.key)
			r.Header.Set("X-Api-Secret", "none")
			return r
		}, 401},
		"the pair in the query": {func(s *shop) *http.Request {
			key, secret := pair(s.key)
			return httptest.NewRequest("GET", group+"?ApiKey="+key+"&apiSecret="+secret, nil)
		}, 401},
		"a body without a type": {func(s *shop) *http.Request {
			return keyed(s, httptest.NewRequest("PUT", tokensOf, strings.NewReader(oneTag)))
		}, 415},
		"JSON that curl calls a form": {func(s *shop) *http.Request {
			r := keyed(s, httptest.NewRequest("PUT", tokensOf, strings.NewReader("\n"+oneTag)))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		}, 400},
		"JSV as the pages show it": {func(s *shop) *http.Request {
			r := keyed(s, httptest.NewRequest("PUT", tokensOf, strings.NewReader("{\n\tparameters: \n\t{\n\t\ttag: x\n\t}\n}")))
			r.Header.Set("Content-Type", "text/jsv")
			return r
		}, 400},
		"a guid in other forms": {func(s *shop) *http.Request {
			r := keyed(s, httptest.NewRequest("PUT", group+"/ADFA988B-01F6-490D-B65B-63750F869496", strings.NewReader(oneTag)))
			r.Header.Set("Content-Type", jsonType)
			return r
		}, 404},
	} {
		want(t, name, lenient.send(c.request(lenient)), 200, "")
		want(t, name+", strict", strict.send(c.request(strict)), c.refused, `"errorCode"`)
	}
	want(t, "what is documented, strict", strict.ask("PUT", tokensOf, oneTag, "Content-Type", jsonType), 200, `"success":true`)
}

func keyed(s *shop, r *http.Request) *http.Request {
	key, secret := pair(s.key)
	r.Header.Set("X-Api-Key", key)
	r.Header.Set("X-Api-Secret", secret)
	return r
}

// TestAttacks asks what nobody in good faith asks. Each is refused in the dialect's own form, and soon.
func TestAttacks(t *testing.T) {
	s := newShop(t, false)
	deep := strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000)
	for name, c := range map[string]struct {
		kind, body string
		status     int
		text       string
	}{
		"JSV nested deeply":        {"text/jsv", "{parameters:" + deep + "}", 400, unbound},
		"JSV that never closes":    {"text/jsv", strings.Repeat("{a:", 20_000), 400, unbound},
		"JSV in a form":            {"application/x-www-form-urlencoded", "parameters=" + deep, 400, unbound},
		"JSON nested deeply":       {jsonType, `{"parameters":` + deep + "}", 400, unbound},
		"XML nested deeply":        {"application/xml", strings.Repeat("<a>", 9_000) + strings.Repeat("</a>", 9_000), 400, unbound},
		"XML with entities":        {"application/xml", `<!DOCTYPE a [<!ENTITY b "c">]><a><username>&b;</username></a>`, 400, unbound},
		"a body that is too large": {jsonType, strings.Repeat(" ", access.MaxBody+1), 413, `"errorCode":"RequestEntityTooLarge"`},
		"a type to be made":        {jsonType, `{"__type":"System.IO.FileInfo","parameters":{"__type":"x"}}`, 400, `"fieldName":"parameters.__type"`},
		"too many parameters":      {jsonType, `{"parameters":{` + strings.Repeat(`"tag":"x",`, 5000) + `"tag":"y"}}`, 200, `"success":true`},
		"many wrong parameters":    {jsonType, `{"parameters":{"` + strings.Join(strings.Split(strings.Repeat("x", 2000), ""), `":"1","x`) + `":"1"}}`, 400, `"UnknownParameter"`},
		"bytes that are no text":   {jsonType, "{\"parameters\":{\"tag\":\"\xff\"}}", 400, unbound},
		"a line break in a value":  {jsonType, `{"parameters":{"tag":"x\r\nSet-Cookie: a=b"}}`, 400, `"fieldName":"parameters.tag"`},
		"a long value":             {jsonType, `{"parameters":{"tag":"` + strings.Repeat("x", 256) + `"}}`, 400, `"InvalidValue"`},
	} {
		platformtest.Soon(t, 5*time.Second, func() {
			w := s.ask("PUT", tokensOf, c.body, "Content-Type", c.kind)
			want(t, name, w, c.status, c.text)
			if w.Body.Len() > 10_000 {
				t.Errorf("%s is answered with %d bytes", name, w.Body.Len())
			}
		})
	}
}

func TestValuesAreNotRepeated(t *testing.T) {
	s := newShop(t, false)
	const secret = "sesame-open"
	for _, c := range []struct{ method, target, body, kind string }{
		{"PUT", tokensOf, `{"parameters":{"tag":"` + secret + `\u0001"}}`, jsonType},
		{"PUT", tokensOf, `{"parameters":{"tagg":"` + secret + `"}}`, jsonType},
		{"PUT", tokensOf, `{"parameters":{"` + secret + ` x":"x"}}`, jsonType},
		{"PUT", tokensOf, `{"username":"` + secret + `\u0001","parameters":{}}`, jsonType},
		{"PUT", tokensOf, `{"parameters":"` + secret + `"}`, jsonType},
		{"PUT", tokensOf, oneTag, "text/" + secret},
		{"PUT", group + "/" + secret, oneTag, jsonType},
		{"PUT", "/v4/groups/" + secret + "/group-affiliate-tokens/x", oneTag, jsonType},
		{"POST", group, `{"programGuid":"` + secret + `","parameters":{}}`, jsonType},
		{"GET", group + "?groupId=" + secret, noContent, jsonType},
		{"GET", "/v4/affiliate-tokens-sets?setGuid=" + secret, noContent, jsonType},
		{secret, group, noContent, jsonType},
	} {
		w := s.ask(c.method, c.target, c.body, "Content-Type", c.kind)
		if w.Code < 400 || strings.Contains(w.Body.String(), secret) {
			t.Errorf("%s %s %s: %d %s", c.method, c.target, c.body, w.Code, w.Body)
		}
	}
	if strings.Contains(s.log.String(), secret) {
		t.Errorf("the log has %s", s.log.String())
	}
}

func TestKeys(t *testing.T) {
	s := newShop(t, false)
	want(t, "putting", s.ask("PUT", tokensOf, oneTag, "Content-Type", jsonType), 200, "")
	if s.changes != 1 {
		t.Errorf("the links were told %d times", s.changes)
	}
	id := s.key[len("aff_"):][:tracker.KeyIDSize]
	ours := s.key
	s.key = s.books.NewKey("other", tracker.ScopeAll)
	want(t, "another network's key", s.ask("GET", group, ""), 200, `{"affiliatePrograms":[]}`)
	want(t, "another network's key, deleting", s.ask("DELETE", tokensOf, ""), 404, `"NotFound"`)
	s.key = ours
	if _, err := s.books.RevokeKey(t.Context(), "acme", id); err != nil {
		t.Fatal(err)
	}
	want(t, "a revoked key", s.ask("GET", group, ""), 401, "Invalid API Key")

	s.key = s.books.NewSlowKey("acme", 1, tracker.ScopeAll)
	for range 2 {
		want(t, "within the rate", s.ask("GET", group, ""), 200, "")
	}
	w := s.ask("GET", group+".jsv", "")
	want(t, "beyond the rate", w, 429, "{responseStatus:{errorCode:TooManyRequests,")
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("the client is told to wait for %q seconds", w.Header().Get("Retry-After"))
	}
}

func TestBooksAway(t *testing.T) {
	s := newShop(t, false)
	gone, err := New(Options{Books: away})
	if err != nil {
		t.Fatal(err)
	}
	s.server = gone
	w := s.ask("GET", group, "", "Accept", "text/jsv")
	want(t, "without books", w, 503, "{responseStatus:{errorCode:ServiceUnavailable,")
	if w.Header().Get("Retry-After") == "" {
		t.Error("the client is not told to come again")
	}
	s = newShop(t, false)
	s.books.Close()
	want(t, "with closed books", s.ask("GET", group, ""), 503, `"ServiceUnavailable"`)
}

// broken are books that panic.
type broken struct{ Books }

func (broken) Tokens(context.Context, string, tracker.TokensFilter) ([]tracker.ProgramTokens, error) {
	panic("sesame-open")
}

func TestPanicIsAnswered(t *testing.T) {
	s := newShop(t, false)
	var err error
	s.server, err = New(Options{Books: func() (Books, error) { return broken{s.books}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "a panic", s.ask("GET", group+".xml", ""), 500, "<s:ErrorCode>InternalServerError</s:ErrorCode>")
}

func TestPrograms(t *testing.T) {
	s := newShop(t, false)
	w := s.ask("GET", "/v3/affiliate-programs", "")
	for _, program := range []string{
		`{"programGuid":"amazon-co-uk","name":"Amazon Associates (amazon.co.uk)","parameters":["tag","ascsubtag"],"hosts":["amazon.co.uk"]}`,
		`{"programGuid":"` + guid + `","name":"Shop","parameters":["tag","ascsubtag"],"hosts":["shop.example"]}`,
	} {
		want(t, "the programmes", w, 200, program)
	}
	for name, wrong := range map[string][]Program{
		"no guid":          {{Name: "x", Parameters: []string{"a"}}},
		"a guid of a path": {{GUID: "a/b", Name: "x", Parameters: []string{"a"}}},
		"no name":          {{GUID: "a", Parameters: []string{"a"}}},
		"no parameter":     {{GUID: "a", Name: "x"}},
		"a bad parameter":  {{GUID: "a", Name: "x", Parameters: []string{"a b"}}},
		"our parameter":    {{GUID: "a", Name: "x", Parameters: []string{tracker.HandoffParam}}},
		"a bad host":       {{GUID: "a", Name: "x", Parameters: []string{"a"}, Hosts: []string{"https://x"}}},
		"twice":            {{GUID: "a", Name: "x", Parameters: []string{"a"}}, {GUID: "A", Name: "x", Parameters: []string{"a"}}},
	} {
		if _, err := New(Options{Programs: wrong}); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	replaced, err := newPrograms([]Program{{GUID: "EBAY", Name: "x", Parameters: []string{"a"}}})
	if p, ok := replaced.find("ebay"); err != nil || !ok || p.Name != "x" || len(replaced) != len(builtIn) {
		t.Errorf("a programme of a known guid makes it %+v (%v)", p, err)
	}
	for i := range builtIn {
		if err := builtIn[i].Check(); err != nil || normalGUID(builtIn[i].GUID) != builtIn[i].GUID {
			t.Errorf("%s cannot be a programme: %v", builtIn[i].GUID, err)
		}
	}
}
