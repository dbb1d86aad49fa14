package affili

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// failure is an answer that is an error. It never repeats a value that was sent.
type failure struct {
	status     int
	errors     map[string][]string // by field
	retryAfter int                 // seconds; 0: not said
	cause      error               // for the log
}

// Error implements error.
func (f *failure) Error() string { return http.StatusText(f.status) }

// fails is a failure of one field.
func fails(status int, field, message string) *failure {
	return &failure{status: status, errors: map[string][]string{field: {message}}}
}

// booksRetry is the Retry-After of 503, in seconds.
const booksRetry = 5

var (
	errKey      = fails(http.StatusUnauthorized, "authorization", "is not Bearer with a valid access id")
	errNoRoute  = fails(http.StatusNotFound, "path", "is no route of this API")
	errMethod   = fails(http.StatusMethodNotAllowed, "method", "is not one of this route")
	errNotFound = fails(http.StatusNotFound, "id", "is not one of your network's")
	errAway     = failure{status: http.StatusServiceUnavailable, retryAfter: booksRetry,
		errors: map[string][]string{"server": {"cannot reach its books now; the same request may be sent again"}}}
	errInternal = failure{status: http.StatusInternalServerError, errors: map[string][]string{"server": {"is at fault"}}}
)

// bookFailures are the failures that the errors of the books, and of reading a body, become.
var bookFailures = []struct {
	err     error
	failure *failure
}{
	{tracker.ErrNotFound, errNotFound},
	{tracker.ErrClosed, fails(http.StatusConflict, "is_closed", "is 1: the conversion cannot be changed any more")},
	{tracker.ErrReversed, fails(http.StatusConflict, "status", "cannot change any more: the conversion was reversed")},
	{tracker.ErrTransition, fails(http.StatusConflict, "status", "cannot change in this way")},
	{tracker.ErrConflict, fails(http.StatusConflict, "external_id", "was reported before with other content")},
	{tracker.ErrCursor, fails(http.StatusUnprocessableEntity, "after", "is not what next said")},
	{access.ErrTooLarge, fails(http.StatusRequestEntityTooLarge, "body", access.ErrTooLarge.Error())},
	{access.ErrTooSlow, fails(http.StatusRequestTimeout, "body", access.ErrTooSlow.Error())},
	{access.ErrBroken, fails(http.StatusBadRequest, "body", access.ErrBroken.Error())},
}

// failureOf turns an error into what the client is told of it.
func failureOf(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	var wrong tracker.Invalid
	if errors.As(err, &wrong) {
		return invalid(wrong)
	}
	for _, f := range bookFailures {
		if errors.Is(err, f.err) {
			return f.failure
		}
	}
	told := errInternal
	if errors.Is(err, tracker.ErrAway) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		told = errAway
	}
	told.cause = err
	return &told
}

// maxErrors bounds the fields that one answer names.
const maxErrors = 100

// index is the place in a list as our rules write it; the platform's framework writes commissions.0.name.
var index = regexp.MustCompile(`\[(\d+)\]`)

// invalid lists everything that is wrong with a request.
func invalid(wrong tracker.Invalid) *failure {
	f := &failure{status: http.StatusUnprocessableEntity, errors: map[string][]string{}}
	for _, w := range wrong[:min(len(wrong), maxErrors)] {
		field := index.ReplaceAllString(w.Field, ".$1")
		f.errors[field] = append(f.errors[field], w.Message)
	}
	return f
}

// fail answers with the failure that err is. Only what is our own fault is logged as an error.
func (s *server) fail(w http.ResponseWriter, tag string, err error) {
	told := failureOf(err)
	if told.cause != nil {
		level := slog.LevelDebug
		if told.status == http.StatusInternalServerError {
			level = slog.LevelError
		}
		s.Logger.Log(context.Background(), level, "answering a request",
			"dialect", name, "tag", tag, "request_id", w.Header().Get("X-Request-Id"), "error", told.cause)
	}
	header := w.Header()
	if told.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="affiliate"`)
	}
	if told.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(told.retryAfter))
	}
	write(w, told.status, ErrorEnvelope{Status: "error", Tag: tag, Errors: told.errors, APIVersion: apiVersion})
}
