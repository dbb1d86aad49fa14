package caddymodule

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// byCookie asks a cookie for consent, byMatcher a request's field.
func byCookie() *Consent {
	return &Consent{Cookie: &ConsentCookie{Name: "consent", Pattern: "^yes"}}
}

func byMatcher() *Consent {
	return &Consent{matchers: caddyhttp.MatcherSets{{caddyhttp.MatchHeader{"X-Consent": {"yes"}}}}}
}

var consented = header("Cookie", "consent=yes")

// withConsent adds the cookie that says yes to those of a browser.
func withConsent(cookies request) request {
	return func(r *http.Request) {
		cookies(r)
		r.Header["Cookie"] = []string{r.Header["Cookie"][0] + "; consent=yes"}
	}
}

// planted are the visitor's own bytes, none of which may be kept without consent.
const (
	plantedIP       = "198.51.100.77"
	plantedAgent    = "Mozilla/5.0 (planted agent)"
	plantedReferrer = "https://planted.test/from"
	plantedQuery    = "planted=query"
)

// asPlanted makes a request that carries all of them.
func asPlanted(r *http.Request) {
	r.RemoteAddr = plantedIP + ":1234"
	r.Header.Set("User-Agent", plantedAgent)
	r.Header.Set("Referer", plantedReferrer)
}

// holders returns the files of the journal and the ledger in which one of the texts stands.
func (e *edge) holders(texts ...string) (found []string) {
	e.t.Helper()
	err := filepath.WalkDir(e.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // a file that was only there for a moment
			return nil
		}
		for _, text := range texts {
			if bytes.Contains(data, []byte(text)) {
				found = append(found, d.Name()+" has "+text)
			}
		}
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return found
}

func TestConsent(t *testing.T) {
	gpc := func(values ...string) request { return header("Sec-GPC", values...) }
	for _, test := range []struct {
		name    string
		handler Handler
		change  request
		class   tracker.Class
		noShare bool
	}{
		{"nobody asks", Handler{}, gpc("1"), tracker.ClassHuman, false},
		{"no cookie", Handler{Consent: byCookie()}, header("Accept", "*/*"), tracker.ClassNoConsent, false},
		{"the cookie says no", Handler{Consent: byCookie()}, header("Cookie", "consent=no-yes"), tracker.ClassNoConsent, false},
		{"the cookie says yes", Handler{Consent: byCookie()}, header("Cookie", "a=b; consent=yes-to-all"), tracker.ClassHuman, false},
		{"two cookies differ", Handler{Consent: byCookie()}, header("Cookie", "consent=yes; consent=no"), tracker.ClassNoConsent, false},
		{"the matcher does not match", Handler{Consent: byMatcher()}, consented, tracker.ClassNoConsent, false},
		{"the matcher matches", Handler{Consent: byMatcher()}, header("X-Consent", "yes"), tracker.ClassHuman, false},
		{"gpc honoured", Handler{GPC: gpcHonour}, gpc("1"), tracker.ClassNoConsent, false},
		{"gpc honoured, in one of several", Handler{GPC: gpcHonour}, gpc("0", "1"), tracker.ClassNoConsent, false},
		{"gpc honoured, another value", Handler{GPC: gpcHonour}, gpc("true"), tracker.ClassHuman, false},
		{"gpc honoured, no signal", Handler{GPC: gpcHonour}, header("Accept", "*/*"), tracker.ClassHuman, false},
		{"gpc outranks the cookie", Handler{GPC: gpcHonour, Consent: byCookie()}, func(r *http.Request) { consented(r); gpc("1")(r) }, tracker.ClassNoConsent, false},
		{"gpc ignored", Handler{GPC: gpcIgnore}, gpc("1"), tracker.ClassHuman, false},
		{"gpc no_share", Handler{GPC: gpcNoShare}, gpc("1"), tracker.ClassHuman, true},
		{"gpc no_share, no signal", Handler{GPC: gpcNoShare}, gpc("0"), tracker.ClassHuman, false},
		{"gpc no_share without consent", Handler{GPC: gpcNoShare, Consent: byCookie()}, gpc("1"), tracker.ClassNoConsent, true},
		{"a robot", Handler{Consent: byCookie()}, header("User-Agent", "curl/8 planted"), tracker.ClassBot, false},
		{"a fetch", Handler{Consent: byCookie()}, header("Sec-Fetch-Dest", "empty"), tracker.ClassSubresource, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := newEdge(t, test.handler)
			want := counts{"clicks/" + string(test.class): 1}
			if test.class == tracker.ClassHuman {
				want["tokens"] = 1
			}
			var res result
			counted(t, want, func() {
				res = e.ask("http://shop.test/land?"+plantedQuery+"&via=Demo&sub1=planted", asPlanted, test.change)
			})
			if given := res.cookie() != nil; given != (test.class == tracker.ClassHuman) {
				t.Errorf("cookie %v", res.cookie())
			}
			if got := res.expand("{affiliate.class}"); got != string(test.class) {
				t.Errorf("the placeholder says %q", got)
			}
			got := e.sessions(1)[0]
			if got.Class != test.class || got.NoShare != test.noShare || got.Code != "demo" || got.Host != "shop.test" || got.Route != "/land" {
				t.Errorf("recorded as %+v", got)
			}
			if test.class == tracker.ClassHuman {
				if got.IP != plantedIP || got.UserAgent != plantedAgent || got.Visitor.IsZero() || !strings.Contains(got.Query, plantedQuery) {
					t.Errorf("with consent recorded as %+v", got)
				}
				return
			}
			if !got.Visitor.IsZero() || got.Query != "via=demo" || got.Browser != "" || got.SubIDs != nil {
				t.Errorf("without consent recorded as %+v", got)
			}
			if res.Header().Get("Set-Cookie") != "" || len(res.Header()) != 1 || res.Header().Get("Cache-Control") != "private, no-store" {
				t.Errorf("without consent the answer's header is %v", res.Header())
			}
			if found := e.holders("planted", plantedIP); found != nil {
				t.Errorf("without consent %v", found)
			}
		})
	}
}

// A visitor of before, who no longer consents.
func TestConsentWithdrawn(t *testing.T) {
	e := newEdge(t, Handler{Consent: byCookie(), ForwardHeader: &ForwardHeader{Key: strings.Repeat("k", 32)}})
	token, own := e.seal("demo", time.Hour)
	every := "{affiliate.session_id}{affiliate.code}{affiliate.visitor_id}{affiliate.token}{affiliate.affiliate}"

	page := e.ask("http://shop.test/", own)
	if got := page.expand(every); got != "" || page.Header().Get("Set-Cookie") != "" || page.seen.Header.Get(sessionField) != "" {
		t.Errorf("on a page the placeholders say %q, the answer's header is %v", got, page.Header())
	}
	var click result
	counted(t, counts{"clicks/no_consent": 1}, func() { click = e.ask("http://shop.test/?via=demo", own) })
	const deleted = "aff=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
	if got := click.Header().Get("Set-Cookie"); got != deleted || click.Header().Get("Cache-Control") != "private, no-store" {
		t.Errorf("on a click the header is %v", click.Header())
	}
	if got := click.expand(every); got != "" {
		t.Errorf("on a click the placeholders say %q", got)
	}
	redirect := e.ask("http://shop.test/r/demo", own)
	if got := redirect.Header().Get("Set-Cookie"); got != deleted {
		t.Errorf("a redirect's cookie is %q", got)
	}
	if over := e.ask("https://shop.test/?via=demo", overTLS, header("Cookie", "__Host-aff=x")); over.Header().Get("Set-Cookie") !=
		"__Host-aff=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure" {
		t.Errorf("over https the header is %v", over.Header())
	}
	if other := e.ask("http://shop.test/?via=demo", header("Cookie", "other=1")); other.Header().Get("Set-Cookie") != "" {
		t.Errorf("a browser without our cookie is told %v", other.Header())
	}
	for _, s := range e.sessions(4) {
		if !s.Visitor.IsZero() || s.Class != tracker.ClassNoConsent {
			t.Errorf("recorded as %+v", s)
		}
	}
	if found := e.holders(token.Visitor.String()); found != nil {
		t.Errorf("the visitor is still known: %v", found)
	}
	if got := e.ask("http://shop.test/", withConsent(own)).expand("{affiliate.code}"); got != "demo" {
		t.Errorf("with consent the cookie says %q", got)
	}
}

// A redirect leads to a page of the same site, where the visitor is asked and then consents: counted once without consent and
// once with it.
func TestConsentOnTheLandingPage(t *testing.T) {
	e := newEdge(t, Handler{Consent: byCookie(), Params: []string{"aff_id", "via"}, Strip: true})
	for url, want := range map[string]string{
		"http://shop.test/r/home":                               "/start?aff_id=home&aff_click=counted",
		"http://shop.test/r/HOME?a=b&aff_id=x&via=y":            "/start?a=b&aff_id=home&aff_click=counted",
		"http://shop.test/r/demo":                               "https://example.com/land?x=1#top",
		"http://shop.test/r/macro":                              "https://shop.example.net/?sid=",
		"http://example.com/r/demo?aff_click=mine":              "https://example.com/land?x=1&aff_id=demo&aff_click=counted#top",
		"http://shop.test/r/demo?url=https://deep.example.com/": "https://deep.example.com/",
	} {
		counted(t, counts{"clicks/no_consent": 1}, func() {
			res := e.ask(url, asPlanted)
			if got := res.Header().Get("Location"); got != want || res.Header().Get("Set-Cookie") != "" {
				t.Errorf("%s\ngoes to %s\nwant    %s", url, got, want)
			}
		})
	}
	const landing = "http://shop.test/start?aff_id=home&aff_click=counted"
	counted(t, counts{}, func() {
		if page := e.ask(landing, asPlanted); page.Header().Get("Set-Cookie") != "" || page.seen.URL.RawQuery != "" {
			t.Errorf("the page's header is %v, its query %q", page.Header(), page.seen.URL.RawQuery)
		}
	})
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() {
		if page := e.ask(landing, consented); page.expand("{affiliate.code}") != "home" || page.cookie() == nil {
			t.Errorf("with consent the page's header is %v", page.Header())
		}
	})
	if found := e.holders("planted", plantedIP); found != nil {
		t.Errorf("without consent %v", found)
	}
	home := newEdge(t, Handler{Consent: byCookie(), Subdomains: []string{"shop.test"}})
	if got := home.ask("http://sub.shop.test/").Header().Get("Location"); got != "http://shop.test/?via=sub&aff_click=counted" {
		t.Errorf("from a subdomain it goes to %s", got)
	}
	shared := newEdge(t, Handler{Consent: byCookie(), Cookie: &Cookie{Domain: "example.com"}})
	if got := shared.ask("http://www.example.com/r/demo").Header().Get("Location"); got != "https://example.com/land?x=1&via=demo&aff_click=counted#top" {
		t.Errorf("under a shared cookie it goes to %s", got)
	}
}

// A session from another site of ours is not taken over without consent here, and no click of its own.
func TestConsentAndHandoff(t *testing.T) {
	e := newEdge(t, Handler{Consent: byCookie()})
	now := time.Now()
	touch := tracker.Touch{Session: tracker.NewSessionID(now), Code: "demo", Time: now}
	sealed, err := e.app.sealer().SealHandoff("default", tracker.NewVisitorID(), touch, now)
	if err != nil {
		t.Fatal(err)
	}
	url := "http://shop.test/?via=demo&aff_click=" + sealed
	counted(t, counts{}, func() {
		if res := e.ask(url); res.Header().Get("Set-Cookie") != "" || res.expand("{affiliate.code}") != "" {
			t.Errorf("without consent the header is %v", res.Header())
		}
	})
	counted(t, counts{"handoffs": 1}, func() {
		if res := e.ask(url, consented); res.cookie() == nil {
			t.Error("with consent it is not taken over")
		}
	})
}

func TestConsentAndConversions(t *testing.T) {
	e := newEdge(t, Handler{Consent: byCookie(), Conversion: &Conversion{
		Header: &ConversionHeader{}, Blocks: []ConversionBlock{block(caddyhttp.MatchPath{"/thanks"})}, Pixel: &ConversionPixel{},
	}})
	e.waitForLinks()
	token, own := e.seal("demo", time.Hour)
	for name, change := range map[string]request{"refused": own, "given": withConsent(own)} {
		e.serve(newRequest("http://shop.test/checkout", change), selling(200, `buy;external_id="header-`+name+`";amount=1.0;currency="EUR"`))
		e.serve(newRequest("http://shop.test/?via=gone", change), selling(200, `buy;external_id="click-`+name+`";amount=1.0;currency="EUR"`))
		e.ask("http://shop.test/thanks?order=block-"+name+"&total=1", change)
		e.ask("http://shop.test/px.gif?external_id=pixel-"+name+"&currency=EUR", change)
	}
	for id, c := range e.conversions(8) {
		_, consent, _ := strings.Cut(id, "-")
		earns := consent == tracker.ConsentGiven
		if c.Decision.Consent != consent || (c.Code == "demo") != earns || (c.VisitorID == token.Visitor.String()) != earns {
			t.Errorf("%s: booked for %q of visitor %q, decided by %+v", id, c.Code, c.VisitorID, c.Decision)
		}
	}
}

func TestConsentIsAskedBeforeTheRequestChanges(t *testing.T) {
	e := newEdge(t, Handler{Consent: byMatcher()})
	_, own := e.seal("demo", time.Hour)
	r := newRequest("http://shop.test/", own)
	var late string
	res := e.serve(r, func(w http.ResponseWriter, r *http.Request) error {
		r.Header.Set("X-Consent", "yes") // of another handler, for whatever reason
		late = r.Header.Get("X-Consent")
		return nil
	})
	if got := res.expand("{affiliate.code}"); got != "" || late == "" {
		t.Errorf("the placeholder says %q", got)
	}
}

func TestConsentConfiguration(t *testing.T) {
	for name, h := range map[string]Handler{
		"neither":    {Consent: &Consent{}},
		"both":       {Consent: &Consent{Cookie: byCookie().Cookie, matchers: byMatcher().matchers}},
		"no name":    {Consent: &Consent{Cookie: &ConsentCookie{Pattern: "yes"}}},
		"no pattern": {Consent: &Consent{Cookie: &ConsentCookie{Name: "consent"}}},
		"no regexp":  {Consent: &Consent{Cookie: &ConsentCookie{Name: "consent", Pattern: "("}}},
		"gpc":        {GPC: "1"},
		"ip":         {IP: "masked"},
		"user agent": {UserAgent: "reduced"},
	} {
		err := h.use(&App{})
		if err == nil {
			err = h.Validate()
		}
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestWhatIsKeptOfTheAddress(t *testing.T) {
	for mode, want := range map[tracker.IPMode]string{
		"": plantedIP, tracker.IPFull: plantedIP, tracker.IPTruncate: "198.51.100.0", tracker.IPNone: "",
		tracker.IPHash: newSealer(t, testSecret).HashIP("default", plantedIP, time.Now()),
	} {
		t.Run(string(mode), func(t *testing.T) {
			e := newEdge(t, Handler{IP: mode})
			e.ask("http://shop.test/?via=demo", asPlanted)
			e.ask("http://shop.test/r/demo", asPlanted, header("User-Agent", "curl/8"))
			for _, s := range e.sessions(2) {
				if s.IP != want {
					t.Errorf("a %s is recorded from %q, want %q", s.Class, s.IP, want)
				}
			}
			if found := e.holders(plantedIP); found != nil && want != plantedIP {
				t.Errorf("in mode %s %v", mode, found)
			}
		})
	}
}

func TestTheUserAgentNeedNotBeKept(t *testing.T) {
	e := newEdge(t, Handler{UserAgent: agentNone})
	e.ask("http://shop.test/?via=demo", asPlanted)
	if s := e.sessions(1)[0]; s.UserAgent != "" || s.Browser != "" || s.Class != tracker.ClassHuman || s.IP != plantedIP {
		t.Errorf("recorded as %+v", s)
	}
	if found := e.holders(plantedAgent); found != nil {
		t.Error(found)
	}
}

// What is left of a journal that is nearly full is for clicks of people, and sales that the site itself reports.
func TestConversionsOfStrangersNeedARoomyJournal(t *testing.T) {
	e := newStartingEdge(t, Handler{Conversion: &Conversion{
		Header: &ConversionHeader{}, Blocks: []ConversionBlock{block(caddyhttp.MatchPath{"/thanks"})}, Pixel: &ConversionPixel{},
	}})
	e.size = 1 << 20
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
	e.crowd()
	counted(t, counts{"conversions/dropped/block": 1, "conversions/dropped/pixel": 1, "conversions/recorded/header": 1}, func() {
		e.ask("http://shop.test/thanks?order=1&total=1")
		if res := e.ask("http://shop.test/px.gif?external_id=1&currency=EUR"); res.Body.String() != pixelImage {
			t.Errorf("the pixel is %q", res.Body)
		}
		e.serve(newRequest("http://shop.test/"), selling(200, sale))
	})
}

// A matcher of the Caddyfile decides in a real Caddy.
func TestConsentByANamedMatcher(t *testing.T) {
	s := newServer(t)
	site := func(consent string) []byte {
		affiliate := fmt.Sprintf("affiliate {\n journal %s\n link demo\n}", s.journal())
		return s.adaptGlobal(affiliate, fmt.Sprintf(`http://127.0.0.1:%d {
			@consented {
				path /yes
				header User-Agent *Firefox*
			}
			affiliate {
				consent %s
			}
			respond hello
		}`, s.site, consent))
	}
	s.load(site("@consented"))
	if s.visit("/?via=demo") != "" || s.visit("/yes?via=demo") == "" {
		t.Error("the matcher does not decide who consents")
	}
	for _, session := range s.sessions(2) { // which may be of one millisecond
		consented := session.Route == "/yes"
		if (session.Class == tracker.ClassHuman) != consented || (session.IP != "") != consented {
			t.Errorf("recorded as %+v", session)
		}
	}
	s.load(site("cookie consent yes"))
	if s.visit("/yes?via=demo") != "" {
		t.Error("after a reload the matcher still decides")
	}
}
