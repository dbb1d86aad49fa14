package caddymodule

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// ConversionPixel answers a path with a transparent image of one pixel, for pages that allow nothing else. A GET for it
// reports a conversion, always pending: anybody may ask for it. Its query says which, in the parameters `type` (default
// `buy`), `external_id`, `amount`, `currency`, `coupon`, `customer` and `name`; others are left alone. Whatever they say,
// the image is served.
type ConversionPixel struct {
	// The image's path. Default: `/px.gif`.
	Path string `json:"path,omitempty"`
}

// defaultPixelPath names neither us nor what it is for: lists of what to block match such words.
const defaultPixelPath = "/px.gif"

// pixelImage is a transparent GIF of one pixel, in the 43 bytes that every browser takes.
const pixelImage = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00" +
	",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

func checkPixelPath(path string) error {
	if len(path) < 2 || path[0] != '/' || strings.ContainsAny(path, "*?#{}% \t\r\n") {
		return errors.New("the pixel's path is one path and no pattern, like " + defaultPixelPath)
	}
	return nil
}

// isPixel reports whether a request is for the pixel.
func (h *Handler) isPixel(r *http.Request) bool {
	return h.Conversion != nil && h.Conversion.Pixel != nil && r.URL.Path == h.Conversion.Pixel.Path &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// servePixel answers a request for the pixel. A HEAD reports nothing.
func (h *Handler) servePixel(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet {
		h.takePixel(r)
	}
	header := w.Header()
	forbidStoring(header)
	header["Content-Type"] = []string{"image/gif"}
	header["Content-Length"] = []string{strconv.Itoa(len(pixelImage))}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write([]byte(pixelImage))
	return err
}

// takePixel books what a request for the pixel says, and waits for the journal as long as a click's answer may.
func (h *Handler) takePixel(r *http.Request) {
	defer h.survive()
	v := h.visitor(r, time.Now())
	r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Map(v.value)
	if len(r.URL.RawQuery) > tracker.MaxQuery {
		h.countMalformed(tracker.SourcePixel, errors.New("the query is too long"))
		return
	}
	until := v.now.Add(h.app.patience())
	if b, ok := h.book(pixelQuery(r.URL.RawQuery), tracker.SourcePixel, v, until); ok {
		h.settle(b, until)
	}
}

// pixelQuery reads a query. Of repeated parameters the first counts; what cannot be decoded is left out.
func pixelQuery(query string) reported {
	values, _ := url.ParseQuery(query)
	c := reported{
		kind:       values.Get("type"),
		externalID: values.Get("external_id"),
		amount:     values.Get("amount"),
		currency:   values.Get("currency"),
		coupon:     values.Get("coupon"),
		customer:   values.Get("customer"),
		name:       values.Get("name"),
	}
	if c.kind == "" {
		c.kind = string(tracker.TypeBuy)
	}
	return c
}
