package ledger

import (
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// newest orders the rows by time and id, newest first, and takes those that follow p.After: one more than the page has, if
// there is one.
func (s *selection) newest(at, id string, p tracker.Page) error {
	if err := s.after(at, id, p); err != nil {
		return err
	}
	s.text += ` ORDER BY ` + at + ` DESC, ` + id + ` DESC LIMIT ` + s.bind(p.Size()+1)
	return nil
}

// after takes the rows that follow p.After.
func (s *selection) after(at, id string, p tracker.Page) error {
	if p.After == "" {
		return nil
	}
	ms, text, err := tracker.DecodeCursor(p.After)
	if err != nil {
		return err
	}
	s.text += ` AND (` + at + `, ` + id + `) < (` + s.bind(ms) + `, ` + s.bind(text) + `)`
	return nil
}

// cutNewest returns the page and where the next one begins, if there is one.
func cutNewest[T any](rows []T, p tracker.Page, place func(T) (at time.Time, id string)) ([]T, string) {
	size := p.Size()
	if len(rows) <= size {
		return rows, ""
	}
	at, id := place(rows[size-1])
	return rows[:size], tracker.EncodeCursor(millis(at), id)
}
