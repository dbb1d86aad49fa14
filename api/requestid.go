package api

import (
	"net/http"
	"strings"

	"github.com/google/uuid"
)

const maxRequestID = 128

// requestID is the client's own id of a request if it is one that cannot do harm in a log, or else a new UUID.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-')
	}) {
		return uuid.NewString()
	}
	return id
}
