package api

import (
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The header by which a client marks a request as one that it repeats, and the one operation that honours it.
const (
	idempotencyHeader    = "Idempotency-Key"
	idempotencyOperation = "create-conversion"
)

// checkIdempotencyKey refuses a key that protects from nothing: one that is none, and one of a report that has its external id
// alone. Whatever reports nothing takes no notice of it.
func checkIdempotencyKey(h http.Header, operation string, reports bool) error {
	given := h.Values(idempotencyHeader)
	switch {
	case len(given) == 0 || !reports:
		return nil
	case operation != idempotencyOperation:
		return wrongValue(idempotencyHeader, "is honoured for conversions alone: the external_id is what a repeat is known by")
	case len(given) > 1 || !isIdempotencyKey(given[0]):
		return wrongValue(idempotencyHeader, "must be 1 to 255 printable characters of ASCII")
	}
	return nil
}

// idempotencyNote is what the document says of the header at reports that refuse it.
func idempotencyNote(o operation) string {
	if !o.replays || o.id == idempotencyOperation {
		return ""
	}
	return " A request with the header Idempotency-Key is refused: the external id is what a repeat is known by."
}

func isIdempotencyKey(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return s != "" && len(s) <= tracker.MaxName
}
