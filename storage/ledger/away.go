package ledger

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// told says of an error of the database whether it is tracker.ErrAway.
func (l *Ledger) told(err error) error {
	if err == nil || errors.Is(err, tracker.ErrAway) {
		return err
	}
	if gone := l.gone(); gone != nil { // whatever the error says, that is its cause
		return fmt.Errorf("%w: %w", gone, err)
	}
	if !l.isAway(err) {
		return err
	}
	return fmt.Errorf("%w: %w", tracker.ErrAway, err)
}

// awayErrors are those of every engine. Of a transaction that kept clashing, another try may pass.
var awayErrors = []error{driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, errClash}

// isAway: a ledger is closed when another configuration takes its place, whose ledger will answer.
func (l *Ledger) isAway(err error) bool {
	var network net.Error
	return l.closed.Load() || errors.As(err, &network) || l.db.Away != nil && l.db.Away(err) ||
		slices.ContainsFunc(awayErrors, func(known error) bool { return errors.Is(err, known) })
}
