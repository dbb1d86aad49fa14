package invoca

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// fault is an error as the client is told of it.
type fault struct {
	status     int
	class      string // the platform's name of it, or one of ours in its manner
	told       string
	retryAfter int   // seconds; 0: not said
	cause      error // for the log
}

// Error implements error.
func (f *fault) Error() string { return f.class + ": " + f.told }

// The classes UnauthorizedOperation, RecordNotFound, RecordInvalid, InvalidInput and InternalServiceError are the platform's, with
// their statuses: it answers 403 where others answer 422. All else it leaves open, so those classes are ours.
var (
	errToken     = &fault{status: http.StatusUnauthorized, class: "Unauthorized", told: "The API token is missing or not valid."}
	errForbidden = &fault{status: http.StatusForbidden, class: "UnauthorizedOperation", told: "You do not have permissions to perform the requested operation."}
	errNoRoute   = &fault{status: http.StatusNotFound, class: "RecordNotFound", told: "Could not find what this path names"}
	errInUse     = &fault{status: http.StatusForbidden, class: "RecordInvalid", told: "Validation failed: campaigns exist for this affiliate, it can only be archived"}
	errQuery     = &fault{status: http.StatusForbidden, class: "InvalidInput", told: "The query may have oauth_token and nothing else."}

	errMalformed = &fault{status: http.StatusBadRequest, class: "InvalidInput", told: "The body must be one JSON object in UTF-8."}
	errDeep      = &fault{status: http.StatusBadRequest, class: "InvalidInput", told: "The body is nested too deeply."}
	errMediaType = &fault{status: http.StatusBadRequest, class: "InvalidInput", told: "The body must be declared as application/json."}
	errTooLarge  = &fault{status: http.StatusRequestEntityTooLarge, class: "InvalidInput", told: "The body is larger than 65536 bytes."}
	errTooSlow   = &fault{status: http.StatusRequestTimeout, class: "InvalidInput", told: "The body did not arrive in time."}
	errMethod    = &fault{status: http.StatusMethodNotAllowed, class: "InvalidInput", told: "This path does not take the method."}
)

// awayRetry is the Retry-After of 503, in seconds.
const awayRetry = 5

func away(cause error, told string) *fault {
	return &fault{status: http.StatusServiceUnavailable, class: "ServiceUnavailable", told: told, retryAfter: awayRetry, cause: cause}
}

func tooMany(retryAfter int) *fault {
	return &fault{status: http.StatusTooManyRequests, class: "TooManyRequests", told: "There were too many requests.", retryAfter: retryAfter}
}

// shownID is what of an id is repeated.
var shownID = regexp.MustCompile(`\A[A-Za-z0-9._-]{1,64}\z`)

func notFound(id string) *fault {
	told := "Could not find Affiliate"
	if shownID.MatchString(id) {
		told += " " + id
	}
	return &fault{status: http.StatusNotFound, class: "RecordNotFound", told: told}
}

// taken finds the name of a field in the books' errors: they write it before tracker.ErrExists.
var taken = regexp.MustCompile(`([a-z_]+) ` + tracker.ErrExists.Error())

// fail answers with an error. Only what is our own fault is logged as an error: that the books are away the engine says once.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var wrong tracker.Invalid
	var known *fault
	switch {
	case errors.As(err, &wrong):
		write(w, http.StatusForbidden, map[string]any{"errors": nested(wrong)})
		return
	case errors.Is(err, tracker.ErrExists):
		field := "id_from_network"
		if found := taken.FindStringSubmatch(err.Error()); found != nil {
			field = found[1]
		}
		s.fail(w, r, tracker.Invalid{{Field: field, Message: "has already been taken"}})
		return
	case errors.As(err, &known):
	case errors.Is(err, tracker.ErrInUse):
		known = errInUse
	case isAway(err):
		known = away(err, "The books are away. Try again.")
	default:
		known = &fault{status: http.StatusInternalServerError, class: "InternalServiceError",
			told: "refer to error handle " + w.Header().Get("X-Request-Id"), cause: err}
	}
	s.note(w, known)
	if known.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(known.retryAfter))
	}
	if known.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="affiliate"`)
	}
	write(w, known.status, envelope{Errors: details{known.told, known.class}})
}

func (s *server) note(w http.ResponseWriter, f *fault) {
	switch {
	case f.status == http.StatusInternalServerError:
		s.Logger.Error("answering a request", "dialect", name, "request_id", w.Header().Get("X-Request-Id"), "error", f.cause)
	case f.cause != nil:
		s.Logger.Debug("answering a request", "dialect", name, "request_id", w.Header().Get("X-Request-Id"), "error", f.cause)
	}
}

func isAway(err error) bool {
	return slices.ContainsFunc([]error{tracker.ErrAway, context.DeadlineExceeded, context.Canceled},
		func(known error) bool { return errors.Is(err, known) })
}

// bodyFault is what the client is told of a body that cannot be read.
func bodyFault(err error) *fault {
	switch {
	case errors.Is(err, access.ErrTooLarge):
		return errTooLarge
	case errors.Is(err, access.ErrTooSlow):
		return errTooSlow
	}
	return errMalformed
}

// envelope is the body of an error that is not of a field.
type envelope struct {
	Errors details `json:"errors"`
}

type details struct {
	InvalidData string `json:"invalid_data"`
	Class       string `json:"class"`
}

// tree is the errors of fields as the platform nests them: a hash for what has fields, a list for what has elements, and a list
// of messages for what is wrong itself. Where something has both, what is deeper is told first.
type tree struct {
	messages []string
	fields   map[string]*tree
	elements []*tree
}

// nested turns paths such as users[0].email_settings[1].email_address into a tree. An element before a wrong one that has no
// error itself is {}.
func nested(wrong tracker.Invalid) *tree {
	root := &tree{}
	for _, w := range wrong {
		at := root
		for part := range strings.SplitSeq(w.Field, ".") {
			name, index, listed := strings.Cut(strings.TrimSuffix(part, "]"), "[")
			at = at.field(name)
			if n, err := strconv.Atoi(index); listed && err == nil {
				at = at.element(n)
			}
		}
		if message := wording(w.Message); !slices.Contains(at.messages, message) {
			at.messages = append(at.messages, message)
		}
	}
	return root
}

func (t *tree) field(name string) *tree {
	if t.fields == nil {
		t.fields = map[string]*tree{}
	}
	if t.fields[name] == nil {
		t.fields[name] = &tree{}
	}
	return t.fields[name]
}

func (t *tree) element(n int) *tree {
	for len(t.elements) <= n {
		t.elements = append(t.elements, &tree{})
	}
	return t.elements[n]
}

// MarshalJSON implements json.Marshaler.
func (t *tree) MarshalJSON() ([]byte, error) {
	switch {
	case t.elements != nil:
		return json.Marshal(t.elements)
	case t.fields != nil:
		return json.Marshal(t.fields)
	case t.messages != nil:
		return json.Marshal(t.messages)
	}
	return []byte("{}"), nil
}

// wordings are the platform's words, or Rails', for what the books say, by how the books' words begin.
var wordings = []struct{ books, platform string }{
	{"is required", "can't be blank"},
	{"is not one of ", "is not included in the list"},
	{"is there twice", "has already been taken"},
	{"is not an e-mail address", "is invalid"},
	{"is neither an E.164 number", "is invalid"},
	{"is not valid UTF-8", "is invalid"},
	{"holds a control character", "is invalid"},
	{"needs at least one address with use_for_notifications", "must have at least one email address with use_for_notifications"},
}

// wording is a message of the books in the platform's words. What has none is said in ours.
func wording(message string) string {
	for _, w := range wordings {
		if strings.HasPrefix(message, w.books) {
			return w.platform
		}
	}
	return message
}
