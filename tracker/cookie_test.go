package tracker

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func cookieValues(headers []string, name string) []string {
	var values []string
	CookieValues(headers, name, func(v string) bool { values = append(values, v); return true })
	return values
}

func TestCookieValues(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		want    []string
	}{
		{"none", nil, nil},
		{"another", []string{"affx=1; xaff=2; __Host-aff=3; AFF=4"}, nil},
		{"one", []string{"aff=1"}, []string{"1"}},
		{"among others", []string{"a=1; aff=2; b=3"}, []string{"2"}},
		{"several, in several headers", []string{"aff=1; aff=2", "b=aff=9", "aff=3"}, []string{"1", "2", "3"}},
		{"spaces", []string{" aff = 1 ;\taff=2\t;aff=3"}, []string{" 1", "2", "3"}},
		{"quotes", []string{`aff="1"; aff="; aff=""`}, []string{"1", `"`, ""}},
		{"no value", []string{"aff; aff=; ;;=aff"}, []string{""}},
		{"in a value", []string{"a=b,aff=1; aff=x=y"}, []string{"x=y"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := cookieValues(test.headers, "aff"); !slices.Equal(got, test.want) {
				t.Errorf("values %q, want %q", got, test.want)
			}
			if test.want != nil && !HasCookie(test.headers, "aff") {
				t.Error("HasCookie says no")
			}
		})
	}
	if HasCookie([]string{"a=1; affiliate=2; b=aff"}, "aff") {
		t.Error("HasCookie says yes to other names")
	}
	seen := 0
	CookieValues([]string{"aff=1; aff=2", "aff=3"}, "aff", func(string) bool { seen++; return seen < 2 })
	if seen != 2 {
		t.Errorf("yield was called %d times after it returned false", seen-2)
	}
}

func TestOpenNewest(t *testing.T) {
	s, foreign := newTestSealer(t, secretA), newTestSealer(t, secretB)
	sealed := func(sealer *Sealer, network string, days int) string {
		touch := touchAt("demo", days)
		return mustSeal(t, sealer, Token{Network: network, Visitor: VisitorID{byte(days)}, First: touch, Last: touch})
	}
	old, middle, newest := sealed(s, "default", 1), sealed(s, "default", 2), sealed(s, "default", 3)
	// As much like a token of ours, and as short, as anybody can make it.
	planted := "aff=" + newest[:strings.LastIndexByte(newest, '.')+1] + strings.Repeat("A", smallestSealed) + "; "
	crowded := strings.Repeat(planted, (16<<10-len("aff="+old))/len(planted))
	tests := []struct {
		name     string
		headers  []string
		raw      string // no text: nothing opens
		rejected int
	}{
		{"no cookie", []string{"a=1"}, "", 0},
		{"one", []string{"a=1; aff=" + old}, old, 0},
		{"the newest last", []string{"aff=" + old + "; aff=" + middle, "aff=" + newest}, newest, 0},
		{"the newest first", []string{"aff=" + newest + "; aff=" + middle, "aff=" + old}, newest, 0},
		{"a tossed one in front", []string{"aff=x; aff=" + sealed(foreign, "default", 9) + "; aff=" + old}, old, 2},
		{"another network's", []string{"aff=" + sealed(s, "other", 9)}, "", 1},
		{"under another name", []string{"__Host-aff=" + newest + "; aff=" + old}, old, 0},
		{"altered", []string{"aff=" + newest + "x"}, "", 1},
		{"behind as many as a header holds", []string{crowded + "aff=" + old}, old, strings.Count(crowded, ";")},
		{"behind many that cannot be ours", []string{strings.Repeat("aff=v1.x.y; ", 10_000) + "aff=" + old}, old, 10_000},
		{"beyond the limit", []string{strings.Repeat(planted, MaxCookies) + "aff=" + old}, "", MaxCookies},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token, raw, rejected, ok := s.OpenNewest("default", test.headers, "aff")
			if raw != test.raw || rejected != test.rejected || ok != (test.raw != "") {
				t.Errorf("%.40q opens, %d rejected, %t", raw, rejected, ok)
			}
			if want, err := s.Open("default", test.raw); ok && (err != nil || token != want) {
				t.Errorf("token is %+v, want %+v", token, want)
			}
		})
	}
}

func TestCookiesAreReadWithoutAllocating(t *testing.T) {
	s := newTestSealer(t, secretA)
	headers := []string{strings.Repeat("session=0123456789abcdef; theme=dark; ", 400)} // 15 KiB
	tests := map[string]func(){
		"HasCookie":    func() { HasCookie(headers, "__Host-aff") },
		"CookieValues": func() { CookieValues(headers, "theme", func(string) bool { return true }) },
		"OpenNewest":   func() { s.OpenNewest("default", headers, "__Host-aff") },
	}
	for name, f := range tests {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzCookieValues(f *testing.F) {
	f.Add("aff=1; aff=\"2\"", "a=b; aff =3")
	f.Add("aff=v1.x.y;aff;=;;", "\taff=\x00; aff=\xff")
	f.Fuzz(func(t *testing.T, first, second string) {
		headers := []string{first, second}
		got := cookieValues(headers, "aff")
		if len(got) > 0 && !HasCookie(headers, "aff") {
			t.Fatal("HasCookie says no")
		}
		for _, v := range got {
			if strings.Contains(v, ";") || !strings.Contains(first+second, v) {
				t.Fatalf("value %q", v)
			}
		}
		if isPlainCookie(first) && isPlainCookie(second) {
			compareWithNetHTTP(t, headers, got)
		}
	})
}

// isPlainCookie says that net/http refuses nothing in a header.
func isPlainCookie(header string) bool {
	return strings.Trim(strings.ToLower(header), "abcdefghijklmnopqrstuvwxyz0123456789-_.=; ") == "" && strings.Count(header, ";") < 500
}

func compareWithNetHTTP(t *testing.T, headers, got []string) {
	var want []string
	request := http.Request{Header: http.Header{"Cookie": headers}}
	for _, c := range request.CookiesNamed("aff") {
		want = append(want, c.Value)
	}
	got = slices.DeleteFunc(slices.Clone(got), func(v string) bool { return strings.HasPrefix(v, " ") }) // net/http refuses "aff= x"
	want = slices.DeleteFunc(want, func(v string) bool { return v == "" })                               // and reads "aff" as "aff="
	got = slices.DeleteFunc(got, func(v string) bool { return v == "" })
	if !slices.Equal(got, want) {
		t.Fatalf("%q: values %q, net/http reads %q", headers, got, want)
	}
}

func BenchmarkHasCookie(b *testing.B) {
	headers := []string{strings.Repeat("session=0123456789abcdef; theme=dark; ", 10)}
	b.ReportAllocs()
	for b.Loop() {
		HasCookie(headers, "__Host-aff")
	}
}

// BenchmarkOpenNewest16KiB reads a header full of cookies that look like ours and do not open.
func BenchmarkOpenNewest16KiB(b *testing.B) {
	s := newTestSealer(b, secretA)
	text := []byte(mustSeal(b, s, testToken()))
	text[len(text)-10] ^= 1
	headers := []string{strings.Repeat("aff="+string(text)+"; ", 16<<10/(len(text)+6))}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, ok := s.OpenNewest("default", headers, "aff"); ok {
			b.Fatal("opens")
		}
	}
}
