package tracker

import (
	"strings"
	"testing"
)

func TestLinkTokens(t *testing.T) {
	amazon := NewLinkTokens(map[string]string{"tag": "ann-20", "ascsubtag": "a b&c#é"}, []string{"amazon.com"})
	if want := "ascsubtag=a+b%26c%23%C3%A9&tag=ann-20"; amazon.Query != want {
		t.Fatalf("encoded they are %s, want %s", amazon.Query, want)
	}
	if NewLinkTokens(map[string]string{}, nil) != nil {
		t.Error("no parameters are some")
	}
	tag := NewLinkTokens(map[string]string{"tag": "ann-20"}, []string{"amazon.com"})
	anywhere := NewLinkTokens(map[string]string{"a.b~c": "{session_id}"}, nil)
	deep := func(target string) Redirect {
		return Redirect{RawQuery: "url=" + target + "&tag=thief-20", DeepLink: "url"}
	}
	for _, test := range []struct {
		name, destination string
		tokens            *LinkTokens
		redirect          Redirect
		want              string
	}{
		{"added", "https://amazon.com/dp/1", tag, Redirect{}, "https://amazon.com/dp/1?tag=ann-20"},
		{"to a host below", "https://www.Amazon.com:443/dp/1", tag, Redirect{}, "https://www.Amazon.com:443/dp/1?tag=ann-20"},
		{"to a host with a dot at its end", "https://amazon.com./dp/1", tag, Redirect{}, "https://amazon.com./dp/1?tag=ann-20"},
		{"to no other host", "https://notamazon.com/", tag, Redirect{RawQuery: "tag=x"}, "https://notamazon.com/?tag=x"},
		{"to no host that only begins so", "https://amazon.com.evil.example/", tag, Redirect{}, "https://amazon.com.evil.example/"},
		{"to no path of ours", "/dp/1", tag, Redirect{}, "/dp/1"},
		{"anywhere", "/dp/1", anywhere, Redirect{Session: handedOver}, "/dp/1?a.b~c=%7Bsession_id%7D"},
		{"in front of the fragment", "https://amazon.com/?k=1#top", tag, Redirect{RawQuery: "a=1"}, "https://amazon.com/?k=1&tag=ann-20&a=1#top"},
		{"behind an empty query", "https://amazon.com/?", tag, Redirect{}, "https://amazon.com/?tag=ann-20"},
		{"in the place of the destination's", "https://amazon.com/?tag=old-20&k=1&tag=old-21", tag, Redirect{}, "https://amazon.com/?k=1&tag=ann-20"},
		{"a visitor's never replaces them", "https://amazon.com/", tag, Redirect{RawQuery: "tag=thief-20&%74ag=thief-21&a=1&tag"}, "https://amazon.com/?tag=ann-20&a=1"},
		{"in the place of a deep link's", "", tag, deep("https%3A%2F%2Famazon.com%2Fdp%2F2%3F%2574ag%3Dthief-20%26k%3D1"), "https://amazon.com/dp/2?k=1&tag=ann-20"},
		{"to no deep link elsewhere", "", tag, deep("https%3A%2F%2Fshop.example%2F"), "https://shop.example/?tag=thief-20"},
		{"with the session", "https://amazon.com/?s={session_id}", tag, Redirect{Session: handedOver, Handoff: true}, "https://amazon.com/?s=" + handedOverText + "&tag=ann-20&aff_click=" + handedOverText},
		{"to a destination that is none", "//amazon.com", tag, Redirect{}, ""},
	} {
		r := test.redirect
		r.Link = &Link{Destination: test.destination, Tokens: test.tokens, DeepLinkHosts: []string{"amazon.com", "shop.example"}}
		if got, err := r.Location(); got != test.want || (err != nil) != (test.want == "") {
			t.Errorf("%s: the location is %q (%v), want %q", test.name, got, err, test.want)
		}
	}
}

// What a merchant may store as tokens never makes a location lead elsewhere, nor lets a visitor's parameter stand in for one.
func FuzzLinkTokens(f *testing.F) {
	f.Add("tag", "ann-20", "https://amazon.com/?tag=x#y", "tag=thief&%74ag=thief")
	f.Add("a", "#?&=\r\n", "/x", "a&a=1&&a")
	f.Fuzz(func(t *testing.T, name, value, destination, query string) {
		fields := TokensFields{Username: "x", Program: "p", Parameters: map[string]string{name: value}}
		if fields.Check() != nil || CheckDestination(destination) != nil {
			return
		}
		bare, with := Link{Destination: destination}, Link{Destination: destination, Tokens: NewLinkTokens(fields.Parameters, nil)}
		want, wantErr := Redirect{Link: &bare}.Location()
		got, err := Redirect{Link: &with, RawQuery: query}.Location()
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q goes to %q (%v), with tokens to %q (%v)", destination, want, wantErr, got, err)
		}
		if err != nil {
			return
		}
		if a, b := (Redirect{Link: &bare}).Host(), (Redirect{Link: &with, RawQuery: query}).Host(); a != b {
			t.Errorf("%q leads to %q, with tokens to %q", destination, a, b)
		}
		if n := countParam(got, name, value); n != 1 {
			t.Errorf("%s has the parameter %q of %q %d times", got, name, value, n)
		}
	})
}

// countParam is how often the location has the parameter, or a large number if it has it with another value.
func countParam(location, name, value string) (n int) {
	location, _, _ = strings.Cut(location, "#")
	_, query, _ := strings.Cut(location, "?")
	for query != "" {
		var key, v string
		key, v, query = cutParam(query)
		switch {
		case unescape(key) != name:
		case unescape(v) == value:
			n++
		default:
			n += 1000
		}
	}
	return n
}
