package access

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// MaxBody is the size in bytes of the largest body.
	MaxBody = 64 << 10
	// bodyTime is how long a client may take to send one.
	bodyTime = 10 * time.Second
)

// What may be wrong with reading a body, whatever it holds.
var (
	ErrTooLarge = errors.New("the body is too large")
	ErrTooSlow  = errors.New("the body did not arrive in time")
	ErrBroken   = errors.New("the body broke off")
)

// ReadBody reads a request's body within the bounds of size and time.
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return ReadBodyOf(w, r, MaxBody)
}

// ReadBodyOf is ReadBody for a route with a bound of its own, in bytes.
func ReadBodyOf(w http.ResponseWriter, r *http.Request, max int64) ([]byte, error) {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Now().Add(bodyTime)) // not every writer can; then the server's own limits hold
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, max))
	control.SetReadDeadline(time.Time{})

	var tooLarge *http.MaxBytesError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &tooLarge):
		return nil, ErrTooLarge
	case errors.As(err, &timeout) && timeout.Timeout():
		return nil, ErrTooSlow
	case err != nil:
		return nil, ErrBroken
	}
	return data, nil
}
