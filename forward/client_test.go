package forward

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// loopback is allowed where a test has a server of its own.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func get(t *testing.T, c *Client, url string) (*Response, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Do(ctx, r)
}

// forbidden are addresses of no public network, in all the forms in which one can be written.
var forbidden = []string{
	// this machine
	"127.0.0.1", "127.1.2.3", "127.255.255.255", "0.0.0.0", "0.1.2.3", "[::1]", "[::]", "localhost",
	// private (RFC 1918), shared (RFC 6598), link-local with the clouds' metadata
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255",
	"100.64.0.1", "100.127.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2",
	// protocol assignments, documentation, benchmarks, 6to4 relays
	"192.0.0.1", "192.0.0.8", "192.0.0.170", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255",
	"192.88.99.1",
	// multicast, reserved, broadcast
	"224.0.0.1", "239.255.255.255", "240.0.0.1", "254.1.2.3", "255.255.255.255",
	// IPv4 within IPv6: mapped, compatible, translated
	"[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::a00:1]",
	"[::ffff:0:127.0.0.1]",
	// NAT64, well known and local
	"[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b::8.8.8.8]", "[64:ff9b:1::127.0.0.1]",
	"[64:ff9b:1::a00:1]",
	// 6to4 and Teredo
	"[2002:7f00:1::]", "[2002:a00:1::1]", "[2002:a9fe:a9fe::1]", "[2002:c0a8:1::1]", "[2001::1]", "[2001:0:7f00:1::]",
	"[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
	// unique local, link-local, site-local, multicast, documentation, discard, ORCHID, segment routing
	"[fc00::1]", "[fd00::1]", "[fd12:3456:789a::1]", "[fd00:ec2::254]", "[fe80::1]", "[febf::1]", "[fec0::1]", "[ff02::1]",
	"[ff0e::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[2001:10::1]", "[2001:20::1]", "[2001:2::1]", "[5f00::1]",
	// forms that some resolvers take for addresses
	"0x7f000001", "2130706433", "0177.0.0.1", "127.1",
}

func TestNoInternalAddressIsReached(t *testing.T) {
	if len(forbidden) < 60 {
		t.Fatalf("the table has %d addresses", len(forbidden))
	}
	answerNames(t, [4]byte{127, 0, 0, 1}) // as a resolver does that takes the odd forms for addresses
	c := NewClient(nil)
	for _, host := range forbidden {
		answer, err := get(t, c, "http://"+host+":80/")
		if err == nil {
			t.Errorf("%s answers %d", host, answer.Status)
			continue
		}
		// Go takes digits that are no address for a name that nobody has.
		_, other := netip.ParseAddr(host)
		digits := other != nil && strings.Trim(host, "0123456789.") == ""
		if !errors.Is(err, ErrForbidden) && !digits {
			t.Errorf("%s is not reached for another reason: %v", host, err)
		}
		if strings.Contains(err.Error(), host) {
			t.Errorf("the error of %s repeats it: %v", host, err)
		}
	}
}

func TestAllowedNetworksAreReached(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	defer server.Close()
	if _, err := get(t, NewClient(nil), server.URL); !errors.Is(err, ErrForbidden) {
		t.Errorf("without leave: %v", err)
	}
	answer, err := get(t, NewClient(loopback), server.URL)
	if err != nil || answer.Status != 200 || string(answer.Body) != "fine" {
		t.Errorf("with leave: %v, %v", answer, err)
	}
	if _, err := get(t, NewClient(loopback), "http://10.0.0.1/"); !errors.Is(err, ErrForbidden) {
		t.Errorf("another network than the allowed one: %v", err)
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	reached := false
	mux := http.NewServeMux()
	mux.HandleFunc("/reached", func(http.ResponseWriter, *http.Request) { reached = true })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		to := "/reached"
		if r.URL.Path == "/metadata" {
			to = "http://169.254.169.254/latest/meta-data/"
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	c := NewClient(loopback)
	for _, path := range []string{"/", "/metadata"} {
		answer, err := get(t, c, server.URL+path)
		if err != nil || answer.Status != http.StatusTemporaryRedirect || Judge(answer, time.Now()) == nil {
			t.Errorf("%s: %v, %v", path, answer, err)
		}
	}
	if reached {
		t.Error("a redirect was followed")
	}
}

func TestNoProxyIsTakenFromTheEnvironment(t *testing.T) {
	asked := false
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	if transport := NewClient(nil).http.Transport.(*http.Transport); transport.Proxy != nil {
		t.Error("the client asks for a proxy")
	}
	get(t, NewClient(nil), "http://10.0.0.1/")
	if asked {
		t.Error("a proxy was asked")
	}
}

func TestAnswersAreBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		piece := strings.Repeat("x", 64<<10)
		for range 1600 { // 100 MiB
			if _, err := fmt.Fprint(w, piece); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	answer, err := get(t, NewClient(loopback), server.URL)
	if err != nil || len(answer.Body) != maxAnswer {
		t.Errorf("read %d bytes, %v", len(answer.Body), err)
	}
}
