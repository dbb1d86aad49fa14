//go:build unix

package model_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
)

// fault is what becomes of one call to Redis.
type fault int

const (
	arrives    fault = iota
	isLost           // Redis never sees it
	goesUnsaid       // Redis does it, and the reply is lost
	isHeld           // it is given up, and reaches Redis much later (see deliver)
)

func (f fault) String() string {
	return [...]string{"arrives", "is lost", "goes unanswered", "is held up"}[f]
}

var errLine = errors.New("the line is broken")

// line is the way of one process to Redis. One script call that is sent over it can be disturbed.
type line struct {
	fault fault
	after int // script calls that still arrive before the one that does not
	held  *[][]byte
}

// disturb lets that fault happen to one script call, after some that arrive.
func (l *line) disturb(f fault, after int) { l.fault, l.after = f, after }

// calm ends the disturbance, and reports whether it came to pass.
func (l *line) calm() bool {
	happened := l.after < 0
	l.fault, l.after = arrives, 0
	return happened
}

func (l *line) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &wire{c, l}, nil
}

// wire is a connection over a line. A client sends each call in one write, since its buffer has room for it.
type wire struct {
	net.Conn
	line *line
}

func (w *wire) Write(p []byte) (int, error) {
	switch w.line.fate(p) {
	case isLost:
	case isHeld:
		*w.line.held = append(*w.line.held, slices.Clone(p))
	case goesUnsaid:
		if _, err := w.Conn.Write(p); err != nil {
			return 0, err
		}
		var reply [1]byte
		if _, err := w.Conn.Read(reply[:]); err != nil { // when it comes, the call is done
			return 0, err
		}
	default:
		return w.Conn.Write(p)
	}
	return 0, errors.Join(errLine, w.Conn.Close())
}

func (l *line) fate(p []byte) fault {
	if l.fault == arrives || l.after < 0 || !isScript(p) {
		return arrives
	}
	l.after--
	if l.after >= 0 {
		return arrives
	}
	return l.fault
}

// isScript knows the calls that change something from questions and handshakes.
func isScript(p []byte) bool { return bytes.Contains(p[:min(len(p), 64)], []byte("evalsha")) }

// deliver sends a call that was held up.
func deliver(addr string, call []byte) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(call); err != nil {
		return err
	}
	var reply [1]byte
	_, err = c.Read(reply[:])
	return err
}
