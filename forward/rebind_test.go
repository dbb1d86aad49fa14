package forward

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// answerNames lets names resolve to these addresses, one after the other, and from then on to the last one.
func answerNames(t *testing.T, addresses ...[4]byte) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	former := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = former; server.Close() })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	go func() {
		query, asked := make([]byte, 512), 0
		for {
			n, from, err := server.ReadFrom(query)
			if err != nil {
				return
			}
			answer, isA := answerTo(query[:n], addresses[min(asked, len(addresses)-1)])
			if isA {
				asked++
			}
			server.WriteTo(answer, from)
		}
	}()
}

// answerTo is the answer of RFC 1035 to a query with one question: the address to one of type A, and none to others.
func answerTo(query []byte, address [4]byte) (answer []byte, isA bool) {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the end of the name, type and class
	isA = query[end-3] == 1
	answer = append(answer, query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	answer = append(answer, query[12:end]...)
	if isA {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // of the question's name, to be kept for no time
		answer = append(answer, address[:]...)
	}
	return answer, isA
}

// A name that was public when somebody looked, and is private when it is dialled, is not dialled.
func TestARebindingNameIsNotDialled(t *testing.T) {
	var reached atomic.Bool
	o := outletTo(t, "rebound", func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	here := o.To.(poster).url
	const name = "rebinding.example.com"
	answerNames(t, [4]byte{8, 8, 8, 8}, [4]byte{127, 0, 0, 1})
	first, err := net.DefaultResolver.LookupHost(t.Context(), name)
	if err != nil || len(first) != 1 || first[0] != "8.8.8.8" {
		t.Fatalf("at first it is %v, %v", first, err)
	}
	there := poster{&url.URL{Scheme: "http", Host: net.JoinHostPort(name, here.Port()), Path: "/"}}
	if _, err := there.Send(t.Context(), NewClient(nil), tracker.Event{ID: "1"}); !errors.Is(err, ErrForbidden) || reached.Load() {
		t.Errorf("a private address is dialled: %v", err)
	}
	if _, err := there.Send(t.Context(), NewClient(loopback), tracker.Event{ID: "1"}); err != nil || !reached.Load() {
		t.Errorf("where it is allowed it is not reached: %v", err)
	}
}
