package tracker

import (
	"errors"
	"strings"
)

// What the books answer when they cannot do as asked. Callers test with errors.Is.
var (
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("exists already")
	ErrInUse       = errors.New("is in use")                                    // it cannot be deleted, only archived
	ErrConflict    = errors.New("was reported before with other content")       // the same identity, another content
	ErrClosed      = errors.New("is closed")                                    // a paid conversion takes refunds and nothing else
	ErrReversed    = errors.New("is reversed")                                  // nothing is left of it, and nothing brings it back
	ErrTransition  = errors.New("cannot change in this way")                    // such as paying what was rejected
	ErrIdempotency = errors.New("the idempotency key was used with other data") // within its 30 days
	ErrCursor      = errors.New("the cursor is not one of ours")
	ErrOrganic     = errors.New("nobody brought the customer") // and the books take none of those, see OrganicReject

	// ErrAway: the same may well pass a little later, as it is. Nothing has changed, or it is unknown whether it has.
	ErrAway = errors.New("the books cannot be reached or written right now")
)

// FieldError says what is wrong with one value that came from outside. It never repeats the value.
type FieldError struct {
	Field   string `json:"field"`   // a path, such as users[0].role
	Message string `json:"message"` // what is wrong and what would be right
}

// Invalid is the error of input that breaks rules: everything that is wrong at once.
type Invalid []FieldError

// Error implements error.
func (e Invalid) Error() string {
	var b strings.Builder
	for i, f := range e {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + ": " + f.Message)
	}
	return b.String()
}

// Add notes one more thing that is wrong.
func (e *Invalid) Add(field, message string) { *e = append(*e, FieldError{field, message}) }

// Err returns e as an error, or nil if nothing is wrong.
func (e Invalid) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
