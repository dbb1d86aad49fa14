package geniuslink

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// fault is an answer that says what is wrong, as ServiceStack's ResponseStatus does.
type fault struct {
	status  int
	code    string
	message string
	fields  []fieldFault
	bare    bool          // the answer has nothing but the status
	headers []headerField // beside those of every answer
}

// fieldFault is what is wrong with one member of the request.
type fieldFault struct{ code, field, message string }

type headerField struct{ name, value string }

// Error implements error.
func (f *fault) Error() string { return f.message }

func bare(status int, code, message string, headers ...headerField) *fault {
	return &fault{status: status, code: code, message: message, bare: true, headers: headers}
}

func refuse(status int, code, message string) *fault {
	return &fault{status: status, code: code, message: message}
}

// The texts and codes are ServiceStack's (ErrorMessages.cs) where it has one.
var (
	errNoRoute     = bare(http.StatusNotFound, "NotFound", "No operation has this path")
	errNoKey       = bare(http.StatusUnauthorized, "Unauthorized", "Not Authenticated", headerField{"WWW-Authenticate", "ApiKey"})
	errKey         = bare(http.StatusUnauthorized, "Unauthorized", "Invalid API Key", headerField{"WWW-Authenticate", "ApiKey"})
	errScope       = bare(http.StatusForbidden, "Forbidden", "Access Denied")
	errAway        = bare(http.StatusServiceUnavailable, "ServiceUnavailable", "The books cannot be reached right now", headerField{"Retry-After", "5"})
	errOurs        = bare(http.StatusInternalServerError, "InternalServerError", "Something is wrong on our side")
	errTooLarge    = bare(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", access.ErrTooLarge.Error())
	errTooSlow     = bare(http.StatusRequestTimeout, "TimeoutException", access.ErrTooSlow.Error())
	errContentType = refuse(http.StatusUnsupportedMediaType, "NotSupportedException", "ContentType not supported")
	errPath        = refuse(http.StatusBadRequest, "ArgumentException", "groupId and guid are those of the path")
	errNoProgram   = refuse(http.StatusNotFound, "NotFound", "Affiliate program not found")
	errNoTokens    = refuse(http.StatusNotFound, "NotFound", "Affiliate tokens not found")
	errNoSet       = refuse(http.StatusNotFound, "NotFound", "Affiliate tokens set not found")
	errExists      = refuse(http.StatusConflict, "AlreadyExists", "There are affiliate tokens for this program; PUT changes them")
)

func errTooMany(after int) *fault {
	return bare(http.StatusTooManyRequests, "TooManyRequests", "Too many requests", headerField{"Retry-After", strconv.Itoa(after)})
}

// invalid is the answer to fields that break rules: the code and the text of the first, and all of them.
func invalid(fields ...fieldFault) *fault {
	return &fault{status: http.StatusBadRequest, code: fields[0].code, message: fields[0].message, fields: fields}
}

func notEmpty(field string) fieldFault {
	return fieldFault{"NotEmpty", field, "'" + field + "' must not be empty."}
}

// asFault returns the answer to err, and whether it is our own fault.
func asFault(err error) (f *fault, ours bool) {
	var wrong tracker.Invalid
	switch {
	case errors.As(err, &f):
		return f, false
	case errors.As(err, &wrong) && len(wrong) > 0:
		return invalid(fieldFaults(wrong)...), false
	case errors.Is(err, access.ErrKey):
		return errKey, false
	case errors.Is(err, tracker.ErrExists):
		return errExists, false
	case errors.Is(err, tracker.ErrNotFound):
		return errNoTokens, false
	case errors.Is(err, tracker.ErrAway), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errAway, false
	default:
		return errOurs, true
	}
}

// fieldFaults are what the books say of fields, by the names that the wire has for them.
func fieldFaults(wrong tracker.Invalid) []fieldFault {
	faults := make([]fieldFault, len(wrong))
	for i, w := range wrong {
		field := w.Field
		if strings.HasPrefix(field, "program") {
			field = wireNames.Replace(field)
		}
		if w.Message == "is required" {
			faults[i] = notEmpty(field)
		} else {
			faults[i] = fieldFault{"InvalidValue", field, "'" + field + "' " + w.Message + "."}
		}
	}
	return faults
}

// wireNames are what the wire calls what the books call otherwise.
var wireNames = strings.NewReplacer("programs", "affiliatePrograms", "program", "programGuid", "parameters", "affiliateTokens")

// record is the fault as a ResponseStatus.
func (f *fault) record() record {
	list := rows{item: "ResponseError"}
	for _, field := range f.fields {
		list.all = append(list.all, record{{"errorCode", field.code}, {"fieldName", field.field}, {"message", field.message}})
	}
	return record{{"errorCode", f.code}, {"message", f.message}, {"errors", list}}
}
