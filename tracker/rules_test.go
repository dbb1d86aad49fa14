package tracker

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// brokenText is text that no name or id may be.
var brokenText = map[string]string{
	"NUL":             "a\x00b",
	"a line end":      "a\nb",
	"DEL":             "a\x7fb",
	"a C1 control":    "a\u0085b",
	"an escape":       "\x1b[2J",
	"invalid UTF-8":   "a\xffb",
	"half a rune":     "é"[:1],
	"256 characters":  strings.Repeat("é", 256),
	"a million bytes": strings.Repeat("x", 1_000_000),
}

// checkText checks that field, to which set gives a value, takes names and refuses broken ones without repeating them.
func checkText(t *testing.T, field string, check func(value string) error) {
	t.Helper()
	for _, good := range []string{"a", "Sara's Blog", "日本", "a\u202fb", strings.Repeat("é", 64)} {
		if err := check(good); err != nil {
			t.Errorf("%s %.20q: %v", field, good, err)
		}
	}
	for name, bad := range brokenText {
		err := check(bad)
		if paths(err) != field {
			t.Errorf("%s with %s: %v", field, name, err)
		} else if strings.Contains(err.Error(), bad) {
			t.Errorf("%s with %s: the error repeats it", field, name)
		}
	}
}

func TestEmail(t *testing.T) {
	for _, good := range []string{"sara@example.com", "s.a+b@mail.example.co.uk", "o'neill@example.com", "x@localhost", "用户@example.com"} {
		var wrong Invalid
		if wrong.email("email", good); len(wrong) > 0 {
			t.Errorf("%s: %v", good, wrong)
		}
	}
	for _, bad := range []string{
		"", "sara", "sara@", "@example.com", "a b@example.com", "Sara <sara@example.com>", "<sara@example.com>", "sara@example.com (Sara)", "sara@example.com,tom@example.com",
		"[email protected]", "sara@@example.com", "sara@exa mple.com", "sara@example.com\n", "sara@example.com\x00", "sara\r\nBcc:x@example.com", "s\xff@example.com",
		strings.Repeat("a", 250) + "@x.com",
	} {
		var wrong Invalid
		wrong.email("email", bad)
		if paths(wrong.Err()) != "email" || bad != "" && strings.Contains(wrong.Error(), bad) {
			t.Errorf("%.40q: %v", bad, wrong)
		}
	}
}

func TestPhone(t *testing.T) {
	for given, kept := range map[string]string{
		"8057089876": "8057089876", "805-708-9876": "8057089876", "805\u2010708\u20109876": "8057089876", "805\u2011708\u20159876": "8057089876",
		"(805) 708 9876": "8057089876", "805.708.9876": "8057089876", "+1 805 708 9876": "+18057089876", "+98 (912) 345-6789": "+989123456789",
		"+442071838750": "+442071838750", "+123456789012345": "+123456789012345",
	} {
		if got := phoneDigits(given); got != kept || !isPhone(got) {
			t.Errorf("%q is kept as %q, %v; want %q", given, got, isPhone(got), kept)
		}
	}
	for _, bad := range []string{
		"+", "+0123456789", "+1234567890123456", "+123456", "18057089876", "805708987", "call me", "805/708/9876", "805708987x", "++18057089876", "8057089876+",
		"٨٠٥٧٠٨٩٨٧٦", "805\x007089876", "805708\xff9876", "805\n7089876",
	} {
		if got := phoneDigits(bad); isPhone(got) {
			t.Errorf("%q is kept as %q", bad, got)
		}
	}
}

func TestHosts(t *testing.T) {
	var wrong Invalid
	got := wrong.hosts("hosts", []string{"Shop.com", "www.shop.com", "shop.com", "xn--caf-dma.com", "127.0.0.1", "localhost"})
	if fmt.Sprint(got) != "[shop.com www.shop.com xn--caf-dma.com 127.0.0.1 localhost]" || len(wrong) > 0 {
		t.Errorf("%q, %v", got, wrong)
	}
	for _, bad := range []string{
		"", ".", "shop.com.", ".shop.com", "shop..com", "-shop.com", "shop-.com", "shop.com:8080", "*.shop.com", "https://shop.com", "shop.com/", "café.com", "a b.com",
		"shop_x.com", "user@shop.com", "[::1]", "shop.com\x00", strings.Repeat("a", 64) + ".com", strings.Repeat("a.", 130) + "com",
	} {
		var wrong Invalid
		wrong.hosts("hosts", []string{"shop.com", bad})
		if paths(wrong.Err()) != "hosts[1]" {
			t.Errorf("%.40q: %v", bad, wrong)
		}
	}
	wrong = nil
	if wrong.hosts("hosts", make([]string, maxHosts+1)); paths(wrong.Err()) != "hosts" {
		t.Errorf("%d hosts: %.200v", maxHosts+1, wrong)
	}
}

func TestTimes(t *testing.T) {
	for year, fine := range map[int]bool{-1: false, 1: false, 1969: false, 1970: false, 1971: true, 2026: true, 9999: true, 10000: false} {
		var wrong Invalid
		wrong.time("at", time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC))
		if (len(wrong) == 0) != fine {
			t.Errorf("%d: %v", year, wrong)
		}
	}
	var wrong Invalid
	if wrong.time("at", time.Time{}); len(wrong) > 0 {
		t.Errorf("no time: %v", wrong)
	}
	// Its own clock still shows the year 9999, UTC does not.
	if wrong.time("at", time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -3*3600))); len(wrong) == 0 {
		t.Error("the year 10000 is accepted")
	}
}

func TestNotes(t *testing.T) {
	for _, good := range []string{"", "two\nlines,\r\n\ta tab", strings.Repeat("é", MaxNote)} {
		var wrong Invalid
		if wrong.note("note", good); len(wrong) > 0 {
			t.Errorf("%.20q: %v", good, wrong)
		}
	}
	for _, bad := range []string{"a\x00", "a\xff", "\x1b", strings.Repeat("é", MaxNote+1)} {
		var wrong Invalid
		if wrong.note("note", bad); paths(wrong.Err()) != "note" {
			t.Errorf("%.20q: %v", bad, wrong)
		}
	}
}

func FuzzEmail(f *testing.F) {
	for _, s := range []string{"sara@example.com", "Sara <sara@example.com>", `"a b"@example.com`, "a@[127.0.0.1]", "=?utf-8?q?x?= <a@b>", "a@b (c)", "用户@example.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var wrong Invalid
		if wrong.email("email", s); len(wrong) > 0 {
			return
		}
		wrong.text("email", s, 254)
		if len(wrong) > 0 || strings.Count(s, "@") < 1 || strings.ContainsAny(s, " <>,") {
			t.Errorf("%q is taken as an address: %v", s, wrong)
		}
	})
}

func FuzzPhone(f *testing.F) {
	for _, s := range []string{"8057089876", "+1 (805) 708-9876", "805\u2010708\u20109876", "+", "\xff", "٨٠٥٧٠٨٩٨٧٦"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kept := phoneDigits(s)
		if isPhone(kept) && (strings.Trim(strings.TrimPrefix(kept, "+"), "0123456789") != "" || len(kept) > 16 || phoneDigits(kept) != kept) {
			t.Errorf("%q is kept as %q", s, kept)
		}
	})
}
