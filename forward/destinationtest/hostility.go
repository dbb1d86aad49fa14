package destinationtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
)

// class is what a destination makes of an answer.
type class int

const (
	success class = iota
	retry
	gone
	throttled
	bodyDecides // success, but where the body has to say so
	refused     // retry, with or without a pause of the whole destination
)

// maxMemory is what one attempt may allocate, with all that goes on beside it. A flood is three times as much.
const maxMemory = 32 << 20

// askedPause is what the endpoint's Retry-After says.
const askedPause = 7 * time.Second

type hostility struct {
	name    string
	want    class
	times   int  // 0: once
	endless bool // only the client's own time ends it
	serve   http.HandlerFunc
}

var hostilities = []hostility{
	{"RST", retry, 0, false, reset},
	{"one byte a second", retry, 0, true, trickle},
	{"no answer", retry, 0, true, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	{"a redirect", retry, 0, false, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/redirected", http.StatusTemporaryRedirect)
	}},
	{"a redirect to nowhere", retry, 0, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://[::1")
		w.WriteHeader(http.StatusFound)
	}},
	{"304", retry, 0, false, answerStatus(http.StatusNotModified)},
	{"410", gone, 0, false, answerStatus(http.StatusGone)},
	{"429", throttled, 0, false, askForPause(http.StatusTooManyRequests)},
	{"503 and a pause", throttled, 0, false, askForPause(http.StatusServiceUnavailable)},
	{"500", retry, 5, false, answerStatus(http.StatusInternalServerError)},
	{"status 599", retry, 0, false, answerStatus(599)},
	{"200, then cut", retry, 0, false, cutOff},
	{"100 MiB", bodyDecides, 0, false, flood},
	{"100 MiB of header", retry, 0, false, floodHeader},
	{"bad gzip", bodyDecides, 0, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "\x1f\x8b\x08\x00this is none")
	}},
	{"another content type", bodyDecides, 0, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		fmt.Fprint(w, "\x89PNG\r\n\x1a\n\x00\xff\xfe")
	}},
	{"a firewall's page under 200", bodyDecides, 0, false, firewall(http.StatusOK)},
	{"a firewall's page under 403", refused, 0, false, firewall(http.StatusForbidden)},
	{"JSON of another shape", bodyDecides, 0, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `[null, {"data": 7, "errors": "many", "token": []}]`)
	}},
	{"no HTTP", retry, 0, false, func(w http.ResponseWriter, _ *http.Request) {
		speak(w, "SSH-2.0-OpenSSH_9.6\r\n")
	}},
	{"an echo of all it got", retry, 0, false, echo},
}

func read(r *http.Request) string {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	return string(body)
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// judge compares what a destination made of an answer, and looks for secrets.
func (s *Suite) judge(t *testing.T, want class, answer forward.Answer, err error) {
	t.Helper()
	var f forward.Failure
	if known := (*forward.Failure)(nil); errors.As(err, &known) {
		f = *known
	}
	switch {
	case want == success && err != nil, want != success && err == nil:
		t.Errorf("the answer is taken for %v", err)
	case f.Permanent:
		t.Errorf("%v is taken to be for ever", err)
	case errors.Is(err, forward.ErrSkip):
		t.Error("it was skipped")
	case f.Gone != (want == gone), f.Throttled != (want == throttled) && want != refused:
		t.Errorf("%v is taken for gone: %t, throttled: %t", err, f.Gone, f.Throttled)
	case want == throttled && f.RetryAfter != askedPause:
		t.Errorf("it asked for %s and gets %s", askedPause, f.RetryAfter)
	}
	for _, secret := range s.Secrets {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error has a secret in it: %v", err)
		}
		for _, form := range []string{string(answer.Body), unescaped(string(answer.Body))} {
			if strings.Contains(form, secret) {
				t.Errorf("the answer has a secret in it: %s", answer.Body)
			}
		}
	}
}

// unescaped undoes what an endpoint may have done to what it sends back.
func unescaped(text string) string {
	text = html.UnescapeString(strings.ReplaceAll(text, `\/`, "/"))
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

func answerStatus(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func askForPause(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", fmt.Sprint(int(askedPause.Seconds())))
		w.WriteHeader(status)
	}
}

func firewall(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<!doctype html><title>Attention required</title><p>Your request to %s was blocked.", html.EscapeString(r.URL.String()))
	}
}

// speak writes bytes to the connection and closes it.
func speak(w http.ResponseWriter, text string) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		io.WriteString(conn, text)
		conn.Close()
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func trickle(w http.ResponseWriter, r *http.Request) {
	for {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Second / 10): // ten times as fast, as the client's time is short
			io.WriteString(w, " ")
			w.(http.Flusher).Flush()
		}
	}
}

func cutOff(w http.ResponseWriter, _ *http.Request) {
	speak(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{\"data\": {")
}

func flood(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	piece := []byte(strings.Repeat(" ", 64<<10))
	for range 1600 {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func floodHeader(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	line := "X-Flood: " + strings.Repeat("x", 64<<10) + "\r\n"
	for range 1600 {
		if _, err := io.WriteString(conn, line); err != nil {
			return
		}
	}
}

// echo sends back everything that it got, as it is and in the forms in which debugging pages have it.
func echo(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusBadRequest)
	var all strings.Builder
	fmt.Fprintln(&all, r.Method, r.URL.String())
	r.Header.Write(&all)
	text := all.String() + read(r)
	quoted, _ := json.Marshal(text)
	fmt.Fprint(w, html.EscapeString(text), "\n", string(quoted), "\n", url.QueryEscape(text), "\n", text)
}
