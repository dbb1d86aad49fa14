package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
)

func TestAddressRanges(t *testing.T) {
	got, err := addressRanges([]string{"10.1.2.3/16", "10.1.2.3", "fd00::1/8", "2001:db8::1", "::ffff:10.1.2.4"})
	var want []netip.Prefix
	for _, text := range []string{"10.1.0.0/16", "10.1.2.3/32", "fd00::/8", "2001:db8::1/128", "10.1.2.4/32"} {
		want = append(want, netip.MustParsePrefix(text))
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("read are %v, %v", got, err)
	}
	for _, wrong := range []string{"", "intranet", "10.1.0.0/33", "10.1.0", "fe80::1%eth0", "10.1.2.3:80"} {
		if got, err := addressRanges([]string{"10.1.2.3", wrong}); err == nil {
			t.Errorf("%q is read as %v", wrong, got)
		}
	}
}

// TestOneAddressMayBeNamed sends a postback from this machine, and an event to it.
func TestOneAddressMayBeNamed(t *testing.T) {
	s := newServer(t)
	var got atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	defer receiver.Close()
	t.Setenv("TEST_PATH", "0123456789abcdef0123456789abcdef")
	port := freePort(t)
	s.load(s.adapt("forward postback {\n url "+receiver.URL+"/?id={event_id}\n allow 127.0.0.1\n}", fmt.Sprintf(`http://127.0.0.1:%d {
		affiliate_api {
			postback /ours/{env.TEST_PATH} {
				from 127.0.0.1
			}
			postback /theirs/{env.TEST_PATH} {
				from 192.0.2.1
			}
		}
	}`, port)))
	for path, want := range map[string]int{"/ours/": 200, "/theirs/": 403} {
		answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s0123456789abcdef0123456789abcdef?txid=1&amount=5", port, path))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("a postback to %s is answered %d, want %d", path, answer.StatusCode, want)
		}
	}
	s.must("destination", "test", "postback")
	if got.Load() == 0 {
		t.Error("the test event did not arrive at the address that is allowed")
	}
}
