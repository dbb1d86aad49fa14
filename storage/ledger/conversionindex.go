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

// A page of those that pass all conditions is most often among the next nearRows that the list has, and looking there costs
// less than finding out. Where it is not, the search goes on with the condition that the fewest rows pass, if they are at most
// fewRows: so many are read in a few milliseconds. Where more pass each condition, the page is nearly always among the next
// windowRows. Where it is not, on a deep page or if hardly anything passes all, the condition that the fewest rows pass is
// the way again, up to manyRows. Engines cannot know which it is: SQLite has no statistics, and PostgreSQL's say nothing of
// several columns together.
const (
	nearRows   = 500
	fewRows    = 2_000
	windowRows = 5_000
	manyRows   = 200_000
)

// conversionHunt is a search under way: the rows that it has found, newest first, and what is left of it.
type conversionHunt struct {
	left  conversionSearch
	found []*bookedConversion
	done  bool
}

// findConversions returns the rows of a search.
func (l *Ledger) findConversions(ctx context.Context, s conversionSearch) ([]*bookedConversion, error) {
	h := conversionHunt{left: s}
	plan, sure := l.plan(s)
	if sure {
		err := h.read(ctx, l, plan)
		return h.found, err
	}
	if err := h.readNewest(ctx, l, plan, nearRows); err != nil || h.done {
		return h.found, err
	}
	likely := len(h.found)*windowRows/nearRows >= h.left.limit // as many again are among those that come next
	if likely {
		if err := h.readNewest(ctx, l, plan, windowRows); err != nil || h.done {
			return h.found, err
		}
	}
	few, found, err := l.fewest(ctx, h.left, fewRows)
	if err != nil {
		return nil, err
	}
	if !found && !likely {
		if err := h.readNewest(ctx, l, plan, windowRows); err != nil || h.done {
			return h.found, err
		}
	}
	if !found {
		if few, err = l.lastPlan(ctx, h.left, plan); err != nil {
			return nil, err
		}
	}
	if l.readsRowByRow(h.left, few) {
		if err := h.readNewest(ctx, l, few, nearRows); err != nil || h.done {
			return h.found, err
		}
	}
	err = h.read(ctx, l, few)
	return h.found, err
}

// readsRowByRow reports whether the plan reads a row for each entry of an index that it finds, in no order of the table's:
// then it is worth while to sort the entries first, which costs little, and to read only the newest. PostgreSQL reads such
// rows in the order in which they lie.
func (l *Ledger) readsRowByRow(s conversionSearch, plan conversionPlan) bool {
	return l.db.Hint != nil && plan.first >= 0 && s.asked[plan.first].kind == sorted && len(s.asked) > 1
}

// readNewest looks among the next n rows that the plan leads to.
func (h *conversionHunt) readNewest(ctx context.Context, l *Ledger, plan conversionPlan, n int) error {
	all := h.left.from
	end, err := l.windowEnd(ctx, h.left, plan, n)
	if err != nil {
		return err
	}
	h.left.from = end
	err = h.read(ctx, l, plan)
	h.done = h.left.limit == 0 || end == all
	h.left.from, h.left.to = all, end
	return err
}

// read takes what the plan leads to.
func (h *conversionHunt) read(ctx context.Context, l *Ledger, plan conversionPlan) error {
	rows, err := l.readConversions(ctx, h.left, plan)
	h.found = append(h.found, rows...)
	h.left.limit -= len(rows)
	return err
}

// readConversions follows the plan.
func (l *Ledger) readConversions(ctx context.Context, s conversionSearch, plan conversionPlan) ([]*bookedConversion, error) {
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
		search.bounds(s, true)                      // which the index holds, so that what is out of them is not read
		s.text += ` LIMIT 1000000000) c WHERE true` // a limit, so that the conditions are not judged together
	}
	for i, c := range search.asked {
		if i != plan.first {
			c.and(s, c.kind == sorted && (len(search.asked) > 1 || l.db.Hint != nil))
		}
	}
	if plan.first < 0 {
		search.bounds(s, false)
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

// plan returns how a search begins, and whether there is nothing better to go on with if that takes long.
func (l *Ledger) plan(s conversionSearch) (plan conversionPlan, sure bool) {
	plan = conversionPlan{-1, "conversion_created"}
	indexed := indexedConditions(s.asked)
	for _, i := range indexed {
		switch c := s.asked[i]; {
		case c.kind == exact:
			return conversionPlan{first: i}, true
		case c.kind == ordered && plan.index == "conversion_created":
			plan.index = c.index
		}
	}
	return plan, len(indexed) == 0 || len(s.asked) == 1 && (l.db.Hint == nil || s.asked[0].kind == ordered)
}

// lastPlan returns how a search goes on that has found too little in its window. What a single condition asks is all in its index.
func (l *Ledger) lastPlan(ctx context.Context, s conversionSearch, plan conversionPlan) (conversionPlan, error) {
	if len(s.asked) == 1 {
		return conversionPlan{first: 0}, nil
	}
	var fewest conversionPlan
	var found bool
	for limit := fewRows; !found && limit < manyRows; { // by steps, since counting costs the more the more there are
		var err error
		limit *= 10
		if fewest, found, err = l.fewest(ctx, s, limit); err != nil {
			return plan, err
		}
	}
	switch {
	case !found:
		return plan, nil
	case fewest.first >= 0 && s.asked[fewest.first].kind == ordered:
		return conversionPlan{-1, s.asked[fewest.first].index}, nil // which ends when it has a page
	}
	return fewest, nil
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

// windowEnd is the place up to which the next n rows that the plan's index leads to are created, or the search's own end.
func (l *Ledger) windowEnd(ctx context.Context, search conversionSearch, plan conversionPlan, n int) (conversionPlace, error) {
	if plan.first >= 0 {
		plan.index = search.asked[plan.first].index
	}
	s := &selection{text: `SELECT c.created_at, c.id FROM conversion c` + l.hint(plan.index) + ` WHERE c.network = $1`, args: []any{search.network}}
	for i, c := range search.asked {
		if i == plan.first || plan.first < 0 && c.index == plan.index {
			c.and(s, false)
		}
	}
	search.bounds(s, false)
	scan := func(rows *sql.Rows) (p conversionPlace, err error) { return p, rows.Scan(&p.created, &p.id) }
	ends, err := read(ctx, l, "conversions", scan, s.text+` ORDER BY c.created_at DESC, c.id DESC LIMIT 1 OFFSET `+s.bind(n), s.args...)
	if err != nil || len(ends) == 0 {
		return search.from, err
	}
	return ends[0], nil
}

// fewest returns the plan by the condition that the fewest rows pass, if they are fewer than limit.
func (l *Ledger) fewest(ctx context.Context, s conversionSearch, limit int) (fewest conversionPlan, found bool, err error) {
	which := indexedConditions(s.asked)
	counts, err := l.countRows(ctx, s, which, limit)
	for i, n := range counts {
		if n < limit {
			fewest, limit, found = conversionPlan{first: which[i]}, n, true
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
