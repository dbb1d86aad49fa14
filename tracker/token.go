package tracker

import (
	"encoding/binary"
	"time"
)

// Touch is one click as a token carries it. Times are kept to the millisecond.
type Touch struct {
	Session SessionID
	Code    string
	Time    time.Time
}

// IsZero reports whether there is no touch.
func (t Touch) IsZero() bool { return t.Session.IsZero() && t.Code == "" && t.Time.IsZero() }

// Token is what a visitor's cookie says: who they are and which clicks brought them. With one touch, First and Last are the
// same; with none, both are zero.
type Token struct {
	Network string
	Visitor VisitorID
	First   Touch
	Last    Touch
	Flags   byte // no bit has a meaning yet; kept as it came
}

// InFuture reports whether the touch was made after now, by more than clocks differ: by a clock that was ahead.
func (t Touch) InFuture(now time.Time) bool { return t.Time.Sub(now) > clockSkew }

// Add returns the token with touch as its last. Touches older than their window at now are dropped first, and those of the
// future; if the first goes, the last becomes first. window tells how long a code's click earns; 0 means DefaultWindow.
func (t Token) Add(touch Touch, now time.Time, window func(code string) time.Duration) Token {
	t = t.keep(func(old Touch) bool { return isLive(old, now, window) && !old.InFuture(now) })
	t.Last = touch
	if t.First.IsZero() {
		t.First = touch
	}
	return t
}

// Prune returns the token without the touches older than their window at now, and whether one was dropped. Those of the
// future stay until there is a better one: they are sessions all the same, and the books judge them.
func (t Token) Prune(now time.Time, window func(code string) time.Duration) (Token, bool) {
	pruned := t.keep(func(touch Touch) bool { return isLive(touch, now, window) })
	return pruned, pruned != t
}

// keep returns the token with the good ones of its touches.
func (t Token) keep(good func(Touch) bool) Token {
	first, last := good(t.First), good(t.Last)
	switch {
	case !first && !last:
		t.First, t.Last = Touch{}, Touch{}
	case !first:
		t.First = t.Last
	case !last:
		t.Last = t.First
	}
	return t
}

func isLive(t Touch, now time.Time, window func(code string) time.Duration) bool {
	if t.IsZero() {
		return false
	}
	age := window(t.Code)
	if age <= 0 {
		age = DefaultWindow
	}
	return now.Sub(t.Time) <= min(age, MaxWindow)
}

// touches are the distinct touches, in order.
func (t *Token) touches() []Touch {
	switch {
	case t.First.IsZero() && t.Last.IsZero():
		return nil
	case t.First.IsZero() || t.First == t.Last:
		return []Touch{t.Last}
	case t.Last.IsZero():
		return []Touch{t.First}
	default:
		return []Touch{t.First, t.Last}
	}
}

// touchSize is the size in bytes of an encoded touch without its code: session, milliseconds, the code's length.
const touchSize = 16 + 8 + 1

func appendTouch(dst []byte, t Touch) []byte {
	dst = append(dst, t.Session[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.Time.UnixMilli()))
	dst = append(dst, byte(len(t.Code)))
	return append(dst, t.Code...)
}

// cutTouch takes what appendTouch wrote off b.
func cutTouch(b []byte) (t Touch, rest []byte, ok bool) {
	if len(b) < touchSize {
		return Touch{}, nil, false
	}
	end := touchSize + int(b[touchSize-1])
	if len(b) < end {
		return Touch{}, nil, false
	}
	t = Touch{
		Session: SessionID(b[:16]),
		Time:    time.UnixMilli(int64(binary.BigEndian.Uint64(b[16:24]))).UTC(),
		Code:    string(b[touchSize:end]),
	}
	return t, b[end:], true
}
