package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Problem is the body of every answer that is an error, as RFC 9457 has it. It never repeats a value that was sent.
type Problem struct {
	Type      string       `json:"type" doc:"urn:caddy-affiliate:problem: and the problem's name, which never changes"`
	Title     string       `json:"title" doc:"what the type means, for people"`
	Status    int          `json:"status" doc:"the HTTP status"`
	Detail    string       `json:"detail" doc:"what to do about it, for people"`
	RequestID string       `json:"request_id" doc:"also in the header X-Request-Id"`
	Errors    []FieldError `json:"errors,omitempty" doc:"what is wrong, value by value"`

	retryAfter int   // seconds; 0: not said
	cause      error // for the log
}

// FieldError says what is wrong with one value of a request.
type FieldError struct {
	Path    string `json:"path" doc:"a field of the body, such as commissions[0].sub_amount, or a parameter; empty: the body as a whole"`
	Message string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Title }

// Unwrap returns what led to the problem, if anything did.
func (p *Problem) Unwrap() error { return p.cause }

const problemPrefix = "urn:caddy-affiliate:problem:"

// maxErrors bounds the values that one problem names.
const maxErrors = 100

// unavailableRetry is the Retry-After of 503, in seconds.
const unavailableRetry = 5

// problem makes one. It copies nothing from the request.
func problem(status int, name, title, detail string) *Problem {
	return &Problem{Type: problemPrefix + name, Title: title, Status: status, Detail: detail}
}

var (
	errNoRoute  = problem(http.StatusNotFound, "no-route", "No such route", "The document at "+Prefix+"openapi.json lists all routes.")
	errMethod   = problem(http.StatusMethodNotAllowed, "method", "Method not allowed", "The header Allow lists the methods of this route.")
	errInternal = problem(http.StatusInternalServerError, "internal", "Internal error",
		"This is our fault. The log knows more under the request id.")
)

// bookProblems are the problems that the errors of the books become.
var bookProblems = []struct {
	err                 error
	status              int
	name, title, detail string
}{
	{tracker.ErrNotFound, http.StatusNotFound, "not-found", "Not found", "Your network has nothing of this id or name."},
	{tracker.ErrExists, http.StatusConflict, "exists", "Exists already", "Another object has one of the values that must be unique."},
	{tracker.ErrInUse, http.StatusConflict, "in-use", "In use", "Other objects refer to it. Archive it instead."},
	{tracker.ErrConflict, http.StatusConflict, "conflict", "Reported with other content",
		"The same external id was reported before, with other content. The first report stands."},
	{tracker.ErrClosed, http.StatusConflict, "closed", "Closed", "A closed conversion takes refunds and a reversal, nothing else."},
	{tracker.ErrReversed, http.StatusConflict, "reversed", "Reversed", "A conversion that was reversed stays so. Report a new one."},
	{tracker.ErrTransition, http.StatusConflict, "transition", "No such transition",
		"It cannot go from its state to this one. Only an approved conversion can be paid, a duplicate changes no more, and a refund that has taken something stays."},
	{tracker.ErrIdempotency, http.StatusUnprocessableEntity, "idempotency", "Idempotency key used before",
		"The Idempotency-Key was used with other data in the last 30 days."},
	{tracker.ErrCursor, http.StatusUnprocessableEntity, "cursor", "Unknown cursor", "The parameter after takes what next said, unchanged."},
	{tracker.ErrOrganic, http.StatusUnprocessableEntity, "organic", "Nobody brought this customer",
		"No session brought the customer, and the network takes no organic customers."},
}

// problemOf turns an error into what the client is told of it.
func problemOf(err error) *Problem {
	var known *Problem
	if errors.As(err, &known) {
		return known
	}
	var wrong tracker.Invalid
	if errors.As(err, &wrong) {
		return invalid(wrong)
	}
	for _, p := range bookProblems {
		if errors.Is(err, p.err) {
			told := problem(p.status, p.name, p.title, p.detail)
			if field := takenField.FindStringSubmatch(err.Error()); field != nil {
				told.Errors = []FieldError{{Path: field[1], Message: "is another one's"}}
			}
			return told
		}
	}
	if isAway(err) {
		return unavailable(err)
	}
	p := *errInternal
	p.cause = err
	return &p
}

// takenField finds the name of a field in the books' errors: they write it before ErrExists.
var takenField = regexp.MustCompile(`([a-z0-9_.\[\]]+) ` + tracker.ErrExists.Error())

// isAway reports whether the books cannot be reached or written right now, or did not answer in time.
func isAway(err error) bool {
	return slices.ContainsFunc([]error{tracker.ErrAway, context.DeadlineExceeded, context.Canceled},
		func(known error) bool { return errors.Is(err, known) })
}

func unavailable(cause error) *Problem {
	p := problem(http.StatusServiceUnavailable, "unavailable", "The books are away", "Try again. What was reported before counts once.")
	p.retryAfter, p.cause = unavailableRetry, cause
	return p
}

// withoutBooks is unavailable for the reason that Options.Books gave: to try again may not be the way out.
func withoutBooks(reason error) *Problem {
	p := unavailable(reason)
	p.Detail = reason.Error()
	return p
}

// invalid lists everything that is wrong with a request.
func invalid(wrong tracker.Invalid) *Problem {
	p := problem(http.StatusUnprocessableEntity, "invalid", "Invalid values", "Each entry of errors names a value and says what is wrong with it.")
	for _, w := range wrong[:min(len(wrong), maxErrors)] {
		p.Errors = append(p.Errors, FieldError{Path: w.Field, Message: w.Message})
	}
	return p
}

// wrongValue is invalid with one entry.
func wrongValue(path, message string) *Problem {
	return invalid(tracker.Invalid{{Field: path, Message: message}})
}

func forbidden(detail string) *Problem {
	return problem(http.StatusForbidden, "forbidden", "Not allowed", detail)
}

// fail answers with the problem that err is. Only what is our own fault is logged as an error; that the books are away is known to
// the engine, which says so once.
func (a *API) fail(w http.ResponseWriter, c *call, err error) {
	told := *problemOf(err) // a copy: the request's id goes into it
	told.RequestID = c.requestID
	if told.cause != nil {
		level := slog.LevelDebug
		if told.Status == http.StatusInternalServerError {
			level = slog.LevelError
		}
		a.logger.Log(context.Background(), level, "answering a request",
			"operation", c.operation, "request_id", c.requestID, "error", told.cause)
	}
	if told.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(told.retryAfter))
	}
	body, err := json.Marshal(told)
	if err != nil {
		a.logger.Error("writing a problem", "request_id", c.requestID, "error", err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(told.Status)
	w.Write(append(body, '\n'))
}
