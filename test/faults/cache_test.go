package faults

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

// The site wants its pages in every cache, by each field that a cache may obey.
const cacheable = `	header {
		Cache-Control "public, max-age=60, s-maxage=60"
		CDN-Cache-Control "max-age=60"
		Surrogate-Control "max-age=60"
	}
`

// Behind a shared cache every visitor who gets a token gets one of their own, on pages and on redirects.
func TestCacheInFront(t *testing.T) {
	for name, fields := range map[string]string{"pages to be cached": cacheable, "pages that say nothing": ""} {
		t.Run(name, func(t *testing.T) {
			p := caddy.Start(t, strings.Replace(with(embedded), "\trespond", fields+"\trespond", 1))
			cache := newSharedCache(t, p.URL)
			var tokens, shown []load.Token // a redirect shows no session
			visitors := 0
			for _, address := range []string{"/?via=demo", "/r/demo", "/about?ref=demo&x=1"} {
				for want := len(tokens) + 5; len(tokens) < want && visitors < 100; visitors++ {
					got := visit(t, cache.URL+address)
					switch {
					case got.hit:
						t.Errorf("%s: a visitor got another's page: %+v", address, got)
					case got.token.Cookie == "": // withheld on a busy machine
						cache.purge()
						continue
					case got.token.Session != "":
						shown = append(shown, got.token)
					}
					tokens = append(tokens, got.token)
				}
			}
			for n := range 3 {
				if got := visit(t, cache.URL+"/about"); got.token.Cookie != "" || got.hit != (n > 0) {
					t.Errorf("visit %d of a page without a referral: %+v", n, got)
				}
			}
			if keys := cache.keys(); len(keys) != 1 {
				t.Errorf("the cache keeps %q", keys)
			}
			check.Acked(t, shown, p)
			if n := len(check.Sessions(t, p)); n != visitors || len(tokens) != 15 || len(shown) != 10 || distinct(tokens) != 15 {
				t.Errorf("%d visitors made %d sessions and got %d tokens, %d of them different", visitors, n, len(tokens), distinct(tokens))
			}
		})
	}
}

// With a shared cache between Caddy and the shop, and strip, the cache sees one page whoever referred to it, and a visitor
// whose page comes out of it is a click like any other.
func TestCacheBehind(t *testing.T) {
	var asked atomic.Int32
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Cache-Control", "public, max-age=60")
		fmt.Fprint(w, "the shop")
	}))
	t.Cleanup(shop.Close)
	cache := newSharedCache(t, shop.URL)
	site := with(embedded)
	site = strings.Replace(site, "\taffiliate\n\theader", "\taffiliate {\n\t\tstrip\n\t}\n\theader", 1)
	site = strings.Replace(site, `respond "hello"`, "reverse_proxy "+strings.TrimPrefix(cache.URL, "http://"), 1)
	p := caddy.Start(t, site)

	var tokens []load.Token
	visitors := 0
	for ; len(tokens) < 10 && visitors < 100; visitors++ {
		got := visit(t, p.URL+"/?via=demo&sub1=visitor-"+strconv.Itoa(visitors%2)+"&x=1")
		if got.hit != (visitors > 1) || got.body != "the shop" {
			t.Errorf("visitor %d got %+v", visitors, got)
		}
		if got.token.Cookie != "" { // else withheld on a busy machine
			tokens = append(tokens, got.token)
		}
	}
	if n, keys := asked.Load(), cache.keys(); n != 2 || strings.Contains(fmt.Sprint(keys), "via") {
		t.Errorf("the shop was asked %d times, the cache keeps %q", n, keys)
	}
	check.Acked(t, tokens, p)
	for _, s := range check.Sessions(t, p) {
		if !strings.HasPrefix(s.Query, "via=demo&sub1=visitor-") {
			t.Errorf("a session's query is %q", s.Query)
		}
	}
	if n := len(check.Sessions(t, p)); n != visitors || distinct(tokens) != 10 {
		t.Errorf("%d visitors made %d sessions and got %d tokens", visitors, n, distinct(tokens))
	}
}

func distinct(tokens []load.Token) int {
	cookies := map[string]bool{}
	for _, token := range tokens {
		cookies[token.Cookie] = true
	}
	return len(cookies)
}

// visited is what a new visitor got.
type visited struct {
	token load.Token
	hit   bool // out of the cache
	body  string
}

func visit(t *testing.T, address string) (got visited) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	must(t, err)
	load.AsBrowser(req.Header)
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	got.body, got.hit = string(body), resp.Header.Get("X-Cache") == "hit"
	for _, c := range resp.Cookies() {
		got.token = load.Token{Session: resp.Header.Get(load.SessionHeader), Cookie: c.Value}
	}
	return got
}

// sharedCache is a caching proxy for many visitors, RFC 9111 without validation, and as careless as some that are in use:
// a Set-Cookie does not keep it from storing, and what says nothing of its age it takes to be fresh for ten seconds.
type sharedCache struct {
	URL string

	origin string
	mu     sync.Mutex
	stored map[string]stored
}

type stored struct {
	*http.Response
	body  []byte
	until time.Time
}

func newSharedCache(t *testing.T, origin string) *sharedCache {
	c := &sharedCache{origin: origin, stored: map[string]stored{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *sharedCache) keys() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.stored))
}

func (c *sharedCache) purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.stored)
}

func (c *sharedCache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	answer, hit := c.stored[r.RequestURI]
	c.mu.Unlock()
	if hit = hit && time.Now().Before(answer.until); !hit {
		var err error
		if answer, err = c.fetch(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
	}
	maps.Copy(w.Header(), answer.Header)
	if hit {
		w.Header().Set("X-Cache", "hit")
	}
	w.WriteHeader(answer.StatusCode)
	w.Write(answer.body)
}

func (c *sharedCache) fetch(r *http.Request) (stored, error) {
	req, err := http.NewRequest(r.Method, c.origin+r.RequestURI, nil)
	if err != nil {
		return stored{}, err
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return stored{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return stored{}, err
	}
	answer := stored{resp, body, time.Now().Add(lifetime(resp))}
	if r.Method == http.MethodGet && time.Now().Before(answer.until) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stored[r.RequestURI] = answer
	}
	return answer, nil
}

// lifetime is how long a response may be handed to others. A field for caches like this one outranks Cache-Control
// (RFC 9213).
func lifetime(resp *http.Response) time.Duration {
	if !slices.Contains([]int{200, 301, 302, 404}, resp.StatusCode) {
		return 0
	}
	directives := resp.Header.Get("Cache-Control")
	for _, targeted := range []string{"Surrogate-Control", "CDN-Cache-Control"} {
		if own := resp.Header.Get(targeted); own != "" {
			directives = own
		}
	}
	age := 10
	for directive := range strings.SplitSeq(strings.ToLower(directives), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "private", "no-cache":
			return 0
		case "max-age", "s-maxage":
			age, _ = strconv.Atoi(value) // no number: stale at once
		}
	}
	return time.Duration(age) * time.Second
}
