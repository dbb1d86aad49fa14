package ledger

import (
	"strconv"

	"github.com/google/uuid"
)

// timed reports whether a subject's id begins with a time, as UUIDv7s do. The ids of deliveries about it then begin with that
// time, too.
func timed(subject string) bool {
	return len(subject) == 36 && subject[14] == '7' && uuid.Validate(subject) == nil
}

// spanOf returns the lowest and the highest id that a delivery about the subject may have: it is one of its millisecond.
func spanOf(subject string) (low, high string) {
	if !timed(subject) {
		return "", "g" // any
	}
	at := subject[:13]
	return at + "-0000-0000-000000000000", at + "-ffff-ffff-ffffffffffff"
}

// andSubject takes the deliveries that are about the subject, unless that is empty.
func (s *selection) andSubject(subject string) {
	switch {
	case subject == "":
		return
	case timed(subject):
		low, high := spanOf(subject)
		s.and(`id >= ?`, low)
		s.and(`id <= ?`, high)
	default:
		s.text += ` AND substr(subject, 15, 1) <> '7'` // as the index of the others has it
	}
	s.and(`subject = ?`, subject)
}

// about is a query for the ids of the network's deliveries that are about one of the subjects, and what it binds. SQLite keeps to
// the join's order, and so looks for each subject instead of reading all deliveries.
func (l *Ledger) about(network string, subjects []string) (query string, args []any) {
	low, high := make([]string, len(subjects)), make([]string, len(subjects))
	for i, subject := range subjects {
		low[i], high[i] = spanOf(subject)
	}
	table, args := l.db.Values(Rows{Table: "wanted", Len: len(subjects), Columns: []Column{
		{Name: "low", Text: low}, {Name: "high", Text: high}, {Name: "subject", Text: subjects},
	}})
	args = append(args, network)
	return `SELECT d.id FROM ` + table + ` CROSS JOIN delivery d WHERE d.id >= wanted.low AND d.id <= wanted.high
		AND d.subject = wanted.subject AND d.network || '' = $` + strconv.Itoa(len(args)), args
}
