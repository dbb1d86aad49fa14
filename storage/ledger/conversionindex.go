package ledger

import (
	"context"
	"fmt"
	"strings"
)

// condition is what a filter asks of one column.
type condition struct {
	column string
	test   string // what follows the column; a question mark stands for each value
	values []any
	index  string // that leads to the rows that pass; empty: none does
	kind   indexKind
	alone  int // up to how many rows are sorted by the index, where this is all that is asked; 0: fewRows
}

// indexKind is what an index does for a list.
type indexKind int

const (
	exact   indexKind = iota // it leads to a handful of rows
	ordered                  // it leads to rows in the order of the list, so that who has found a page may stop
	sorted                   // it holds what the list is ordered by, so that rows can be sorted before they are read
)

// and adds the condition. A column that is reckoned with has no index.
func (c condition) and(s *selection, reckoned bool) {
	column, test := c.column, c.test
	if reckoned {
		column = "(" + column + " + 0)"
	}
	for _, value := range c.values {
		test = strings.Replace(test, "?", s.bind(value), 1)
	}
	s.text += ` AND ` + column + test
}

// A list begins with the condition that the fewest rows pass, if they are at most so many: so many are read in a few
// milliseconds. Where more pass each condition, a page of those that pass all is soon found among the newest. Engines cannot
// know which it is: SQLite has no statistics, and PostgreSQL's say nothing of several columns together.
const fewRows = 2_000

// selectList returns what follows SELECT c.id in the query of a list of conversions, but for its order.
func (l *Ledger) selectList(
	ctx context.Context, network string, asked []condition, from, to conversionPlace,
) (*selection, error) {
	first, standard, err := l.firstCondition(ctx, network, asked)
	if err != nil {
		return nil, err
	}
	s := &selection{args: []any{network}}
	if first < 0 {
		s.text = `FROM conversion c` + l.hint(standard) + ` WHERE c.network = $1`
	} else {
		columns := `c.*`
		if len(asked) == 1 {
			columns = `c.id, c.created_at` // which are in the index
		}
		s.text = `FROM (SELECT ` + columns + ` FROM conversion c` + l.hint(asked[first].index) + ` WHERE c.network = $1`
		asked[first].and(s, false)
		s.text += ` LIMIT 1000000000) c WHERE true` // a limit, so that the conditions are not judged together
	}
	for i, c := range asked {
		if i != first {
			c.and(s, c.kind == sorted && (len(asked) > 1 || l.db.Hint != nil))
		}
	}
	s.text += ` AND (c.created_at, c.id) >= (` + s.bind(from.created) + `, ` + s.bind(from.id) + `)` +
		` AND (c.created_at, c.id) < (` + s.bind(to.created) + `, ` + s.bind(to.id) + `)`
	return s, nil
}

func (l *Ledger) hint(index string) string {
	if l.db.Hint == nil {
		return ""
	}
	return l.db.Hint(index)
}

// firstCondition returns with which condition a list begins. It is negative where it begins with the newest, by the index
// standard.
func (l *Ledger) firstCondition(ctx context.Context, network string, asked []condition) (first int, standard string, err error) {
	standard = "conversion_created"
	var indexed []int
	for i, c := range asked {
		switch {
		case c.index == "":
			continue
		case c.kind == exact:
			return i, "", nil
		case c.kind == ordered && standard == "conversion_created":
			standard = c.index
		}
		indexed = append(indexed, i)
	}
	limit := fewRows
	if len(asked) == 1 {
		limit = max(limit, asked[0].alone)
	}
	if len(indexed) == 0 || len(asked) == 1 && (l.db.Hint == nil || asked[0].kind == ordered) {
		return -1, standard, nil
	}
	counts, err := l.countRows(ctx, network, asked, indexed, limit)
	first = -1
	for i, n := range counts {
		if n < limit {
			first, limit = indexed[i], n
		}
	}
	return first, standard, err
}

// countRows counts up to limit rows that pass each of those conditions.
func (l *Ledger) countRows(ctx context.Context, network string, asked []condition, which []int, limit int) ([]int, error) {
	s := &selection{args: []any{network, limit}}
	counts, into := make([]int, len(which)), make([]any, len(which))
	for i, c := range which {
		if i > 0 {
			s.text += `, `
		}
		s.text += `(SELECT count(*) FROM (SELECT 1 FROM conversion c` + l.hint(asked[c].index) + ` WHERE c.network = $1`
		asked[c].and(s, false)
		s.text += ` LIMIT $2) AS few)`
		into[i] = &counts[i]
	}
	if err := l.db.Read.QueryRowContext(ctx, `SELECT `+s.text, s.args...).Scan(into...); err != nil {
		return nil, fmt.Errorf("counting conversions: %w", err)
	}
	return counts, nil
}
