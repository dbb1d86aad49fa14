package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// Every third response carries a token and every tenth fails: the driver counts both, and offers the rate it was given.
func TestLoadCountsWhatItReceives(t *testing.T) {
	var asked, given, failed atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		if n%3 == 0 {
			given.Add(1)
			w.Header().Set(SessionHeader, fmt.Sprint("session-", n))
			http.SetCookie(w, &http.Cookie{Name: "aff", Value: fmt.Sprint("token-", n)})
		}
		if n%10 == 0 {
			failed.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer site.Close()

	var offered []int
	for range 3 { // a machine that stands still for a moment makes one of them wrong
		given.Store(0)
		failed.Store(0)
		r := Load{URL: site.URL, Rate: 500}.For(time.Second)
		if n := int64(len(r.Tokens)); n != given.Load() {
			t.Errorf("kept %d tokens of %d given", n, given.Load())
		}
		if n := int64(r.Failed()); n != failed.Load() {
			t.Errorf("counts %d failures of %d", n, failed.Load())
		}
		for _, token := range r.Tokens {
			if token.Session[len("session-"):] != token.Cookie[len("token-"):] {
				t.Errorf("token %s is kept with %s", token.Cookie, token.Session)
			}
		}
		if n := len(r.Latencies); n >= 400 && n <= 510 {
			return
		}
		offered = append(offered, len(r.Latencies))
	}
	t.Errorf("sent %v requests in a second at 500 a second", offered)
}

// A token counts once its header has arrived, also when the response breaks off behind it.
func TestLoadKeepsTheTokenOfACutResponse(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-aff", Value: "token"})
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half of it")
	}))
	defer site.Close()

	r := Load{URL: site.URL, Rate: 100}.For(200 * time.Millisecond)
	if n := len(r.Latencies); n == 0 || r.Cut != n || r.Failed() != n || len(r.Tokens) != n {
		t.Errorf("of %d cut responses %d are counted as cut, %d as failed, and %d tokens kept", n, r.Cut, r.Failed(), len(r.Tokens))
	}
}

// A server that stalls is charged for the requests that were due meanwhile.
func TestLatencyCountsFromWhenARequestWasDue(t *testing.T) {
	var stalled atomic.Bool
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stalled.CompareAndSwap(false, true) {
			time.Sleep(300 * time.Millisecond)
		}
	}))
	defer site.Close()

	slow := 0
	for range 3 { // a machine that stands still meanwhile lets few become due
		stalled.Store(false)
		slow = 0
		for _, d := range (Load{URL: site.URL, Rate: 100, Connections: 1}).For(500 * time.Millisecond).Latencies {
			if d > 100*time.Millisecond {
				slow++
			}
		}
		if slow >= 10 {
			return
		}
	}
	t.Errorf("%d requests are slow; a stall of 300 ms holds up about 20 at 100 a second", slow)
}
