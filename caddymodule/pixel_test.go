package caddymodule

import (
	"bytes"
	"image/gif"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func pixelEdge(t testing.TB) *edge {
	t.Helper()
	return newEdge(t, Handler{Conversion: &Conversion{Pixel: &ConversionPixel{}}})
}

func TestPixelIsATransparentImage(t *testing.T) {
	e := pixelEdge(t)
	res := e.ask("http://shop.test/px.gif?external_id=1&amount=5.00&currency=EUR")
	if res.Body.Len() != 43 || res.Header().Get("Content-Length") != "43" || res.Header().Get("Content-Type") != "image/gif" ||
		res.Header().Get("Cache-Control") != "private, no-store" || res.seen != nil {
		t.Errorf("%d bytes, header %v", res.Body.Len(), res.Header())
	}
	image, err := gif.Decode(bytes.NewReader(res.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, alpha := image.At(0, 0).RGBA(); alpha != 0 || image.Bounds().Dx() != 1 || image.Bounds().Dy() != 1 {
		t.Errorf("it is %v with alpha %d", image.Bounds(), alpha)
	}
}

func TestPixelIsAlwaysServed(t *testing.T) {
	e := pixelEdge(t)
	for query, outcome := range map[string]string{
		"external_id=1&amount=5.00&currency=EUR&cb=123":                                         "recorded",
		"type=lead&external_id=2&currency=EUR":                                                  "recorded",
		"type=sale&external_id=3%20%C3%A4&amount=5&currency=eur&coupon=A&customer=b&name=Jo+Do": "recorded",
		"amount=5.00&currency=EUR":                                                              "incomplete",
		"":                                                                                      "incomplete",
		"external_id=1&amount=5.00":                                                             "malformed",
		"external_id=1&amount=1e400&currency=EUR":                                               "malformed",
		"external_id=1&amount=NaN&currency=EUR":                                                 "malformed",
		"external_id=1&amount=-5&currency=EUR":                                                  "malformed",
		"external_id=1&type=gift&currency=EUR":                                                  "malformed",
		"external_id=%ff%00&currency=EUR":                                                       "malformed",
		"external_id=1+&currency=EUR":                                                           "malformed",
		"external_id=1%0a2&currency=EUR":                                                        "malformed",
		"external_id=1&currency=EUR&customer=%c2%a0c":                                           "malformed",
		"external_id=1&currency=EUR&x=" + strings.Repeat("x", tracker.MaxQuery):                 "malformed",
	} {
		counted(t, counts{"conversions/" + outcome + "/pixel": 1}, func() {
			if res := e.ask("http://shop.test/px.gif?"+query, header("Sec-Fetch-Dest", "image")); res.Code != 200 || res.Body.String() != pixelImage {
				t.Errorf("%.80s: status %d, body %q", query, res.Code, res.Body)
			}
		})
	}
}

func TestPixelTakesGetAlone(t *testing.T) {
	e := pixelEdge(t)
	counted(t, counts{}, func() {
		res := e.ask("http://shop.test/px.gif?external_id=1&currency=EUR", method(http.MethodHead))
		if res.Code != 200 || res.Body.Len() != 0 || res.Header().Get("Content-Length") != "43" {
			t.Errorf("HEAD: status %d, %d bytes, header %v", res.Code, res.Body.Len(), res.Header())
		}
		if res := e.ask("http://shop.test/px.gif?external_id=1&currency=EUR", method(http.MethodPost)); res.Body.String() != "hello" {
			t.Errorf("POST: body %q", res.Body)
		}
		if res := e.ask("http://shop.test/px.gif/?external_id=1&currency=EUR"); res.Body.String() != "hello" {
			t.Errorf("another path: body %q", res.Body)
		}
		off := newEdge(t, Handler{})
		if res := off.ask("http://shop.test/px.gif?external_id=1&currency=EUR"); res.Body.String() != "hello" {
			t.Errorf("where it is off: body %q", res.Body)
		}
	})
}

func TestPixelWithoutAJournal(t *testing.T) {
	e := pixelEdge(t)
	e.close()
	counted(t, counts{"conversions/disk/pixel": 1}, func() {
		if res := e.ask("http://shop.test/px.gif?external_id=1&currency=EUR"); res.Code != 200 || res.Body.String() != pixelImage {
			t.Errorf("status %d, body %q", res.Code, res.Body)
		}
	})
	e.app = nil // whatever the reason
	counted(t, counts{"panics": 1}, func() {
		if res := e.ask("http://shop.test/px.gif?external_id=1&currency=EUR"); res.Code != 200 || res.Body.String() != pixelImage {
			t.Errorf("after a panic of ours: status %d, body %q", res.Code, res.Body)
		}
	})
}

func TestPixelPlaceholders(t *testing.T) {
	e := pixelEdge(t)
	_, own := e.seal("demo", time.Hour)
	if got := e.ask("http://shop.test/px.gif?external_id=1&currency=EUR", own).expand("{affiliate.code}"); got != "demo" {
		t.Errorf("the log sees the code %q", got)
	}
}

func TestPixelPath(t *testing.T) {
	for _, path := range []string{"", "/", "px.gif", "/px*", "/p?x", "/{env.X}", "/a b", "/%70x"} {
		if checkPixelPath(path) == nil {
			t.Errorf("%q is taken", path)
		}
	}
	if err := checkPixelPath("/a/b-c_1.gif"); err != nil {
		t.Error(err)
	}
}

// FuzzPixel sends what strangers may send: the image is served, and nothing panics.
func FuzzPixel(f *testing.F) {
	e := pixelEdge(f)
	for _, seed := range []string{"external_id=1&amount=5.00&currency=EUR", "external_id=%zz;&=", "amount=1e2000000000&external_id=a&currency=JPY", "type=&external_id="} {
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, query, cookie string) {
		r := newRequest("http://shop.test/px.gif", header("Cookie", cookie))
		r.URL.RawQuery = query
		before := read(t)
		e := &edge{Handler: e.Handler, t: t, engine: e.engine}
		res := e.serve(r, nil)
		if after := read(t); after["panics"] != before["panics"] || res.Code != 200 || res.Body.String() != pixelImage {
			t.Errorf("status %d, body %q, panics %v", res.Code, res.Body, after["panics"]-before["panics"])
		}
	})
}
