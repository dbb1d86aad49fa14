package ledger

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// conversionList is the index that holds the network's conversions in the order of lists, with all that a filter may ask but for
// what an exact one leads to. A list that nothing better leads to is read from it until it has its page, and of the table only
// the page's rows.
const conversionList = "conversion_list"

// How many rows at most are read and sorted for a page. Reading and sorting that many takes some milliseconds, and where more
// pass each condition, a page is most often found in conversionList sooner. But what a time selects lies together, and may lie far
// from the newest.
const (
	fewRows  = 3_000
	fewTimes = 20_000
)

// condition is what a filter asks of one column.
type condition struct {
	column string
	test   string // what follows the column; a question mark stands for each value
	values []any
	index  string // that leads to the rows that pass; empty: none does
	kind   indexKind
	few    int      // up to how many rows the index is worth while
	beside []string // other columns that the index holds
}

// indexKind is what an index does for a list.
type indexKind int

const (
	exact   indexKind = iota // it leads to a handful of rows
	ordered                  // it leads to rows in the order of the list, so that who has found a page may stop
	sorted                   // it leads to rows in an order of its own
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

// covers reports whether the condition's index holds what the others ask, too.
func (c condition) covers(asked []condition) bool {
	return !slices.ContainsFunc(asked, func(other condition) bool { return other.index != c.index && !slices.Contains(c.beside, other.column) })
}

// conversionSearch is what is asked for: the newest conversions that pass all conditions and are created between two places, the
// first of which belongs to it.
type conversionSearch struct {
	network  string
	asked    []condition
	from, to conversionPlace
	limit    int // rows
}

// findConversions returns the rows of a search. Engines cannot know which way is the best: SQLite has no statistics, and
// PostgreSQL's say nothing of several columns together.
func (l *Ledger) findConversions(ctx context.Context, s conversionSearch) ([]*bookedConversion, error) {
	for i, c := range s.asked {
		if c.index != "" && c.kind == exact {
			return l.readConversions(ctx, s, l.sortedList(s, i))
		}
	}
	index := orderedIndex(s.asked)
	if len(s.asked) == 1 && index != conversionList {
		return l.readConversions(ctx, s, l.orderedList(s, index))
	}
	fewest, err := l.fewest(ctx, s)
	switch {
	case err != nil:
		return nil, err
	case fewest >= 0 && s.asked[fewest].kind == ordered && l.db.Hint != nil: // which keeps the engine to it
		return l.readConversions(ctx, s, l.orderedList(s, s.asked[fewest].index))
	case fewest >= 0:
		return l.readConversions(ctx, s, l.sortedList(s, fewest))
	}
	return l.readConversions(ctx, s, l.orderedList(s, index))
}

// orderedIndex returns an index in the order of the list that holds all that is asked.
func orderedIndex(asked []condition) string {
	for _, c := range asked {
		if c.index != "" && c.kind == ordered && c.covers(asked) {
			return c.index
		}
	}
	return conversionList
}

// readConversions reads the rows whose ids are selected by what follows SELECT c.id.
func (l *Ledger) readConversions(ctx context.Context, search conversionSearch, found *selection) ([]*bookedConversion, error) {
	const order = ` ORDER BY c.created_at DESC, c.id DESC`
	return read(ctx, l, "conversions", scanConversion, `SELECT `+conversionColumns+`
		FROM (SELECT c.id `+found.text+order+` LIMIT `+found.bind(search.limit)+`) found JOIN conversion c ON c.id = found.id `+
		joinConversion+order, found.args...)
}

// orderedList selects from an index that holds the conversions in the order of the list.
func (l *Ledger) orderedList(search conversionSearch, index string) *selection {
	s := &selection{text: `FROM conversion c` + l.hint(index) + ` WHERE c.network = $1`, args: []any{search.network}}
	for _, c := range search.asked {
		c.and(s, c.kind == sorted)
	}
	search.bounds(s, false)
	return s
}

// sortedList selects from all that pass one of the conditions.
func (l *Ledger) sortedList(search conversionSearch, first int) *selection {
	columns := `c.*`
	if len(search.asked) == 1 {
		columns = `c.id, c.created_at` // which are in the index
	}
	s := &selection{
		text: `FROM (SELECT ` + columns + ` FROM conversion c` + l.hint(search.asked[first].index) + ` WHERE c.network = $1`,
		args: []any{search.network},
	}
	search.asked[first].and(s, false)
	search.bounds(s, true)                      // which the index holds, so that what is out of them is not read
	s.text += ` LIMIT 1000000000) c WHERE true` // a limit, so that the conditions are not judged together
	for i, c := range search.asked {
		if i != first {
			c.and(s, false)
		}
	}
	return s
}

// bounds adds between which places the rows are created. What is reckoned with leads to no index.
func (search *conversionSearch) bounds(s *selection, reckoned bool) {
	place := `(c.created_at, c.id)`
	if reckoned {
		place = `(c.created_at + 0, c.id)`
	}
	s.text += ` AND ` + place + ` >= (` + s.bind(search.from.created) + `, ` + s.bind(search.from.id) + `)` +
		` AND ` + place + ` < (` + s.bind(search.to.created) + `, ` + s.bind(search.to.id) + `)`
}

func (l *Ledger) hint(index string) string {
	if l.db.Hint == nil {
		return ""
	}
	return l.db.Hint(index)
}

// fewest returns the condition that the fewest rows pass, if they are few, or -1.
func (l *Ledger) fewest(ctx context.Context, search conversionSearch) (int, error) {
	s := &selection{args: []any{search.network}}
	var counts []string
	var which []int
	for i, c := range search.asked {
		if c.index == "" {
			continue
		}
		s.text = `(SELECT count(*) FROM (SELECT 1 FROM conversion c` + l.hint(c.index) + ` WHERE c.network = $1`
		c.and(s, false)
		counts = append(counts, s.text+` LIMIT `+s.bind(c.few)+`) AS few)`)
		which = append(which, i)
	}
	if len(which) == 0 {
		return -1, nil
	}
	rows, into := make([]int, len(which)), make([]any, len(which))
	for i := range rows {
		into[i] = &rows[i]
	}
	if err := l.db.Read.QueryRowContext(ctx, `SELECT `+strings.Join(counts, `, `), s.args...).Scan(into...); err != nil {
		return -1, l.told(fmt.Errorf("counting conversions: %w", err))
	}
	fewest, least := -1, math.MaxInt
	for i, n := range rows {
		if n < min(least, search.asked[which[i]].few) {
			fewest, least = which[i], n
		}
	}
	return fewest, nil
}
