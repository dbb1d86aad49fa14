package affelios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// problem is every error's body: the shape of ASP.NET. Affelios documents statuses and no bodies, so the texts are ours. They
// never repeat what was sent.
type problem struct {
	Type    string              `json:"type"`
	Title   string              `json:"title"`
	Status  int                 `json:"status"`
	Detail  string              `json:"detail,omitempty"`
	Errors  map[string][]string `json:"errors,omitempty"` // by member, as C# writes its name
	TraceID string              `json:"traceId"`          // also in the header X-Request-Id

	retryAfter int   // seconds; 0: not said
	cause      error // for the log
}

// Error implements error.
func (p *problem) Error() string { return p.Title }

// Unwrap returns what led to the problem, if anything did.
func (p *problem) Unwrap() error { return p.cause }

// titles are ASP.NET's, and sections those of the standard that define the statuses.
var titles = map[int]struct{ section, title string }{
	400: {"rfc9110#section-15.5.1", "Bad Request"},
	401: {"rfc9110#section-15.5.2", "Unauthorized"},
	403: {"rfc9110#section-15.5.4", "Forbidden"},
	404: {"rfc9110#section-15.5.5", "Not Found"},
	405: {"rfc9110#section-15.5.6", "Method Not Allowed"},
	408: {"rfc9110#section-15.5.9", "Request Timeout"},
	409: {"rfc9110#section-15.5.10", "Conflict"},
	413: {"rfc9110#section-15.5.14", "Content Too Large"},
	415: {"rfc9110#section-15.5.16", "Unsupported Media Type"},
	422: {"rfc9110#section-15.5.21", "Unprocessable Entity"},
	429: {"rfc6585#section-4", "Too Many Requests"},
	500: {"rfc9110#section-15.6.1", "An error occurred while processing your request."},
	503: {"rfc9110#section-15.6.4", "Service Unavailable"},
}

func fault(status int, detail string) *problem {
	known := titles[status]
	return &problem{Type: "https://tools.ietf.org/html/" + known.section, Title: known.title, Status: status, Detail: detail}
}

var (
	errUnauthorized = fault(http.StatusUnauthorized, "Send a key that is not revoked in the header X-Api-Key.")
	errNoRoute      = fault(http.StatusNotFound, "There is no such route.")
	errNoCustomer   = fault(http.StatusNotFound, "Your network has no customer of this id.")
	errMethod       = fault(http.StatusMethodNotAllowed, "The header Allow lists the methods of this route.")
	errMediaType    = fault(http.StatusUnsupportedMediaType, "The body must be declared as application/json.")
	errMalformed    = fault(http.StatusBadRequest, "The body must be JSON in UTF-8 that is not nested too deep.")
	errNoList       = fault(http.StatusBadRequest, "The body must be an array of transactions.")
	errTooMany      = fault(http.StatusBadRequest, fmt.Sprintf("The body must have at most %d transactions.", maxEntries))
	errInternal     = fault(http.StatusInternalServerError, "This is our fault. The log knows more under the traceId.")
	errExists       = fault(http.StatusConflict, "There is a customer of this externalId and externalBrandId.")
	errOtherContent = fault(http.StatusConflict, "The externalId was reported before, with other content. The first report stands.")
	errOrganic      = fault(http.StatusUnprocessableEntity, "No click brought the customer, and the network takes no organic customers.")
)

// retrySoon is the Retry-After of what may pass as soon as the books are there again, in seconds.
const retrySoon = 5

// wrongValue is a problem with one member that is well formed and cannot be meant.
func wrongValue(path, message string) *problem {
	p := fault(http.StatusUnprocessableEntity, "")
	p.Errors = map[string][]string{propertyPath(path): {message}}
	return p
}

// maxErrors bounds the members that one problem names.
const maxErrors = 100

// invalid lists everything that is wrong with a body.
func invalid(wrong tracker.Invalid) *problem {
	p := fault(http.StatusBadRequest, "")
	p.Title = "One or more validation errors occurred."
	p.Errors = map[string][]string{}
	for _, w := range wrong[:min(len(wrong), maxErrors)] {
		path := propertyPath(w.Field)
		if !slices.Contains(p.Errors[path], w.Message) {
			p.Errors[path] = append(p.Errors[path], w.Message)
		}
	}
	return p
}

// propertyPath is the path of a member with its name as C# has it: [3].externalId is [3].ExternalId.
func propertyPath(path string) string {
	at := strings.LastIndexByte(path, '.') + 1
	var b strings.Builder
	b.WriteString(path[:at])
	for word := range strings.SplitSeq(path[at:], "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// memberNames are what the books call a field, and Affelios a member.
var memberNames = map[string]string{
	"external_id": "externalId", "brand": "externalBrandId", "registered_at": "registrationDate",
	"customer_external_id": "externalCustomerId", "customer_brand": "externalBrandId", "time": "transactionDate",
	"deposit": "depositAmount", "gross_revenue": "grossRevenue", "wagered": "wageredAmount",
	"rev_share_commission": "revShareCommission", "cpa_commission": "cpaCommission", "fixed_commission": "fixedCommission",
	"product": "externalProductId",
}

// renamed are the books' own findings in Affelios's words, below a path.
func renamed(path string, wrong tracker.Invalid) tracker.Invalid {
	told := make(tracker.Invalid, len(wrong))
	for i, w := range wrong {
		name, ok := memberNames[w.Field]
		if !ok {
			name = w.Field
		}
		told[i] = tracker.FieldError{Field: path + name, Message: w.Message}
	}
	return told
}

// problemOf turns an error into what the client is told of it.
func problemOf(err error) *problem {
	var known *problem
	var wrong tracker.Invalid
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &wrong):
		return invalid(renamed("", wrong))
	case errors.Is(err, access.ErrKey):
		return errUnauthorized
	case errors.Is(err, access.ErrTooLarge):
		return fault(http.StatusRequestEntityTooLarge, "The body is too large.")
	case errors.Is(err, access.ErrTooSlow):
		return fault(http.StatusRequestTimeout, "The body did not arrive in time.")
	case errors.Is(err, access.ErrBroken):
		return fault(http.StatusBadRequest, "The body broke off.")
	case errors.Is(err, tracker.ErrConflict):
		return errOtherContent
	case errors.Is(err, tracker.ErrOrganic):
		return errOrganic
	case errors.Is(err, tracker.ErrNotFound):
		return errNoCustomer
	case errors.Is(err, tracker.ErrAway), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return away(err)
	}
	p := *errInternal
	p.cause = err
	return &p
}

// away says that the same may pass a little later.
func away(cause error) *problem {
	p := fault(http.StatusServiceUnavailable, "The books are away. Try again: what was reported before counts once.")
	p.retryAfter, p.cause = retrySoon, cause
	return p
}

// fail answers with the problem that err is. It is the only place in which an error of this dialect is written.
func (s *server) fail(w http.ResponseWriter, err error) {
	told := *problemOf(err) // a copy: the request's id goes into it
	header := w.Header()
	told.TraceID = header.Get("X-Request-Id")
	if told.cause != nil {
		level := slog.LevelDebug
		if told.Status == http.StatusInternalServerError {
			level = slog.LevelError
		}
		s.Logger.Log(context.Background(), level, "answering a request", "dialect", name, "request_id", told.TraceID, "error", told.cause)
	}
	if told.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(told.retryAfter))
	}
	s.write(w, told.Status, "application/problem+json", told)
}

// write answers with JSON.
func (s *server) write(w http.ResponseWriter, status int, media string, v any) {
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		s.Logger.Debug("writing an answer", "dialect", name, "error", err)
	}
}
