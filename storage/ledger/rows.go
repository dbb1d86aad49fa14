package ledger

// Rows is a batch for one table, held by column: the form from which each engine inserts fastest.
type Rows struct {
	Table   string
	Key     string // the columns of the primary key
	Columns []Column
	Len     int // rows; the length of each column

	// Conflict says what becomes of a row whose key is there already: what follows DO in ON CONFLICT. Empty: NOTHING. With
	// another, no two rows of a batch may have the same key.
	Conflict string
}

// OnConflict is the clause of the INSERT that says what becomes of rows whose key is there already.
func (r *Rows) OnConflict() string {
	do := r.Conflict
	if do == "" {
		do = "NOTHING"
	}
	return "ON CONFLICT (" + r.Key + ") DO " + do
}

// Column is one column of a batch. Exactly one of the slices is set.
type Column struct {
	Name  string
	Text  []string
	Int   []int64
	Truth []bool
}

// Value returns the value of row i.
func (c *Column) Value(i int) any {
	switch {
	case c.Text != nil:
		return c.Text[i]
	case c.Int != nil:
		return c.Int[i]
	default:
		return c.Truth[i]
	}
}
