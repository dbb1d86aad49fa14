package tracker

import (
	"net/http"
	"testing"
)

const (
	chromeUA = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
	botUA    = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		name    string
		headers []string // name, value, …
		want    Class
	}{
		{"an old browser", []string{"User-Agent", chromeUA}, ClassHuman},
		{"a navigation", []string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate"}, ClassHuman},
		{"fetch", []string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "empty"}, ClassSubresource},
		{"an image", []string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "image"}, ClassSubresource},
		{"a frame", []string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "iframe"}, ClassSubresource},
		{"an empty destination", []string{"User-Agent", chromeUA, "Sec-Fetch-Dest", ""}, ClassSubresource},
		{"two destinations", []string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "document", "Sec-Fetch-Dest", "image"}, ClassSubresource},
		{"speculation rules", []string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "document", "Sec-Purpose", "prefetch;prerender"}, ClassPrefetch},
		{"a prefetch through a proxy", []string{"User-Agent", chromeUA, "Sec-Purpose", "prefetch;anonymous-client-ip"}, ClassPrefetch},
		{"link rel=prefetch", []string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "empty", "Sec-Purpose", "prefetch"}, ClassPrefetch},
		{"Chromium's old name", []string{"User-Agent", chromeUA, "Purpose", "prefetch"}, ClassPrefetch},
		{"Firefox", []string{"User-Agent", chromeUA, "X-Moz", "prefetch"}, ClassPrefetch},
		{"Safari's top sites", []string{"User-Agent", chromeUA, "X-Purpose", "preview"}, ClassPrefetch},
		{"with capitals", []string{"User-Agent", chromeUA, "Sec-Purpose", "Prefetch"}, ClassPrefetch},
		{"another purpose", []string{"User-Agent", chromeUA, "Purpose", "shopping"}, ClassHuman},
		{"a robot", []string{"User-Agent", botUA}, ClassBot},
		{"a robot's navigation", []string{"User-Agent", botUA, "Sec-Fetch-Dest", "document"}, ClassBot},
		{"a robot's image", []string{"User-Agent", botUA, "Sec-Fetch-Dest", "image"}, ClassSubresource},
		{"no user agent", nil, ClassBot},
		{"an empty user agent", []string{"User-Agent", ""}, ClassBot},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Classify(headerOf(test.headers)); got != test.want {
				t.Errorf("class %s, want %s", got, test.want)
			}
		})
	}
}

func headerOf(pairs []string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestClassifyDoesNotAllocate(t *testing.T) {
	h := headerOf([]string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "document", "Sec-Purpose", "none"})
	if n := testing.AllocsPerRun(100, func() { Classify(h) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkClassify(b *testing.B) {
	h := headerOf([]string{"User-Agent", chromeUA, "Sec-Fetch-Dest", "document"})
	b.ReportAllocs()
	for b.Loop() {
		Classify(h)
	}
}
