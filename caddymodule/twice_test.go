package caddymodule

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// TestTwiceIsOneClick sends clicks through sites whose requests pass several handlers.
func TestTwiceIsOneClick(t *testing.T) {
	for name, site := range map[string]string{
		"an error route": `affiliate
			route { affiliate_probe }
			handle_errors {
				affiliate { conversion header }
				header -X-Powered-By
				respond "{affiliate.code} {affiliate.class}" 200
			}`,
		"an error route, stripped": `affiliate { strip }
			route { affiliate_probe }
			handle_errors {
				affiliate
				respond "{affiliate.code} {affiliate.class}" 200
			}`,
		"an error route whose answers caches may keep": `affiliate
			route { affiliate_probe }
			handle_errors {
				affiliate
				header Cache-Control "public, max-age=600"
				respond "{affiliate.code} {affiliate.class}" 200
			}`,
		"an error route of another network": `affiliate
			route { affiliate_probe }
			handle_errors {
				affiliate { network other }
				header Cache-Control "public, max-age=600"
				respond "demo human" 200
			}`,
		"a nested route, stripped": `route {
				affiliate { strip }
				affiliate
				respond "{affiliate.code} {affiliate.class}" 200
			}`,
		"a nested route": `affiliate
			route {
				affiliate
				affiliate { repeat 1s }
				respond "{affiliate.code} {affiliate.class}" 200
			}`,
		"two networks": `route {
				affiliate
				affiliate { network other }
				respond "{affiliate.code} {affiliate.class}" 200
			}`,
		"the second network has the link": `route {
				affiliate { network other }
				affiliate
				respond "{http.vars.affiliate.visitor}demo human" 200
			}`,
	} {
		t.Run(name, func(t *testing.T) {
			base := startCaddy(t, "", site)
			want := counts{"clicks/human": 1, "tokens": 1}
			if strings.HasPrefix(name, "the second") {
				want["unknown"] = 1
			}
			counted(t, want, func() {
				res, body := visit(t, "GET", base+"/missing?via=demo")
				if got := ownCookies(res); !slices.Equal(got, []string{"aff"}) || body != "demo human" {
					t.Errorf("cookies %v, body %q", got, body)
				}
				if got := res.Header.Values("Cache-Control"); !slices.Equal(got, []string{"private, no-store"}) {
					t.Errorf("Cache-Control %q", got)
				}
			})
		})
	}
}

// A session that is handed over, and a cookie that is withdrawn, are told once as well.
func TestTwiceHandedOver(t *testing.T) {
	e := newEdge(t, Handler{ForwardHeader: &ForwardHeader{Key: strings.Repeat("k", 32)}})
	token, _ := e.seal("demo", time.Second)
	sealed, err := e.app.sealer().SealHandoff("default", token.Visitor, token.Last, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	counted(t, counts{"handoffs": 1}, func() {
		res, r := e.askTwice("http://shop.test/?aff_click=" + sealed)
		if cookies := res.Header()["Set-Cookie"]; len(cookies) != 1 {
			t.Errorf("cookies %q", cookies)
		}
		if got := r.Header.Get(sessionField); !strings.Contains(got, token.Last.Session.String()) {
			t.Errorf("the upstream got %q", got)
		}
	})
}

// The inner handler sees the click that the outer one has taken, though the URL does not name it any more.
func TestTwiceStripped(t *testing.T) {
	e := newEdge(t, Handler{Strip: true, ForwardHeader: &ForwardHeader{Key: strings.Repeat("k", 32)}})
	_, former := e.seal("other", time.Hour)
	for name, cookies := range map[string][]request{"a new visitor": nil, "one who came by another link": {former}} {
		_, r := e.askTwice("http://shop.test/?via=demo", cookies...)
		if got := r.Header.Get(sessionField); !strings.Contains(got, `code="demo"`) {
			t.Errorf("%s: the upstream got %q", name, got)
		}
	}
}

// What is handed over to one network is no token that another one refuses.
func TestTwiceHandedOverToOneNetwork(t *testing.T) {
	key := &ForwardHeader{Key: strings.Repeat("k", 32)}
	e := newEdge(t, Handler{ForwardHeader: key})
	other := &Handler{Network: "other", ForwardHeader: key, logger: slog.New(slog.DiscardHandler)}
	if err := other.use(e.app); err != nil {
		t.Fatal(err)
	}
	token, _ := e.seal("demo", time.Second)
	sealed, err := e.app.sealer().SealHandoff("default", token.Visitor, token.Last, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := e.app.sealer().Seal(tracker.Token{Network: "other", Visitor: token.Visitor, First: token.Last, Last: token.Last})
	if err != nil {
		t.Fatal(err)
	}
	counted(t, counts{"handoffs": 1}, func() {
		e.askBoth(other, "http://shop.test/?aff_click="+sealed, header("Cookie", other.cookie.plain+"="+theirs))
	})
}

func TestTwiceWithdrawn(t *testing.T) {
	e := newEdge(t, Handler{Consent: byCookie()})
	_, own := e.seal("demo", time.Hour)
	counted(t, counts{"clicks/no_consent": 1}, func() {
		if res, _ := e.askTwice("http://shop.test/?via=demo", own); len(res.Header()["Set-Cookie"]) != 1 {
			t.Errorf("cookies %q", res.Header()["Set-Cookie"])
		}
	})
}

// askTwice sends a request through the handler twice, one around the other, and returns what the site saw of it.
func (e *edge) askTwice(url string, changes ...request) (res *httptest.ResponseRecorder, seen *http.Request) {
	e.t.Helper()
	return e.askBoth(e.Handler, url, changes...)
}

// askBoth is askTwice with another handler inside.
func (e *edge) askBoth(inner *Handler, url string, changes ...request) (res *httptest.ResponseRecorder, seen *http.Request) {
	e.t.Helper()
	res = httptest.NewRecorder()
	r := caddyhttp.PrepareRequest(newRequest(url, changes...), caddy.NewReplacer(), res, new(caddyhttp.Server))
	err := e.ServeHTTP(res, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			seen = r
			return nil
		}))
	}))
	if err != nil {
		e.t.Fatal(err)
	}
	return res, seen
}
