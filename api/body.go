package api

import (
	"errors"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
)

var (
	errMalformed = problem(http.StatusBadRequest, "malformed", "Malformed body", "The body must be a JSON object, and one only, in UTF-8.")
	errTooLarge  = problem(http.StatusRequestEntityTooLarge, "too-large", "Body too large", "A body has at most 65536 bytes.")
	errMediaType = problem(http.StatusUnsupportedMediaType, "media-type", "Unsupported media type",
		"The body must be JSON, with the header Content-Type: application/json.")
	errSurrogate = problem(http.StatusBadRequest, "malformed", "Malformed body", "The body has an escape that is half of a surrogate pair.")
	errEncoding  = problem(http.StatusUnsupportedMediaType, "media-type", "Unsupported content encoding",
		"The body must be sent as it is, without a Content-Encoding.")
	errBodyTime = problem(http.StatusRequestTimeout, "timeout", "Body too slow", "The body did not arrive in time.")
)

// bodyReader is what a struct with an embedded body or patch is.
type bodyReader interface {
	read(w http.ResponseWriter, r *http.Request) error
	bodyType() reflect.Type
}

// body is the body of a request: the strict JSON of a T. Where a client sends none, it counts as {}.
type body[T any] struct{ value T }

// defaulter is a T with fields whose default is not zero.
type defaulter interface{ setDefaults() }

func (b *body[T]) read(w http.ResponseWriter, r *http.Request) error {
	data, err := readBody(w, r)
	if err != nil {
		return err
	}
	if d, ok := any(&b.value).(defaulter); ok {
		d.setDefaults()
	}
	return decode(data, &b.value)
}

func (*body[T]) bodyType() reflect.Type { return reflect.TypeFor[T]() }

// patch is the body of a request that changes some fields of a T, each as a whole.
type patch[T any] struct{ data []byte }

func (p *patch[T]) read(w http.ResponseWriter, r *http.Request) (err error) {
	if p.data, err = readBody(w, r); err != nil {
		return err
	}
	var alone T
	return decode(p.data, &alone)
}

func (*patch[T]) bodyType() reflect.Type { return reflect.TypeFor[T]() }

// apply is the change that the patch asks for.
func (p *patch[T]) apply(to *T) error { return decode(p.data, to) }

// readBody reads the JSON of a request; that of an empty body is {}.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(encoding), "identity") {
			return nil, errEncoding
		}
	}
	data, err := access.ReadBody(w, r)
	switch {
	case errors.Is(err, access.ErrTooLarge):
		return nil, errTooLarge
	case errors.Is(err, access.ErrTooSlow):
		return nil, errBodyTime
	case err != nil:
		return nil, errMalformed
	case len(data) == 0:
		return []byte("{}"), nil
	case !isJSON(r.Header):
		return nil, errMediaType
	}
	return data, nil
}

// isJSON reports whether the header says that the body is JSON in UTF-8.
func isJSON(h http.Header) bool {
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := params["charset"]
	return err == nil && mediaType == "application/json" && (!given || strings.EqualFold(charset, "utf-8"))
}
