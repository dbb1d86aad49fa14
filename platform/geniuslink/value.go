package geniuslink

// record is an object of an answer: its members in the order of the type. Those that are nil are not written, as
// ServiceStack does.
type record []member

// member is a named value: a bool, int64, string, texts, []string, record or rows.
type member struct {
	name  string
	value any
}

// texts are texts by their names, written in the names' order.
type texts map[string]string

// rows is a list of objects.
type rows struct {
	item string // what XML calls one of them
	all  []record
}

// given returns the record's members that are not nil.
func (r record) given() record {
	kept := make(record, 0, len(r))
	for _, m := range r {
		if m.value != nil {
			kept = append(kept, m)
		}
	}
	return kept
}

// list returns the list that the record is about: its one member, if that is rows.
func (r record) list() (rows, bool) {
	given := r.given()
	if len(given) != 1 {
		return rows{}, false
	}
	list, ok := given[0].value.(rows)
	return list, ok
}

// reply is an answer before it has a format.
type reply struct {
	status int
	name   string // the type's, which XML needs
	body   record
}
