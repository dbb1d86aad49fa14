package tracker

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCaptureURL(t *testing.T) {
	tests := []struct {
		in   string
		max  int
		want string
		cut  bool
	}{
		{"", 10, "", false},
		{"a=1&b=%zz;c=%2B+&a=2", 100, "a=1&b=%zz;c=%2B+&a=2", false},
		{"a b\tc", 100, "a%20b%09c", false},
		{"q=\xff\x00é\x7f\r\n", 100, "q=%FF%00%C3%A9%7F%0D%0A", false},
		{"abcdef", 3, "abc", true},
		{"abc", 3, "abc", false},
		{"abc", 0, "", true},
		{"ab%41", 4, "ab", true},
		{"ab%41", 5, "ab%41", false},
		{"ab%4", 3, "ab%", true},
		{"ab c", 4, "ab", true},
		{"ab c", 5, "ab%20", true},
		{"é", 5, "%C3", true},
		{"é", 2, "", true},
	}
	for _, test := range tests {
		if got, cut := CaptureURL(test.in, test.max); got != test.want || cut != test.cut {
			t.Errorf("CaptureURL(%q, %d) is %q, %t; want %q, %t", test.in, test.max, got, cut, test.want, test.cut)
		}
	}
}

func TestCaptureUserAgent(t *testing.T) {
	fill := strings.Repeat("a", MaxUserAgent-1)
	tests := []struct {
		in, want string
		cut      bool
	}{
		{"", "", false},
		{chromeUA, chromeUA, false},
		{"Browser für alle", "Browser für alle", false},
		{"a\x00b", "ab", false},
		{"a\xffb\xc3", "a\ufffdb\ufffd", false},
		{"a\r\nb", "a\r\nb", false},
		{fill + "b", fill + "b", false},
		{fill + "bc", fill + "b", true},
		{fill + "é", fill, true},
		{fill + "\xff", fill, true},
		{fill[1:] + "é", fill[1:] + "é", false},
		{fill[:300] + strings.Repeat("\x80", 600), fill[:300] + strings.Repeat("\ufffd", 70), true},
		{strings.Repeat("\x80", 600), strings.Repeat("\ufffd", 170), true},
		{strings.Repeat("a", 8<<10), strings.Repeat("a", MaxUserAgent), true},
	}
	for _, test := range tests {
		if got, cut := CaptureUserAgent(test.in); got != test.want || cut != test.cut {
			t.Errorf("CaptureUserAgent(%.20q…, %d bytes) is %q, %t; want %q, %t", test.in, len(test.in), got, cut, test.want, test.cut)
		}
	}
}

func TestCaptureOfPlainBytesDoesNotAllocate(t *testing.T) {
	query := strings.Repeat("a=%41&", 2<<10)
	tests := map[string]func(){
		"URL":              func() { CaptureURL("a=1&via=demo&q=%20", MaxQuery) },
		"URL, cut":         func() { CaptureURL(query, MaxQuery) },
		"user agent":       func() { CaptureUserAgent(chromeUA) },
		"user agent, cut ": func() { CaptureUserAgent(query) },
	}
	for name, f := range tests {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzCaptureURL(f *testing.F) {
	f.Add("a=1&b=%zz;c", 100)
	f.Add("é%C3%", 5)
	f.Add("\x00 %41%4", 4)
	f.Fuzz(func(t *testing.T, in string, max int) {
		max = int(uint(max) % 5000)
		out, cut := CaptureURL(in, max)
		if len(out) > max {
			t.Fatalf("%d bytes, at most %d are wanted", len(out), max)
		}
		for i := 0; i < len(out); i++ {
			if out[i] < 0x21 || out[i] > 0x7e {
				t.Fatalf("byte %#x in %q", out[i], out)
			}
		}
		if again, cutAgain := CaptureURL(out, max); again != out || cutAgain {
			t.Fatalf("capturing %q again gives %q, %t", out, again, cutAgain)
		}
		if !cut && decoded(out) != decoded(in) {
			t.Fatalf("%q is captured as %q, which decodes to something else", in, out)
		}
		if cut && !strings.HasPrefix(decoded(in), decoded(out)) {
			t.Fatalf("%q is no beginning of %q", out, in)
		}
	})
}

// decoded replaces each %XX pair by its byte, with net/url where it agrees to.
func decoded(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return unescape(strings.ReplaceAll(s, "+", "%2B"))
}

func FuzzCaptureUserAgent(f *testing.F) {
	f.Add(chromeUA)
	f.Add("a\x00\xff" + strings.Repeat("é", 300))
	f.Fuzz(func(t *testing.T, in string) {
		out, cut := CaptureUserAgent(in)
		if len(out) > MaxUserAgent || !utf8.ValidString(out) || strings.Contains(out, "\x00") {
			t.Fatalf("%q is captured as %q", in, out)
		}
		if again, _ := CaptureUserAgent(out); again != out {
			t.Fatalf("capturing %q again gives %q", out, again)
		}
		if clean := strings.ReplaceAll(string([]rune(in)), "\x00", ""); !strings.HasPrefix(clean, out) || !cut && clean != out {
			t.Fatalf("%q is captured as %q, %t", in, out, cut)
		}
	})
}
