package ledger

import (
	"context"
	"database/sql"
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

// conversionSearch is what is asked for: the newest conversions that pass all conditions and are created between two places, the
// first of which belongs to it.
type conversionSearch struct {
	network  string
	asked    []condition
	from, to conversionPlace
	limit    int // rows
}

// conversionPlan is how a search goes on.
type conversionPlan struct {
	first int    // the condition that the rows are found by, and then sorted; negative: they are read from the newest on …
	index string // … by this index
}

// A search begins with the condition that the fewest rows pass, if they are at most fewRows: so many are read in a few
// milliseconds. Where more pass each condition, a page of those that pass all is nearly always among the next windowRows that
// the list has. Where it is not, on a deep page or if hardly anything passes all, the condition that the fewest rows pass is
// the way again, up to manyRows. Engines cannot know which it is: SQLite has no statistics, and PostgreSQL's say nothing of
// several columns together.
const (
	fewRows    = 2_000
	windowRows = 5_000
	manyRows   = 200_000
)

// findConversions returns the rows of a search.
func (l *Ledger) findConversions(ctx context.Context, s conversionSearch) ([]*bookedConversion, error) {
	plan, sure, err := l.plan(ctx, s)
	if err != nil || sure {
		return l.readConversions(ctx, s, plan, err)
	}
	window := s
	if window.from, err = l.windowEnd(ctx, s, plan); err != nil {
		return nil, err
	}
	rows, err := l.readConversions(ctx, window, plan, nil)
	if err != nil || len(rows) == s.limit || window.from == s.from {
		return rows, err
	}
	plan, err = l.lastPlan(ctx, s, plan)
	return l.readConversions(ctx, s, plan, err)
}

// readConversions follows the plan, unless there is an error already.
func (l *Ledger) readConversions(ctx context.Context, s conversionSearch, plan conversionPlan, err error) ([]*bookedConversion, error) {
	if err != nil {
		return nil, err
	}
	const order = ` ORDER BY c.created_at DESC, c.id DESC`
	found := l.selectList(s, plan)
	return read(ctx, l, "conversions", scanConversion, `SELECT `+conversionColumns+`
		FROM (SELECT c.id `+found.text+order+` LIMIT `+found.bind(s.limit)+`) found JOIN conversion c ON c.id = found.id `+
		joinConversion+order, found.args...)
}

// selectList returns what follows SELECT c.id in the query of a list of conversions, but for its order.
func (l *Ledger) selectList(search conversionSearch, plan conversionPlan) *selection {
	s := &selection{args: []any{search.network}}
	if plan.first < 0 {
		s.text = `FROM conversion c` + l.hint(plan.index) + ` WHERE c.network = $1`
	} else {
		columns := `c.*`
		if len(search.asked) == 1 {
			columns = `c.id, c.created_at` // which are in the index
		}
		s.text = `FROM (SELECT ` + columns + ` FROM conversion c` + l.hint(search.asked[plan.first].index) + ` WHERE c.network = $1`
		search.asked[plan.first].and(s, false)
		s.text += ` LIMIT 1000000000) c WHERE true` // a limit, so that the conditions are not judged together
	}
	for i, c := range search.asked {
		if i != plan.first {
			c.and(s, c.kind == sorted && (len(search.asked) > 1 || l.db.Hint != nil))
		}
	}
	search.bounds(s)
	return s
}

// bounds adds between which places the rows are created.
func (search *conversionSearch) bounds(s *selection) {
	s.text += ` AND (c.created_at, c.id) >= (` + s.bind(search.from.created) + `, ` + s.bind(search.from.id) + `)` +
		` AND (c.created_at, c.id) < (` + s.bind(search.to.created) + `, ` + s.bind(search.to.id) + `)`
}

func (l *Ledger) hint(index string) string {
	if l.db.Hint == nil {
		return ""
	}
	return l.db.Hint(index)
}

// plan returns how a search begins, and whether there is nothing better to go on with if that takes long.
func (l *Ledger) plan(ctx context.Context, s conversionSearch) (plan conversionPlan, sure bool, err error) {
	plan = conversionPlan{-1, "conversion_created"}
	indexed := indexedConditions(s.asked)
	for _, i := range indexed {
		switch c := s.asked[i]; {
		case c.kind == exact:
			return conversionPlan{first: i}, true, nil
		case c.kind == ordered && plan.index == "conversion_created":
			plan.index = c.index
		}
	}
	if len(indexed) == 0 || len(s.asked) == 1 && (l.db.Hint == nil || s.asked[0].kind == ordered) {
		return plan, true, nil
	}
	fewest, found, err := l.fewest(ctx, s, indexed, fewRows)
	if found {
		return conversionPlan{first: fewest}, true, nil
	}
	return plan, false, err
}

// lastPlan returns how a search goes on that has found too little in its window. What a single condition asks is all in its index.
func (l *Ledger) lastPlan(ctx context.Context, s conversionSearch, plan conversionPlan) (conversionPlan, error) {
	if len(s.asked) == 1 {
		return conversionPlan{first: 0}, nil
	}
	fewest, found, err := l.fewest(ctx, s, indexedConditions(s.asked), manyRows)
	switch {
	case !found:
		return plan, err
	case s.asked[fewest].kind == ordered:
		return conversionPlan{-1, s.asked[fewest].index}, nil // which ends when it has a page
	}
	return conversionPlan{first: fewest}, nil
}

// indexedConditions are those that an index leads to.
func indexedConditions(asked []condition) (indexed []int) {
	for i, c := range asked {
		if c.index != "" {
			indexed = append(indexed, i)
		}
	}
	return indexed
}

// windowEnd is the place up to which the next windowRows of the plan's index are created, or the search's own end.
func (l *Ledger) windowEnd(ctx context.Context, search conversionSearch, plan conversionPlan) (conversionPlace, error) {
	s := &selection{text: `SELECT c.created_at, c.id FROM conversion c` + l.hint(plan.index) + ` WHERE c.network = $1`, args: []any{search.network}}
	for _, c := range search.asked {
		if c.index == plan.index {
			c.and(s, false)
		}
	}
	search.bounds(s)
	scan := func(rows *sql.Rows) (p conversionPlace, err error) { return p, rows.Scan(&p.created, &p.id) }
	ends, err := read(ctx, l, "conversions", scan, s.text+` ORDER BY c.created_at DESC, c.id DESC LIMIT 1 OFFSET `+s.bind(windowRows), s.args...)
	if err != nil || len(ends) == 0 {
		return search.from, err
	}
	return ends[0], nil
}

// fewest returns which of those conditions the fewest rows pass, if they are fewer than limit.
func (l *Ledger) fewest(ctx context.Context, s conversionSearch, which []int, limit int) (fewest int, found bool, err error) {
	counts, err := l.countRows(ctx, s, which, limit)
	for i, n := range counts {
		if n < limit {
			fewest, limit, found = which[i], n, true
		}
	}
	return fewest, found, err
}

// countRows counts up to limit rows that pass each of those conditions.
func (l *Ledger) countRows(ctx context.Context, search conversionSearch, which []int, limit int) ([]int, error) {
	s := &selection{args: []any{search.network, limit}}
	counts, into := make([]int, len(which)), make([]any, len(which))
	for i, c := range which {
		if i > 0 {
			s.text += `, `
		}
		s.text += `(SELECT count(*) FROM (SELECT 1 FROM conversion c` + l.hint(search.asked[c].index) + ` WHERE c.network = $1`
		search.asked[c].and(s, false)
		s.text += ` LIMIT $2) AS few)`
		into[i] = &counts[i]
	}
	if err := l.db.Read.QueryRowContext(ctx, `SELECT `+s.text, s.args...).Scan(into...); err != nil {
		return nil, l.told(fmt.Errorf("counting conversions: %w", err))
	}
	return counts, nil
}
