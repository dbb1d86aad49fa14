package forward

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Destination is a system that is told of events. It maps an event to its wire form, sends it once and says what came of it;
// when to try again, and for how long, is the deliverer's matter. It may be called from several goroutines.
type Destination interface {
	// Kinds are the kinds of event that it can take.
	Kinds() []tracker.EventKind
	// Host is the host and port that it sends to, the key of its circuit breaker.
	Host() string
	// Send makes one attempt. The answer is kept in the log of attempts, whether there is an error or not: its body must hold
	// no secret. An error is a *Failure, or anything else for one that a later attempt may mend.
	Send(ctx context.Context, client *Client, e tracker.Event) (Answer, error)
}

// Answer is what an attempt brought back.
type Answer struct {
	Status int    // of HTTP; 0: nothing came back
	Body   []byte // its beginning; what is over a kilobyte is cut
	Ref    string // what the destination calls the event's subject, at most tracker.MaxRef bytes; see Remembering
}

// Remembering is a Destination that has to know later what it called something: events come with the Ref of an earlier Answer.
type Remembering interface {
	Destination
	// Remembers does nothing.
	Remembers()
}

// ErrSkip is what Send returns for an event that the destination has nothing to do with. It counts as sent.
var ErrSkip = fmt.Errorf("the destination has nothing to do with it")

// Failure is an attempt's error with what the deliverer should know of it.
type Failure struct {
	Err        error
	Permanent  bool          // no later attempt can succeed: the delivery is dead at once
	Gone       bool          // the endpoint wants no more of anything (410): the destination is disabled
	Throttled  bool          // the endpoint asks for a pause: the whole destination makes one
	RetryAfter time.Duration // what it asks for; 0: the ladder's
}

// Error implements error.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error beneath.
func (f *Failure) Unwrap() error { return f.Err }

// Permanent says that no later attempt can succeed.
func Permanent(err error) error { return &Failure{Err: err, Permanent: true} }
