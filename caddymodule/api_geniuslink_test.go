package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// location is where the link redirects to.
func (s *server) location(path string) string {
	s.t.Helper()
	r, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d%s", s.site, path), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	got.Body.Close()
	return got.Header.Get("Location")
}

// A link made by the command line names a programme and a group, whose parameters a request of the dialect sets.
func TestLinksHaveTheirGroupsParameters(t *testing.T) {
	s := newServer(t)
	s.load(s.withAPI(""))
	s.must("link", "add", "ann", "--to", "https://www.amazon.co.uk/dp/1", "--program", "amazon-co-uk", "--group", "4294967295")
	if show := s.must("link", "show", "ann"); !strings.Contains(show, "amazon-co-uk") || !strings.Contains(show, "4294967295") {
		t.Errorf("the link is\n%s", show)
	}
	key := s.key("links:write")
	put := func(group, tag string) {
		t.Helper()
		r, err := http.NewRequest("PUT", fmt.Sprintf("http://127.0.0.1:%d/v4/groups/%s/group-affiliate-tokens/amazon-co-uk", s.site, group),
			strings.NewReader("{parameters:{tag:"+tag+"}}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", key[:16])
		r.Header.Set("X-Api-Secret", key[17:])
		r.Header.Set("Content-Type", "application/jsv")
		got, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != http.StatusOK {
			t.Fatalf("putting tokens answers %d", got.StatusCode)
		}
	}
	put("4294967295", "ann-21")
	put("0", "none-21")
	if got := s.location("/r/ann?tag=thief-21"); got != "https://www.amazon.co.uk/dp/1?tag=ann-21" {
		t.Errorf("the link leads to %s", got)
	}
	s.must("link", "set", "ann", "--group", "0")
	if got := s.location("/r/ann"); got != "https://www.amazon.co.uk/dp/1?tag=none-21" {
		t.Errorf("with another group the link leads to %s", got)
	}
	s.must("link", "set", "ann", "--program=", "--group", "0")
	if got := s.location("/r/ann"); got != "https://www.amazon.co.uk/dp/1" {
		t.Errorf("without a programme the link leads to %s", got)
	}
	for _, args := range [][]string{{"--group", "1"}, {"--program", "a/b"}, {"--program", "x", "--group", "4294967296"}} {
		if out, err := s.command(append([]string{"link", "add", "other"}, args...)...); err == nil {
			t.Errorf("%q prints %q", args, out)
		}
	}
	if strings.Contains(s.log(), key[17:]) || strings.Contains(s.log(), "ann-21") {
		t.Error("the log shows the key or the tokens")
	}
}
