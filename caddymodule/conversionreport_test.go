package caddymodule

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { addSales() }

// addSales adds to the probe's answers, under /sale, the same answers with a conversion in their header.
func addSales() {
	sales := map[string]caddyhttp.HandlerFunc{}
	for path, answer := range answers {
		sales["/sale"+path] = func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Add(conversionField, saleOf(r))
			return answer(w, r)
		}
	}
	for path, answer := range sales {
		answers[path] = answer
	}
}

// saleOf is a conversion whose id is of one request alone.
func saleOf(r *http.Request) string {
	return fmt.Sprintf(`buy;external_id="%s-%d";amount=99.90;currency="EUR"`, r.URL.Query().Get("order"), time.Now().UnixNano())
}

// headerEdge is an edge that takes conversions from every response.
func headerEdge(t testing.TB, config ConversionHeader) *edge {
	t.Helper()
	return newEdge(t, Handler{Conversion: &Conversion{Header: &config}})
}

// selling is a site whose answers have these lines of the field.
func selling(status int, lines ...string) caddyhttp.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		for _, line := range lines {
			w.Header().Add(conversionField, line)
		}
		w.WriteHeader(status)
		_, err := io.WriteString(w, "thanks")
		return err
	}
}

// TestConversionFieldOfEveryAnswer has handlers that write in every way; each is a sale, or not, and none shows the field.
func TestConversionFieldOfEveryAnswer(t *testing.T) {
	sites := map[string]string{
		"plain": `affiliate {
				conversion header
			}
			route { affiliate_probe }`,
		"behind log, encode and headers": `log
			encode { minimum_length 100 }
			affiliate {
				conversion header
			}
			header >X-Site late
			route { affiliate_probe }
			handle_errors {
				header X-Errors yes
				respond "sorry" {err.status_code}
			}`,
	}
	for name, site := range sites {
		t.Run(name, func(t *testing.T) {
			base := startCaddy(t, "", site)
			for _, test := range []struct {
				path, method string
				outcome      string
			}{
				{"/write", "GET", outcomeRecorded},
				{"/write", "POST", outcomeRecorded},
				{"/write", "HEAD", outcomeIgnored},
				{"/copy", "GET", outcomeRecorded},
				{"/twice", "GET", ""}, // encode takes the second status, the others the first
				{"/hints", "GET", outcomeRecorded},
				{"/flush", "GET", outcomeRecorded},
				{"/late-public", "GET", outcomeRecorded},
				{"/empty", "GET", outcomeRecorded},
				{"/missing", "GET", outcomeIgnored},
				{"/partial", "GET", outcomeRecorded},
			} {
				plain, body := visit(t, test.method, base+test.path)
				for query, clicks := range map[string]float64{"": 0, "&via=demo": 1} {
					if test.method != "GET" {
						clicks = 0
					}
					want := counts{"clicks/human": clicks, "tokens": clicks}
					if test.outcome != "" {
						want["conversions/"+test.outcome+"/header"] = 1
					}
					check := func() {
						res, sold := visit(t, test.method, base+"/sale"+test.path+"?order=1"+query)
						if res.StatusCode != plain.StatusCode || sold != body || len(ownCookies(res)) != int(clicks) {
							t.Errorf("%s %s: status %d, body %q, cookies %v", test.method, test.path, res.StatusCode, sold, ownCookies(res))
						}
						if len(res.Header[conversionField]) > 0 || len(res.Trailer) > 0 {
							t.Errorf("%s %s: the client sees %v, trailer %v", test.method, test.path, res.Header, res.Trailer)
						}
					}
					if test.outcome == "" {
						check()
						continue
					}
					counted(t, want, check)
				}
			}
		})
	}
}

func TestConversionFieldEncoded(t *testing.T) {
	base := startCaddy(t, "", `affiliate {
			conversion header
		}
		encode { minimum_length 100 }
		route { affiliate_probe }`)
	counted(t, counts{"conversions/recorded/header": 1, "clicks/human": 1, "tokens": 1}, func() {
		res, body := visit(t, "GET", base+"/sale/big?order=1&via=demo", header("Accept-Encoding", "gzip"))
		if res.Header.Get("Content-Encoding") != "gzip" || len(body) > 1000 || res.Header.Get(conversionField) != "" || len(ownCookies(res)) != 1 {
			t.Errorf("%d bytes, header %v", len(body), res.Header)
		}
	})
}

// The site set its header before it sent the hints, as net/http allows: the client sees it neither then nor later.
func TestConversionFieldIsNoHint(t *testing.T) {
	base := startCaddy(t, "", "affiliate {\nconversion header\n}\nroute { affiliate_probe }")
	informational := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		informational++
		if header.Get(conversionField) != "" || header.Get("Link") == "" {
			t.Errorf("%d carries %v", code, header)
		}
		return nil
	}}
	counted(t, counts{"conversions/recorded/header": 1}, func() {
		res, body := visit(t, "GET", base+"/sale/hints?order=1", func(r *http.Request) {
			*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
		})
		if informational != 2 || body != "hinted" || res.Header.Get(conversionField) != "" {
			t.Errorf("%d informational answers, body %q, header %v", informational, body, res.Header)
		}
	})
}

func TestConversionFieldHijacked(t *testing.T) {
	base := startCaddy(t, "", "affiliate {\nconversion header\n}\nroute { affiliate_probe }")
	if _, body := visit(t, "GET", base+"/hijack"); body != "hijacked" {
		t.Errorf("body %q", body)
	}
}

// TestConversionFieldFlushedBeforeItsStatus has a writer above that holds an early flush back, as Caddy's access log does: the
// status decides, which is not known at the flush.
func TestConversionFieldFlushedBeforeItsStatus(t *testing.T) {
	e := headerEdge(t, ConversionHeader{})
	for status, outcome := range map[int]string{200: outcomeRecorded, 404: outcomeIgnored} {
		w := httptest.NewRecorder()
		r := caddyhttp.PrepareRequest(newRequest("http://shop.test/"), caddy.NewReplacer(), w, new(caddyhttp.Server))
		counted(t, counts{"conversions/" + outcome + "/header": 1}, func() {
			site := func(w http.ResponseWriter, r *http.Request) error {
				w.Header().Set(conversionField, saleOf(r))
				if err := http.NewResponseController(w).Flush(); err != nil {
					return err
				}
				w.WriteHeader(status)
				return nil
			}
			if err := e.ServeHTTP(caddyhttp.NewResponseRecorder(w, nil, nil), r, caddyhttp.HandlerFunc(site)); err != nil {
				t.Fatal(err)
			}
		})
		if w.Code != status || len(w.Header()) != 0 {
			t.Errorf("status %d, header %v", w.Code, w.Header())
		}
	}
}

func TestConversionFieldAndThePanicOfTheSite(t *testing.T) {
	e := headerEdge(t, ConversionHeader{})
	w := httptest.NewRecorder()
	r := caddyhttp.PrepareRequest(newRequest("http://shop.test/?order=1"), caddy.NewReplacer(), w, new(caddyhttp.Server))
	counted(t, counts{"conversions/ignored/header": 1}, func() {
		defer func() {
			if cause := recover(); cause != errProbe {
				t.Errorf("recovered %v, want the site's own panic", cause)
			}
		}()
		e.ServeHTTP(w, r, answers["/sale/panic"])
		t.Error("the site's panic did not come through")
	})
	if len(w.Header()) != 0 {
		t.Errorf("whoever answers for the panic has the header %v", w.Header())
	}
}

// TestConversionFieldThroughProxy has an upstream that sends the field in every place where there is one.
func TestConversionFieldThroughProxy(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		switch r.URL.Path {
		case "/hints":
			header.Set("Link", "</a.css>; rel=preload")
			header.Set(conversionField, saleOf(r))
			w.WriteHeader(http.StatusEarlyHints)
			header.Del(conversionField)
		case "/announced":
			header.Set("Trailer", conversionField+", X-Sum")
		}
		if r.URL.Path != "/hints" && r.URL.Path != "/announced" && r.URL.Path != "/unannounced" {
			header.Add(conversionField, saleOf(r))
		}
		switch r.URL.Path {
		case "/cached":
			header.Set("Age", "0")
		case "/two":
			header.Add(conversionField, strings.Replace(saleOf(r), "buy", "lead", 1)+", "+strings.Replace(saleOf(r), "buy", "click", 1))
		case "/304":
			w.WriteHeader(http.StatusNotModified)
			return
		case "/404":
			w.WriteHeader(http.StatusNotFound)
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
		case "/303":
			w.WriteHeader(http.StatusSeeOther)
		}
		io.WriteString(w, "page")
		switch r.URL.Path {
		case "/announced":
			header.Set(conversionField, saleOf(r))
			header.Set("X-Sum", "1")
		case "/unannounced":
			http.NewResponseController(w).Flush() // a short answer in one piece has no trailer
			header.Set(http.TrailerPrefix+conversionField, saleOf(r))
			header.Set(http.TrailerPrefix+"X-Sum", "1")
		}
	}))
	defer upstream.Close()
	base := startCaddy(t, "", "affiliate {\nconversion header\n}\nreverse_proxy "+upstream.Listener.Addr().String())
	for path, want := range map[string]counts{
		"/":            {"conversions/recorded/header": 1},
		"/303":         {"conversions/recorded/header": 1},
		"/two":         {"conversions/recorded/header": 3},
		"/cached":      {"conversions/ignored/header": 1},
		"/304":         {"conversions/ignored/header": 1},
		"/404":         {"conversions/ignored/header": 1},
		"/500":         {"conversions/ignored/header": 1},
		"/hints":       {},
		"/announced":   {},
		"/unannounced": {},
	} {
		counted(t, want, func() {
			var hints textproto.MIMEHeader
			trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
				hints = header
				return nil
			}}
			res, _ := visit(t, "GET", base+path+"?order=1", func(r *http.Request) {
				*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
			})
			for place, header := range map[string]http.Header{"header": res.Header, "hints": http.Header(hints), "trailer": res.Trailer} {
				if _, there := header[conversionField]; there || strings.Contains(fmt.Sprint(header["Trailer"]), conversionField) {
					t.Errorf("%s: the %s shows %v", path, place, header)
				}
			}
			if sum := res.Trailer.Get("X-Sum"); strings.HasSuffix(path, "announced") && sum != "1" {
				t.Errorf("%s: the site's own trailer is %q", path, sum)
			}
		})
	}
}

func TestConversionFieldOfAnUpgrade(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"+conversionField+": "+sale+"\r\n\r\n")
		buf.Flush()
		line, _ := buf.ReadString('\n')
		io.WriteString(buf, line)
		buf.Flush()
	}))
	defer upstream.Close()
	base := startCaddy(t, "", "affiliate {\nconversion header\n}\nreverse_proxy "+upstream.Listener.Addr().String())
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(testTime))
	counted(t, counts{"conversions/ignored/header": 1}, func() {
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", strings.TrimPrefix(base, "http://"))
		buf := bufio.NewReader(conn)
		res, err := http.ReadResponse(buf, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "ping\n")
		line, err := buf.ReadString('\n')
		if res.StatusCode != http.StatusSwitchingProtocols || line != "ping\n" || res.Header.Get(conversionField) != "" {
			t.Errorf("status %d, echo %q (%v), header %v", res.StatusCode, line, err, res.Header)
		}
	})
}

func TestConversionFieldOff(t *testing.T) {
	for name, h := range map[string]Handler{
		"not configured":       {},
		"the pixel alone":      {Conversion: &Conversion{Pixel: &ConversionPixel{}}},
		"no block that may be": {Conversion: &Conversion{Blocks: []ConversionBlock{block(caddyhttp.MatchPath{"/thanks"})}}},
	} {
		e := newEdge(t, h)
		counted(t, counts{}, func() {
			var wrapped bool
			res := e.serve(newRequest("http://shop.test/page"), func(w http.ResponseWriter, r *http.Request) error {
				_, bare := w.(*httptest.ResponseRecorder)
				wrapped = !bare
				return selling(200, sale)(w, r)
			})
			if wrapped || res.Header().Get(conversionField) != sale {
				t.Errorf("%s: wrapped %v, header %v", name, wrapped, res.Header())
			}
		})
	}
}

// Where the field is off, a page that is no conversion costs no allocation.
func TestConversionFieldOffAllocatesNothing(t *testing.T) {
	e := newEdge(t, Handler{Conversion: &Conversion{
		Blocks: []ConversionBlock{block(caddyhttp.MatchMethod{"PUT"})},
		Pixel:  &ConversionPixel{},
	}})
	e.close() // its workers allocate too, and are counted
	r := newRequest("http://shop.test/page?q=1", header("Cookie", "session=abc"))
	w, s := httptest.NewRecorder(), new(caddyhttp.Server)
	bare := testing.AllocsPerRun(500, func() { pass(nil, r, w, s) })
	if with := testing.AllocsPerRun(500, func() { pass(e.Handler, r, w, s) }); with > bare {
		t.Errorf("%v allocations added", with-bare)
	}
}

func TestConversionFieldMatcher(t *testing.T) {
	base := startCaddy(t, "", `@checkout {
			method POST
			path /sale/*
		}
		affiliate {
			conversion header @checkout trusted
		}
		route { affiliate_probe }`)
	counted(t, counts{"conversions/recorded/header": 1}, func() {
		if res, _ := visit(t, "POST", base+"/sale/write?order=1"); res.Header.Get(conversionField) != "" {
			t.Errorf("header %v", res.Header)
		}
	})
	counted(t, counts{}, func() {
		for _, path := range []string{"/sale/write?order=2", "/sale/flush?order=3", "/sale/missing?order=4"} {
			if res, _ := visit(t, "GET", base+path); res.Header.Get(conversionField) != "" {
				t.Errorf("%s: the visitor sees the field of a response that counts for nothing", path)
			}
		}
	})
}

// TestConversionFieldMalformed holds that a mistake of the site costs the conversion, is told in the log without any value, and costs the
// visitor nothing.
func TestConversionFieldMalformed(t *testing.T) {
	const order = "order-4711"
	for line, reason := range map[string]string{
		`buy;external_id="` + order + `";amount=-1.00;currency="EUR"`:             "an amount is a decimal number",
		`buy;external_id="` + order + `";amount=1.005;currency="EUR"`:             "at most 2 decimals",
		`buy;external_id="` + order + `";amount=1.0;currency="` + order + `"`:     "amount: a currency is",
		`buy;external_id="` + order + `";amount="1e2000000000";currency="EUR"`:    "an amount is a decimal number",
		`buy;external_id="` + order + `";amount="NaN";currency="EUR"`:             "an amount is a decimal number",
		`buy;external_id="` + order + `"`:                                         "currency",
		`gift;external_id="` + order + `";currency="EUR"`:                         "type",
		`buy;external_id="` + order + ` ";currency="EUR"`:                         "external_id: begins or ends with white space",
		`buy;amount=1.00;currency="EUR";coupon="` + order + `"`:                   "external_id",
		`buy;external_id="` + order + strings.Repeat("x", 300) + `";currency=EUR`: "external_id",
		`buy;external_id="` + order:                                               "RFC 8941",
	} {
		var log strings.Builder
		e := headerEdge(t, ConversionHeader{})
		e.logger = slog.New(slog.NewTextHandler(&log, nil))
		counted(t, counts{"conversions/malformed/header": 1}, func() {
			res := e.serve(newRequest("http://shop.test/"), selling(201, line))
			if res.Code != 201 || res.Body.String() != "thanks" || len(res.Header()) != 0 {
				t.Errorf("%s: status %d, body %q, header %v", line, res.Code, res.Body, res.Header())
			}
		})
		if !strings.Contains(log.String(), reason) || !strings.Contains(log.String(), "source=header") || strings.Contains(log.String(), order) {
			t.Errorf("%s: the log says %s", line, log.String())
		}
	}
	e := headerEdge(t, ConversionHeader{})
	counted(t, counts{"conversions/malformed/header": 1, "conversions/recorded/header": 2}, func() {
		e.serve(newRequest("http://shop.test/"), selling(200, sale+", buy, "+strings.Replace(sale, "buy", "lead", 1)))
	})
	counted(t, counts{"conversions/malformed/header": 2, "conversions/recorded/header": 2}, func() {
		lead := strings.Replace(sale, "buy", "lead", 1)
		e.serve(newRequest("http://shop.test/"), selling(200, sale, `buy;external_id="Zoë";currency=EUR`, lead, `sale;external_id="`))
	})
}
