// Package platformtest runs golden transcripts: requests as a platform's document shows them, and the whole answers.
package platformtest

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Run plays the exchanges of the files that match the pattern against the handler. Each file is a subtest; what it captures is
// known to its later exchanges only.
//
// Exchanges are separated by a line "####". Each is a request, a line "----" and a response, both as HTTP/1.1 writes them,
// with plain line feeds and without lengths. Of the response, the status, the headers that stand there and the body must be
// equal; a line feed at the very end of a body does not count. {{name}} in a request is a variable. In a response it is one
// too if it is known, and becomes one otherwise, of what stands there.
func Run(t *testing.T, handler http.Handler, vars map[string]string, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts in %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			known := map[string]string{}
			for name, value := range vars {
				known[name] = value
			}
			for i, exchange := range strings.Split(string(text), "\n####\n") {
				request, response, ok := strings.Cut(exchange, "\n----\n")
				if !ok {
					t.Fatalf("exchange %d has no line ----", i+1)
				}
				if !play(t, handler, known, i+1, request, response) {
					return
				}
			}
		})
	}
}

var variable = regexp.MustCompile(`\{\{(\w+)\}\}`)

func fill(text string, known map[string]string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if value, ok := known[v[2:len(v)-2]]; ok {
			return value
		}
		return v
	})
}

func play(t *testing.T, handler http.Handler, known map[string]string, n int, request, response string) bool {
	t.Helper()
	head, body, _ := strings.Cut(fill(strings.TrimPrefix(request, "\n"), known), "\n\n")
	head = strings.TrimRight(head, "\n")
	if left := variable.FindString(head + body); left != "" {
		t.Errorf("exchange %d: nothing is known of %s", n, left)
		return false
	}
	body = strings.TrimSuffix(body, "\n")
	raw := strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: localhost\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Errorf("exchange %d: the request is none: %v", n, err)
		return false
	}
	r.RemoteAddr = "192.0.2.1:1234"
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return compare(t, w.Result(), known, n, response)
}

func compare(t *testing.T, got *http.Response, known map[string]string, n int, response string) bool {
	t.Helper()
	head, want, _ := strings.Cut(response, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	ok := true
	if status := strings.Fields(lines[0]); len(status) < 2 || status[1] != strconv.Itoa(got.StatusCode) {
		t.Errorf("exchange %d: the status is %d, want %s", n, got.StatusCode, lines[0])
		ok = false
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if values := strings.Join(got.Header.Values(name), ", "); !matches(fill(value, known), values, known) {
			t.Errorf("exchange %d: the header %s is %q, want %q", n, name, values, value)
			ok = false
		}
	}
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	have := strings.TrimSuffix(string(text), "\n")
	if want = fill(strings.TrimSuffix(want, "\n"), known); !matches(want, have, known) {
		t.Errorf("exchange %d: the body is\n%s\nwant\n%s", n, have, want)
		ok = false
	}
	return ok
}

// matches compares, and captures what the variables that are still in want stand for.
func matches(want, have string, known map[string]string) bool {
	var names []string
	var pattern strings.Builder
	last := 0
	for _, at := range variable.FindAllStringSubmatchIndex(want, -1) {
		pattern.WriteString(regexp.QuoteMeta(want[last:at[0]]) + `([^"\s<>,:}&]+)`)
		names = append(names, want[at[2]:at[3]])
		last = at[1]
	}
	if names == nil {
		return want == have
	}
	pattern.WriteString(regexp.QuoteMeta(want[last:]))
	found := regexp.MustCompile(`\A` + pattern.String() + `\z`).FindStringSubmatch(have)
	if found == nil {
		return false
	}
	for i, name := range names {
		if before, twice := known[name]; twice && before != found[i+1] {
			return false
		}
		known[name] = found[i+1]
	}
	return true
}
