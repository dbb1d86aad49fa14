package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// requestTime bounds one request. A change is not given up when its client is: who does not hear the answer asks again and
// gets it.
const requestTime = 30 * time.Second

// Answer is the answer to a request of an API; it remembers its status.
type Answer struct {
	http.ResponseWriter
	status int // 0 until the header is written
}

// Begin returns the answer to a request, with the fields that the answers of every API have, and the request's context within its
// bounds.
func Begin(w http.ResponseWriter, r *http.Request, requestID string) (*Answer, context.Context, context.CancelFunc) {
	header := w.Header()
	header.Set("X-Request-Id", requestID)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")

	ctx := r.Context()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	return &Answer{ResponseWriter: w}, ctx, cancel
}

// Panicked answers by broken where our own code panicked with the value, unless a part of the answer is out. The log gets the place
// and the type: the value may be somebody's data.
func (a *Answer) Panicked(value any, logger *slog.Logger, broken func()) {
	if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(value)
	}
	logger.Error("a request panicked", "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
	if a.status != 0 {
		panic(http.ErrAbortHandler) // half an answer is out: breaking it off is the one sign left
	}
	broken()
}

// Class is the class of the status, such as "2xx", or "none" for an answer that was broken off before the header.
func (a *Answer) Class() string {
	if a.status == 0 {
		return "none"
	}
	return strconv.Itoa(a.status/100) + "xx"
}

// WriteHeader implements http.ResponseWriter.
func (a *Answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *Answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets an http.ResponseController reach the connection.
func (a *Answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
