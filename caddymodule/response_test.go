package caddymodule

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func init() {
	caddy.RegisterModule(probe{})
	httpcaddyfile.RegisterHandlerDirective("affiliate_probe", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return probe{}, nil
	})
}

// probe is a site that answers in every way that a handler may: the path says how.
type probe struct{}

func (probe) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.affiliate_probe", New: func() caddy.Module { return probe{} }}
}

func (probe) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	answer, known := answers[r.URL.Path]
	if !known {
		return next.ServeHTTP(w, r)
	}
	return answer(w, r)
}

var errProbe = errors.New("the site's own mistake")

var answers = map[string]caddyhttp.HandlerFunc{
	"/write": func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.WriteString(w, "written")
		return err
	},
	"/copy": func(w http.ResponseWriter, r *http.Request) error {
		if _, ok := w.(io.ReaderFrom); !ok {
			return errors.New("the writer lost ReadFrom")
		}
		_, err := io.Copy(w, io.LimitReader(strings.NewReader("copied…"), 6))
		return err
	},
	"/twice": func(w http.ResponseWriter, r *http.Request) error {
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
		return nil
	},
	"/hints": func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		_, err := io.WriteString(w, "hinted")
		return err
	},
	"/flush": func(w http.ResponseWriter, r *http.Request) error {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		_, err := io.WriteString(w, "flushed")
		return err
	},
	"/late-public": func(w http.ResponseWriter, r *http.Request) error {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return err
		}
		w.Header().Set("Cache-Control", "public, max-age=600")
		w.Header().Set("CDN-Cache-Control", "max-age=600")
		w.WriteHeader(http.StatusOK)
		return nil
	},
	"/public": func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "public, max-age=600")
		w.Header().Set("Surrogate-Control", "max-age=600")
		w.Header().Add("Set-Cookie", "theirs=1; Path=/")
		w.WriteHeader(http.StatusOK)
		return nil
	},
	"/empty": func(w http.ResponseWriter, r *http.Request) error { return nil },
	"/missing": func(w http.ResponseWriter, r *http.Request) error {
		return caddyhttp.Error(http.StatusNotFound, errProbe)
	},
	"/partial": func(w http.ResponseWriter, r *http.Request) error {
		io.WriteString(w, "half")
		return caddyhttp.Error(http.StatusBadGateway, errProbe)
	},
	"/panic": func(w http.ResponseWriter, r *http.Request) error { panic(errProbe) },
	"/big": func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Type", "text/plain")
		_, err := io.WriteString(w, strings.Repeat("compress me ", 1000))
		return err
	},
	"/hijack": func(w http.ResponseWriter, r *http.Request) error {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		io.WriteString(buf, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nhijacked")
		return buf.Flush()
	},
}

// startCaddy runs a real Caddy with the site, and returns its URL. Blocks may be written in one line.
func startCaddy(t *testing.T, globals, site string) string {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	site = strings.NewReplacer("{ ", "{\n", " }", "\n}").Replace(site)
	config := fmt.Sprintf(`{
	admin off
	persist_config off
	storage file_system %q
	log {
		output discard
	}
	%s
	affiliate {
		secret %s
		journal %q
		link demo "Demo Partner" https://example.com/
	}
}
http://%s {
	%s
}`, t.TempDir(), globals, testSecret, t.TempDir(), address, site)
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + address
}

// visit sends a browser's request on a connection of its own.
func visit(t *testing.T, method, url string, changes ...request) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", browser)
	for _, change := range changes {
		change(r)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the body: %v", method, url, err)
	}
	return res, string(body)
}

// ownCookies are the names of the cookies that a response sets.
func ownCookies(res *http.Response) (names []string) {
	for _, c := range res.Cookies() {
		names = append(names, c.Name)
	}
	return names
}

func TestResponses(t *testing.T) {
	sites := map[string]string{
		"plain": `affiliate
			route { affiliate_probe }`,
		"behind log, encode and headers": `log
			encode { minimum_length 100 }
			affiliate
			header >X-Site late
			header >Cache-Control "public, max-age=60"
			route { affiliate_probe }
			handle_errors {
				header X-Errors yes
				respond "sorry" {err.status_code}
			}`,
	}
	for name, site := range sites {
		t.Run(name, func(t *testing.T) {
			base := startCaddy(t, "", site)
			rich := name != "plain"
			sorry := ""
			if rich {
				sorry = "sorry"
			}
			for _, test := range []struct {
				path, method string
				status       int
				body         string
				cookies      string
			}{
				{"/write", "GET", 200, "written", "aff"},
				{"/copy", "GET", 200, "copied", "aff"},
				{"/twice", "GET", 0, "", "aff"}, // encode takes the second, the others the first
				{"/hints", "GET", 200, "hinted", "aff"},
				{"/flush", "GET", 200, "flushed", "aff"},
				{"/late-public", "GET", 200, "", "aff"},
				{"/public", "GET", 200, "", "theirs aff"},
				{"/empty", "GET", 200, "", "aff"},
				{"/missing", "GET", 404, sorry, "aff"},
				{"/no-such-answer", "GET", 200, "", "aff"}, // an empty chain
				{"/write", "HEAD", 200, "", ""},
				{"/write", "POST", 200, "written", ""},
			} {
				want := counts{}
				if test.method == "GET" {
					want = counts{"clicks/human": 1, "tokens": 1}
				}
				plain, _ := visit(t, test.method, base+test.path)
				counted(t, want, func() {
					res, body := visit(t, test.method, base+test.path+"?via=demo")
					if test.status != 0 && res.StatusCode != test.status || body != test.body {
						t.Errorf("%s %s: status %d, body %q", test.method, test.path, res.StatusCode, body)
					}
					if res.StatusCode != plain.StatusCode {
						t.Errorf("%s %s: status %d, without a referral %d", test.method, test.path, res.StatusCode, plain.StatusCode)
					}
					if got := strings.Join(ownCookies(res), " "); got != test.cookies {
						t.Errorf("%s %s sets the cookies %q, want %q", test.method, test.path, got, test.cookies)
					}
					control := strings.Join(res.Header.Values("Cache-Control"), " + ")
					if test.cookies != "" && (control != "private, no-store" || res.Header.Get("Surrogate-Control") != "") {
						t.Errorf("%s %s: Cache-Control %q", test.method, test.path, control)
					}
				})
				if len(ownCookies(plain)) > strings.Count(test.cookies, "theirs") || plain.Header.Get("Cache-Control") == "private, no-store" {
					t.Errorf("%s %s without a referral was touched: %v", test.method, test.path, plain.Header)
				}
			}
		})
	}
}

func TestResponseEncoded(t *testing.T) {
	base := startCaddy(t, "", `affiliate
		encode { minimum_length 100 }
		route { affiliate_probe }`)
	res, body := visit(t, "GET", base+"/big?via=demo", header("Accept-Encoding", "gzip"))
	if res.Header.Get("Content-Encoding") != "gzip" || len(body) > 1000 || len(ownCookies(res)) != 1 {
		t.Errorf("%d bytes, header %v", len(body), res.Header)
	}
}

func TestResponseEarlyHintsCarryNoToken(t *testing.T) {
	base := startCaddy(t, "", "affiliate\nroute { affiliate_probe }")
	informational := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		informational++
		if header.Get("Set-Cookie") != "" || header.Get("Cache-Control") != "" {
			t.Errorf("%d carries %v", code, header)
		}
		return nil
	}}
	res, body := visit(t, "GET", base+"/hints?via=demo", func(r *http.Request) {
		*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	})
	if informational != 2 || body != "hinted" || len(ownCookies(res)) != 1 {
		t.Errorf("%d informational answers, body %q, cookies %v", informational, body, ownCookies(res))
	}
}

func TestResponseErrorAfterPartialWrite(t *testing.T) {
	base := startCaddy(t, "", "affiliate\nroute { affiliate_probe }")
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() {
		if res, body := visit(t, "GET", base+"/partial?via=demo"); res.StatusCode != 200 || body != "half" || len(ownCookies(res)) != 1 {
			t.Errorf("status %d, body %q, cookies %v", res.StatusCode, body, ownCookies(res))
		}
	})
}

// TestResponseFlushedBeforeItsStatus has a writer above that holds an early flush back, as Caddy's access log does.
func TestResponseFlushedBeforeItsStatus(t *testing.T) {
	e := newEdge(t, Handler{})
	w := httptest.NewRecorder()
	r := caddyhttp.PrepareRequest(newRequest("http://shop.test/?via=demo"), caddy.NewReplacer(), w, new(caddyhttp.Server))
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() {
		if err := e.ServeHTTP(caddyhttp.NewResponseRecorder(w, nil, nil), r, answers["/late-public"]); err != nil {
			t.Fatal(err)
		}
	})
	got := w.Result().Header
	if len(got["Set-Cookie"]) != 1 || got.Get("Cache-Control") != "private, no-store" || got.Get("CDN-Cache-Control") != "" {
		t.Errorf("header %v", got)
	}
}

func TestResponseHijacked(t *testing.T) {
	base := startCaddy(t, "", "affiliate\nroute { affiliate_probe }")
	if _, body := visit(t, "GET", base+"/hijack?via=demo"); body != "hijacked" {
		t.Errorf("body %q", body)
	}
}

func TestResponsePanicOfTheSite(t *testing.T) {
	e := newEdge(t, Handler{})
	w := httptest.NewRecorder()
	r := caddyhttp.PrepareRequest(newRequest("http://shop.test/?via=demo"), caddy.NewReplacer(), w, new(caddyhttp.Server))
	counted(t, counts{"clicks/human": 1, "tokens": 1}, func() {
		defer func() {
			if cause := recover(); cause != errProbe {
				t.Errorf("recovered %v, want the site's own panic", cause)
			}
		}()
		e.ServeHTTP(w, r, answers["/panic"])
		t.Error("the site's panic did not come through")
	})
	if w.Header().Get("Set-Cookie") == "" {
		t.Error("whoever answers for the panic has no cookie to send")
	}
}

func TestResponseUpgrade(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		buf.Flush()
		line, _ := buf.ReadString('\n')
		io.WriteString(buf, line)
		buf.Flush()
	}))
	defer upstream.Close()
	base := startCaddy(t, "", "affiliate\nreverse_proxy "+upstream.Listener.Addr().String())
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(testTime))
	counted(t, counts{}, func() {
		fmt.Fprintf(conn, "GET /?via=demo HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
			strings.TrimPrefix(base, "http://"), browser)
		buf := bufio.NewReader(conn)
		res, err := http.ReadResponse(buf, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "ping\n")
		line, err := buf.ReadString('\n')
		if res.StatusCode != http.StatusSwitchingProtocols || line != "ping\n" || len(ownCookies(res)) != 0 {
			t.Errorf("status %d, echo %q (%v), cookies %v", res.StatusCode, line, err, ownCookies(res))
		}
	})
}

// TestResponseThroughProxy sends clicks and pages through reverse_proxy: what the upstream answers reaches the visitor, and the
// upstream's view is the stripped one.
func TestResponseThroughProxy(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "cart=1")
		w.Header().Set("CDN-Cache-Control", "max-age=60")
		w.Header().Set("X-Saw", r.RequestURI+" "+r.Header.Get(sessionField))
	}))
	defer upstream.Close()
	base := startCaddy(t, "", `affiliate {
			strip
			forward_header { key `+strings.Repeat("k", 32)+` }
		}
		reverse_proxy `+upstream.Listener.Addr().String())
	res, _ := visit(t, "GET", base+"/p?via=demo&q=1", header(sessionField, "forged"))
	saw := res.Header.Get("X-Saw")
	if strings.Join(ownCookies(res), " ") != "cart aff" || !strings.HasPrefix(saw, `/p?q=1 "`) || !strings.Contains(saw, `;code="demo"`) {
		t.Errorf("saw %q, cookies %v", saw, ownCookies(res))
	}
	if res.Header.Get("Cache-Control") != "private, no-store" || res.Header.Get("CDN-Cache-Control") != "" {
		t.Errorf("header %v", res.Header)
	}
	res, _ = visit(t, "GET", base+"/p?q=1", header(sessionField, "forged"))
	if res.Header.Get("X-Saw") != "/p?q=1" || res.Header.Get("CDN-Cache-Control") != "max-age=60" {
		t.Errorf("a page without a visitor: %v", res.Header)
	}
}

// TestResponseClientIP sends forwarded addresses through a server that trusts its proxy and through one that does not.
func TestResponseClientIP(t *testing.T) {
	for globals, want := range map[string]map[string]string{
		"": {"203.0.113.7": "127.0.0.1", "": "127.0.0.1"},
		"servers {\ntrusted_proxies static 127.0.0.0/8\ntrusted_proxies_strict\n}": {
			"":                           "127.0.0.1",
			"203.0.113.7":                "203.0.113.7",
			"198.51.100.1, 203.0.113.7":  "203.0.113.7", // the left one is the client's own claim
			"203.0.113.7, 127.0.0.9":     "203.0.113.7",
			"[2001:db8::7]:443":          "2001:db8::7",
			"203.0.113.7:1234":           "203.0.113.7",
			"nonsense":                   "127.0.0.1",
			"fe80::1%eth0":               "fe80::1",
			"::ffff:203.0.113.7":         "::ffff:203.0.113.7",
			"203.0.113.7\t":              "203.0.113.7",
			"'; DROP TABLE session; --'": "127.0.0.1",
		},
	} {
		t.Run(fmt.Sprint(globals != ""), func(t *testing.T) {
			base := startCaddy(t, globals, "affiliate\nrespond {client_ip}")
			n := 0
			for forwarded, ip := range want {
				var changes []request
				if forwarded != "" {
					changes = append(changes, header("X-Forwarded-For", forwarded))
				}
				_, caddys := visit(t, "GET", base+"/?via=demo", changes...)
				n++
				e := &edge{t: t, engine: running().Engine}
				if got := e.sessions(n)[0].IP; got != ip || caddys != ip {
					t.Errorf("X-Forwarded-For %q: recorded %s, Caddy says %s, want %s", forwarded, got, caddys, ip)
				}
			}
		})
	}
}

// TestResponseHoldsNoInjectedField writes requests to the socket byte by byte, with line ends wherever a client may try them,
// raw and escaped, and looks for what is planted behind them in the answer's header.
func TestResponseHoldsNoInjectedField(t *testing.T) {
	base := startCaddy(t, "", `affiliate { subdomain shop.test }
		header X-Partner {affiliate.code}
		header X-Token {affiliate.token}
		respond ok`)
	host := strings.TrimPrefix(base, "http://")
	var requests []string
	for _, end := range []string{"\r\n", "\n", "\r", "%0d%0a", "%0D%0A%20", "%250d%250a", "%E5%98%8D%E5%98%8A", "\x00"} {
		planted := end + "X-Planted: yes" + end + "Set-Cookie: planted=yes"
		if strings.HasPrefix(end, "%") {
			planted = strings.ReplaceAll(planted, " ", "%20")
		}
		for _, target := range []string{"/?via=demo" + planted, "/?via=demo&a=" + planted, "/r/demo" + planted, "/r/demo/" + planted, "/r/demo?a=" + planted + "&b"} {
			requests = append(requests, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nUser-Agent: "+browser+"\r\nConnection: close\r\n\r\n")
		}
		for _, field := range []string{"Cookie: aff=v1.x.y" + planted, "Cookie: aff=" + end + "; x=1", "Referer: https://x.test/" + planted, "User-Agent: " + browser + planted} {
			requests = append(requests, "GET /r/demo?a=1 HTTP/1.1\r\nHost: "+host+"\r\n"+field+"\r\nConnection: close\r\n\r\n")
		}
	}
	redirects := 0
	for _, request := range requests {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(conn) // what is no request may have its connection reset
		conn.Close()
		head, _, whole := strings.Cut(string(answer), "\r\n\r\n")
		if !whole && strings.Contains(request, "%") { // one without a raw line end, which is a request whatever else
			t.Errorf("%q is answered %q", request, answer)
		}
		if strings.Contains(head, "HTTP/1.1 302 ") {
			redirects++
		}
		for _, line := range strings.FieldsFunc(head, func(c rune) bool { return c == '\r' || c == '\n' }) {
			if strings.HasPrefix(line, "X-Planted") || strings.Contains(line, "planted=yes") && !strings.HasPrefix(line, "Location: https://example.com/?") {
				t.Errorf("%q is answered with the line %q", request, line)
			}
		}
	}
	if redirects < 10 {
		t.Errorf("only %d of %d requests came as far as a redirect", redirects, len(requests))
	}
}

// Without trusted_proxies_strict a client chooses the address that is recorded of it, and the log says so, once.
func TestResponseClientIPOfALaxServer(t *testing.T) {
	for _, test := range []struct {
		name, servers, forwarded string
		warnings                 int
	}{
		{"lax", "trusted_proxies static 127.0.0.0/8", "6.6.6.6, 192.0.2.9", 1},
		{"strict", "trusted_proxies static 127.0.0.0/8\ntrusted_proxies_strict", "6.6.6.6, 192.0.2.9", 0},
		{"nobody is trusted", "timeouts { read_body 10s }", "6.6.6.6", 0},
		{"a stranger's click", "trusted_proxies static 192.0.2.0/24", "6.6.6.6", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newServer(t)
			servers := strings.NewReplacer("{ ", "{\n", " }", "\n}").Replace("servers { " + test.servers + " }\n")
			s.load(s.adaptGlobal(servers+"affiliate {\njournal "+s.journal()+"\nlink demo\n}", fmt.Sprintf("http://127.0.0.1:%d {\naffiliate\n}", s.site)))
			for n := 1; n <= 2; n++ {
				visit(t, "GET", fmt.Sprintf("http://127.0.0.1:%d/?via=demo", s.site), header("X-Forwarded-For", test.forwarded))
				s.sessions(n)
			}
			if got := strings.Count(s.log(), `"msg":"this server has trusted_proxies without trusted_proxies_strict`); got != test.warnings {
				t.Errorf("%d warnings, want %d\n%s", got, test.warnings, s.log())
			}
			if test.warnings > 0 && !strings.Contains(s.log(), `"server":"srv0"`) {
				t.Errorf("the warning names no server:\n%s", s.log())
			}
		})
	}
}

// cached is a shared cache that honours Cache-Control and CDN-Cache-Control, as those between a site and its visitors do.
type cached struct {
	kept map[string]*httptest.ResponseRecorder
	next caddyhttp.HandlerFunc
}

func (c *cached) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	answer, hit := c.kept[r.URL.RequestURI()]
	if !hit {
		answer = httptest.NewRecorder()
		if err := c.next(answer, r); err != nil {
			return err
		}
		control := answer.Header().Get("Cache-Control")
		if own := answer.Header().Get("CDN-Cache-Control"); own != "" {
			control = own
		}
		if !strings.Contains(control, "no-store") && !strings.Contains(control, "private") {
			c.kept[r.URL.RequestURI()] = answer
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, err := w.Write(answer.Body.Bytes())
	return err
}

func TestResponseThroughSharedCaches(t *testing.T) {
	e := newEdge(t, Handler{Strip: true})
	asked := 0
	behind := &cached{kept: map[string]*httptest.ResponseRecorder{}, next: func(w http.ResponseWriter, r *http.Request) error {
		asked++
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("CDN-Cache-Control", "max-age=60")
		_, err := io.WriteString(w, "page")
		return err
	}}
	front := &cached{kept: map[string]*httptest.ResponseRecorder{}, next: func(w http.ResponseWriter, r *http.Request) error {
		return e.ServeHTTP(w, r, caddyhttp.HandlerFunc(behind.ServeHTTP))
	}}
	tokens := map[string]bool{}
	for _, url := range []string{"http://shop.test/?via=demo", "http://shop.test/r/demo"} {
		for range 3 {
			w := httptest.NewRecorder()
			r := caddyhttp.PrepareRequest(newRequest(url), caddy.NewReplacer(), w, new(caddyhttp.Server))
			if err := front.ServeHTTP(w, r); err != nil {
				t.Fatal(err)
			}
			token := w.Header().Get("Set-Cookie")
			if token == "" || tokens[token] {
				t.Errorf("%s: a second visitor got %q", url, token)
			}
			tokens[token] = true
		}
	}
	if asked != 1 {
		t.Errorf("the site was asked %d times; its own answer is one page for every affiliate", asked)
	}
	for uri, kept := range behind.kept {
		if uri != "/" || kept.Header().Get("Set-Cookie") != "" {
			t.Errorf("the cache behind keeps %s with %v", uri, kept.Header())
		}
	}
}

// What a shared cache shows a person after a robot, a preview, or a visitor who has been here, was not stored: their click arrives.
func TestResponseToARobotHidesNoClick(t *testing.T) {
	e := newEdge(t, Handler{})
	front := &cached{kept: map[string]*httptest.ResponseRecorder{}, next: func(w http.ResponseWriter, r *http.Request) error {
		return e.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Header().Set("CDN-Cache-Control", "max-age=60")
			_, err := io.WriteString(w, "page")
			return err
		}))
	}}
	ask := func(url string, changes ...request) http.Header {
		w := httptest.NewRecorder()
		r := caddyhttp.PrepareRequest(newRequest(url, changes...), caddy.NewReplacer(), w, new(caddyhttp.Server))
		if err := front.ServeHTTP(w, r); err != nil {
			t.Fatal(err)
		}
		return w.Header()
	}
	_, known := e.seal("demo", time.Minute)
	for name, before := range map[string]request{
		"robot":      header("User-Agent", "Googlebot/2.1"),
		"preview":    header("Sec-Purpose", "prefetch"),
		"fetch":      header("Sec-Fetch-Dest", "empty"),
		"repeat":     known,
		"early data": early,
	} {
		url := "http://shop.test/" + strings.ReplaceAll(name, " ", "-") + "?via=demo"
		if got := ask(url, before); got.Get("Set-Cookie") != "" {
			t.Errorf("%s: got a token", name)
		}
		if got := ask(url); got.Get("Set-Cookie") == "" {
			t.Errorf("after a %s the cache answers the next visitor, whose click is lost", name)
		}
	}
	if ask("http://shop.test/?via=nobody"); len(front.kept) != 1 {
		t.Errorf("%d pages are stored, want that of the unknown code", len(front.kept))
	}
}

func TestResponseSurvivesOurPanicWhileItWaits(t *testing.T) {
	e := newEdge(t, Handler{})
	counted(t, counts{"clicks/human": 1, "withheld/late": 1, "panics": 1}, func() {
		app := e.app
		defer func() { e.app = app }()
		res := e.serve(newRequest("http://shop.test/?via=demo"), func(w http.ResponseWriter, r *http.Request) error {
			e.app = nil // whatever the reason
			_, err := io.WriteString(w, "hello")
			return err
		})
		if res.Code != http.StatusOK || res.Body.String() != "hello" || res.cookie() != nil {
			t.Errorf("status %d, body %q, cookie %v", res.Code, res.Body, res.cookie())
		}
	})
}
