package tracker

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestCheckDestination(t *testing.T) {
	for _, good := range []string{
		"", "/", "/landing?a=1#top", "/a b", "/café", `/?next=\x`, "/a//b", "/%2F/h", "/a:b",
		"https://shop.com", "http://shop.com/", "HTTPS://Shop.com:8443/x?y#z", "https://shop.com?x=1", "https://shop.com#x",
		"https://127.0.0.1:8080/", "https://[::1]/", "https://[2001:db8::1]:8443/", "https://shop.com/?s={session_id}",
		"https://shop.com/@user", "https://shop.com/?to=https://other.com\\", "https://xn--caf-dma.com/", "https://shop.com/a b?c=d e",
	} {
		if err := CheckDestination(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"shop.com", "x", "?a=1", "#x", ".", "../x", " /", "/ ", " https://shop.com", "https://shop.com ",
		"//evil.com", "///evil.com", `/\evil.com`, `\\evil.com`, `\/evil.com`, `/a\b`, "/\t/evil.com", "/\r\nSet-Cookie: x=1", "/\x00", "/\x7f",
		"https:evil.com", "https:/evil.com", "https:///evil.com", "https://", "https://?x", "https://#", `https:\\evil.com`, `https://shop.com\@evil.com`,
		"javascript:alert(1)", "javascript://shop.com/%0aalert(1)", "data:text/html,x", "ftp://shop.com", "file:///etc/passwd", "mailto:a@b.c", "httpss://shop.com",
		"https://user@shop.com", "https://user:pass@shop.com/", "https://shop.com@evil.com", "https://@shop.com", "https://shop.com%40evil.com", "https://%65vil.com",
		"https://café.com", "https://shop.com:", "https://shop.com:x", "https://shop.com:123456", "https://:80/", "https://..", "https://[::1", "https://[::1]x", "https://[fe80::1%25eth0]/", "https://[x]/",
		"https://{session_id}.shop.com/", "https://a b.com/", "https://shop.com/" + strings.Repeat("x", MaxDestination),
	} {
		if err := CheckDestination(bad); !errors.Is(err, ErrDestination) {
			t.Errorf("%.60q is accepted", bad)
		}
	}
}

var handedOver = SessionID{0x01, 0x98, 15: 0xff}

const handedOverText = "01980000-0000-0000-0000-0000000000ff"

func TestLocation(t *testing.T) {
	tests := []struct {
		name, destination string
		redirect          Redirect
		want              string
	}{
		{"no destination", "", Redirect{}, "/"},
		{"no destination, a query", "", Redirect{RawQuery: "a=1"}, "/?a=1"},
		{"as it is stored", "https://shop.com/x?y=1#z", Redirect{}, "https://shop.com/x?y=1#z"},
		{"a query", "https://shop.com/x", Redirect{RawQuery: "a=1&b=2"}, "https://shop.com/x?a=1&b=2"},
		{"a query to a host alone", "https://shop.com", Redirect{RawQuery: "a=1"}, "https://shop.com?a=1"},
		{"in front of the fragment", "/x#top", Redirect{RawQuery: "a=1"}, "/x?a=1#top"},
		{"after the destination's own", "/x?y=1#top", Redirect{RawQuery: "a=1"}, "/x?y=1&a=1#top"},
		{"after an empty query", "/x?", Redirect{RawQuery: "a=1"}, "/x?a=1"},
		{"an empty query stays", "/x?", Redirect{}, "/x?"},
		{"bytes are kept", "/x", Redirect{RawQuery: "b=%2B+%zz;c&&a=%C3%A9&a=2&=3&_x="}, "/x?b=%2B+%zz;c&&a=%C3%A9&a=2&=3&_x="},
		{"never replaces", "/x?camp=1&partner=2", Redirect{RawQuery: "camp=9&a=1&partner=9&partner"}, "/x?camp=1&partner=2&a=1"},
		{"never replaces, in disguise", "/x?camp=1&a+b=2", Redirect{RawQuery: "%63amp=9&a%20b=3&c=4"}, "/x?camp=1&a+b=2&c=4"},
		{"a name in other letters is another", "/x?camp=1", Redirect{RawQuery: "Camp=9"}, "/x?camp=1&Camp=9"},
		{"stripped", "/x", Redirect{RawQuery: "via=demo&a=1&ref=x", Strip: []string{"via", "ref"}}, "/x?a=1"},
		{"what is not ASCII", "/café?q=é#ü", Redirect{RawQuery: "a=\xff é"}, "/caf%C3%A9?q=%C3%A9&a=%FF%20%C3%A9#%C3%BC"},
		{"a visitor's fragment is none", "/x#top", Redirect{RawQuery: "a=1#b", Session: handedOver, Handoff: true}, "/x?a=1%23b&aff_click=" + handedOverText + "#top"},
		{"line breaks", "/x", Redirect{RawQuery: "a=1\r\nSet-Cookie: x=1"}, "/x?a=1%0D%0ASet-Cookie:%20x=1"},

		{"the macro", "https://p.com/{session_id}/?c={session_id}", Redirect{Session: handedOver}, "https://p.com/" + handedOverText + "/?c=" + handedOverText},
		{"Affelios's macro", "https://p.com/?clickkey=[ClickKey]", Redirect{Session: handedOver}, "https://p.com/?clickkey=" + handedOverText},
		{"Affelios's macro without a session", "https://p.com/?clickkey=[ClickKey]&d", Redirect{}, "https://p.com/?clickkey=&d"},
		{"Affelios's macro that would make another host", "/[ClickKey]/evil.com", Redirect{}, ""},
		{"the macro without a session", "https://p.com/?c={session_id}&d", Redirect{}, "https://p.com/?c=&d"},
		{"a visitor's macro is none", "https://p.com/", Redirect{RawQuery: "c={session_id}", Session: handedOver}, "https://p.com/?c={session_id}"},
		{"a macro that would make another host", "/{session_id}/evil.com", Redirect{}, ""},

		{"handoff", "https://p.com/x?y#z", Redirect{Session: handedOver, Handoff: true}, "https://p.com/x?y&aff_click=" + handedOverText + "#z"},
		{"handoff of a token", "https://p.com/", Redirect{Session: handedOver, Handoff: true, HandoffToken: "v1.a.b"}, "https://p.com/?aff_click=v1.a.b"},
		{"handoff without a session", "https://p.com/", Redirect{Handoff: true}, "https://p.com/"},
		{"handoff replaces a visitor's", "https://p.com/", Redirect{RawQuery: "aff_click=forged&a=1", Session: handedOver, Handoff: true}, "https://p.com/?a=1&aff_click=" + handedOverText},
		{"handoff in the destination", "https://p.com/?aff_click={session_id}", Redirect{RawQuery: "aff_click=forged", Session: handedOver, Handoff: true}, "https://p.com/?aff_click=" + handedOverText},

		{"a destination that is none", "//evil.com", Redirect{}, ""},
		{"a stored script", "javascript:alert(1)", Redirect{}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.redirect.Link = &Link{Destination: test.destination}
			got, err := test.redirect.Location()
			if got != test.want || (test.want == "") != errors.Is(err, ErrDestination) {
				t.Errorf("Location is %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestDeepLink(t *testing.T) {
	link := &Link{Destination: "https://shop.com/home", DeepLinkHosts: []string{"", "shop.com", "Other.example:8443"}}
	const home = "https://shop.com/home"
	tests := []struct{ query, want string }{
		{"url=https://shop.com/p", "https://shop.com/p"},
		{"url=https%3A%2F%2Fshop.com%2Fp%3Fa%3D1%26b%3D2%23top&c=3&a=9", "https://shop.com/p?a=1&b=2&c=3#top"},
		{"url=HTTP://SHOP.COM/p", "HTTP://SHOP.COM/p"},
		{"url=https://other.example:8443/", "https://other.example:8443/"},
		{"url=https://shop.com/a%2520b%20c%C3%A9", "https://shop.com/a%20b%20c%C3%A9"},
		{"url=https://shop.com/{session_id}", "https://shop.com/{session_id}"},
		{"a=1", home + "?a=1"},
		{"url=&a=1", home + "?a=1"},
		{"url=https://shop.com/first&url=https://shop.com/second", "https://shop.com/first"},
		{"url=/path", home}, {"url=//shop.com/", home}, {`url=/\shop.com`, home}, {"url=https:shop.com", home}, {"url=https:/shop.com/", home},
		{"url=https://evil.com/", home}, {"url=https://shop.com.evil.com/", home}, {"url=https://evilshop.com/", home}, {"url=https://a.shop.com/", home},
		{"url=https://shop.com:8443/", home}, {"url=https://other.example/", home}, {"url=https://shop.com./", home},
		{"url=https://user@shop.com/", home}, {"url=https://shop.com@evil.com/", home}, {`url=https://shop.com\@evil.com/`, home}, {`url=https://shop.com%5C@evil.com/`, home},
		{"url=https://shop.com%2F@evil.com/", "https://shop.com/@evil.com/"}, {"url=https://shop.com%252F@evil.com/", home}, {"url=https://shop.com%23@evil.com/", "https://shop.com#@evil.com/"},
		{"url=javascript:alert(1)//shop.com/", home}, {"url=javascript://shop.com/%250aalert(1)", home}, {"url=ftp://shop.com/", home},
		{"url=https://shop.com/%0d%0aSet-Cookie:x", home}, {"url=https://shop.com/%00", home}, {"url=%20https://shop.com/", home}, {"url=https://shop.com%09.evil.com/", home},
		{"url=https://shop.com/" + strings.Repeat("x", MaxDestination), home},
	}
	for _, test := range tests {
		r := Redirect{Link: link, RawQuery: test.query, DeepLink: "url", Session: handedOver}
		if got, err := r.Location(); err != nil || got != test.want {
			t.Errorf("%.80q: Location is %q, %v; want %q", test.query, got, err, test.want)
		}
	}
	for name, r := range map[string]Redirect{
		"a link without hosts": {Link: &Link{Destination: home}, DeepLink: "url"},
		"no parameter":         {Link: link},
	} {
		r.RawQuery = "url=https://shop.com/p"
		if got, err := r.Location(); err != nil || got != home+"?url=https://shop.com/p" {
			t.Errorf("%s: Location is %q, %v", name, got, err)
		}
	}
}

func TestRedirectHost(t *testing.T) {
	link := Link{Destination: "https://shop.com:8443/x", DeepLinkHosts: []string{"other.com"}}
	for _, test := range []struct {
		destination, query, want string
	}{
		{"https://shop.com:8443/x", "", "shop.com:8443"},
		{"https://shop.com:8443/x", "url=https://other.com/", "other.com"},
		{"https://shop.com:8443/x", "url=https://evil.com/", "shop.com:8443"},
		{"/x", "", ""}, {"", "", ""}, {"//evil.com", "", ""},
	} {
		link.Destination = test.destination
		if got := (Redirect{Link: &link, RawQuery: test.query, DeepLink: "url"}).Host(); got != test.want {
			t.Errorf("%q with %q goes to %q, want %q", test.destination, test.query, got, test.want)
		}
	}
}

// TestLocationOnTheWire sends a hostile query's Location through net/http: one header, one line, the same bytes.
func TestLocationOnTheWire(t *testing.T) {
	query := "a=1\r\nSet-Cookie: x=1\x00\xff#<script>"
	want, err := Redirect{Link: &Link{Destination: "https://shop.com/"}, RawQuery: query}.Location()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", want)
		w.WriteHeader(http.StatusFound)
	}))
	defer server.Close()
	response, err := http.DefaultTransport.RoundTrip(httptest.NewRequest("GET", server.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("Location"); got != want || len(response.Cookies()) > 0 {
		t.Errorf("Location %q came as %q with %d cookies", want, got, len(response.Cookies()))
	}
}

func FuzzRedirectLocation(f *testing.F) {
	f.Add("https://shop.com/x?y=1#z", "a=1&y=2&url=https://other.com/", true)
	f.Add("/{session_id}/evil.com", "", false)
	f.Add("/\\evil.com", "url=//evil.com", true)
	f.Add("", "aff_click=1#\r\n", true)
	f.Add("https://shop.com", "url=https://other.com\\@evil.com", false)
	f.Fuzz(func(t *testing.T, destination, query string, handoff bool) {
		link := &Link{Destination: destination, DeepLinkHosts: []string{"other.com"}}
		r := Redirect{Link: link, RawQuery: query, DeepLink: "url", Handoff: handoff}
		if handoff {
			r.Session = handedOver
		}
		location, err := r.Location()
		if err != nil {
			if !errors.Is(err, ErrDestination) || location != "" {
				t.Fatalf("%q, %v", location, err)
			}
			return
		}
		checkLocation(t, location, destination)
	})
}

// checkLocation judges a Location by what a browser makes of it, not by our own parser.
func checkLocation(t *testing.T, location, destination string) {
	for i := 0; i < len(location); i++ {
		if location[i] < 0x21 || location[i] > 0x7e {
			t.Fatalf("byte %#x in %q", location[i], location)
		}
	}
	base := &url.URL{Scheme: "https", Host: "asked.example", Path: "/r/demo"}
	to, err := url.Parse(withoutQuery(location))
	if err != nil {
		if strings.HasPrefix(location, "/") && !strings.HasPrefix(location, "//") && location[:min(2, len(location))] != `/\` {
			return // a path whose %-pairs net/url dislikes
		}
		if u := strings.ToLower(location); !strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, "http://") {
			t.Fatalf("%q: %v", location, err)
		}
		return
	}
	to = base.ResolveReference(to)
	want := "asked.example"
	if d, err := url.Parse(withoutQuery(destination)); err == nil && d.Host != "" {
		want = d.Host
	} else if err != nil && !strings.HasPrefix(destination, "/") {
		return
	}
	if to.Scheme != "http" && to.Scheme != "https" || to.User != nil || to.Host != want && !strings.EqualFold(to.Host, "other.com") {
		t.Fatalf("%q goes to %q as %q instead of %q", location, to.Host, to.Scheme, want)
	}
}

func withoutQuery(s string) string {
	before, _, _ := strings.Cut(s, "#")
	before, _, _ = strings.Cut(before, "?")
	return before
}

func BenchmarkLocation(b *testing.B) {
	r := Redirect{Link: &Link{Destination: "https://shop.com/x?y=1#z"}, RawQuery: "a=1&b=2", Session: handedOver, Handoff: true}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Location(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLocation8KiB is the worst that a visitor's query can do: a deep link and a query of a thousand names each.
func BenchmarkLocation8KiB(b *testing.B) {
	r := Redirect{Link: &Link{DeepLinkHosts: []string{"shop.com"}}, DeepLink: "url",
		RawQuery: "url=https://shop.com/%3F" + strings.Repeat("a%26", 500) + strings.Repeat("&b%20=", 1000)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Location(); err != nil {
			b.Fatal(err)
		}
	}
}
