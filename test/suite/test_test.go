package main

import (
	"slices"
	"strings"
	"testing"
)

// What `go test -json` prints, shortened to what is read of it.
func TestFollow(t *testing.T) {
	for _, c := range []struct {
		name, events string
		want         string
		verdict      string // part of the error; empty: all is well
		shown        string // part of what is shown
	}{
		{"passes", `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"secret chatter\n"}
{"Action":"pass","Package":"p","Test":"A/sub"}
{"Action":"pass","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Elapsed":1.5}`, "2 passed, 0 failed, 0 skipped", "", "ok   p  2 tests, 1.5s"},
		{"fails", `{"Action":"output","Package":"p","Test":"A","Output":"A is wrong\n"}
{"Action":"fail","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"fail","Package":"p"}`, "1 passed, 1 failed, 0 skipped", "1 failed", "A is wrong"},
		{"skips", `{"Action":"output","Package":"p","Test":"A","Output":"no redis\n"}
{"Action":"skip","Package":"p","Test":"A"}
{"Action":"pass","Package":"p","Test":"B"}
{"Action":"pass","Package":"p"}`, "1 passed, 0 failed, 1 skipped", "skipped", "no redis"},
		{"does not build", `{"ImportPath":"p [p.test]","Action":"build-output","Output":"undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`, "0 passed, 1 failed, 0 skipped", "1 failed", "undefined: x"},
		{"ends early", `{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Output":"exit status 3\n"}
{"Action":"fail","Package":"p"}`, "1 passed, 1 failed, 0 skipped", "1 failed", "exit status 3"},
		{"hangs", `{"Action":"pass","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"B","Output":"panic: test timed out\n"}
{"Action":"output","Package":"q","Test":"C","Output":"chatter\n"}
{"Action":"fail","Package":"p"}`, "1 passed, 1 failed, 0 skipped", "1 failed", "UNFINISHED B\npanic: test timed out\n"},
		{"a package without tests is not skipped", `{"Action":"pass","Package":"p","Test":"A"}
{"Action":"skip","Package":"q"}`, "1 passed, 0 failed, 0 skipped", "", ""},
		{"nothing", ``, "0 passed, 0 failed, 0 skipped", "no test", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var shown strings.Builder
			got, err := follow(strings.NewReader(c.events), &shown)
			if err != nil || got.String() != c.want {
				t.Errorf("counts %s, %v; want %s", got, err, c.want)
			}
			verdict := got.verdict()
			if c.verdict == "" && verdict != nil || c.verdict != "" && (verdict == nil || !strings.Contains(verdict.Error(), c.verdict)) {
				t.Errorf("judges %v, want %q", verdict, c.verdict)
			}
			if !strings.Contains(shown.String(), c.shown) || strings.Contains(shown.String(), "chatter") {
				t.Errorf("shows %q, want %q", &shown, c.shown)
			}
		})
	}
}

// What failed is said again at the end, and the logs of what it ran are left out: there may be thousands of lines of them.
func TestComplaint(t *testing.T) {
	events := `{"Action":"output","Package":"p","Test":"A","Output":"    a_test.go:7: A is wrong\n"}
{"Action":"output","Package":"p","Test":"A","Output":"    {\"level\":\"info\"}\n"}
{"Action":"fail","Package":"p","Test":"A"}`
	got, err := follow(strings.NewReader(events), new(strings.Builder))
	if want := []string{"p A\na_test.go:7: A is wrong"}; err != nil || !slices.Equal(got.complaints, want) {
		t.Errorf("complains %q, %v", got.complaints, err)
	}
}
