package kraken

import (
	"strings"
	"unicode/utf8"

	gqlerrors "github.com/graph-gophers/graphql-go/errors"
)

// place says where in the document the field of the root stands that each error is about. Those of resolvers come from the
// executor without; of a field further down its path has to do.
func place(list []*gqlerrors.QueryError, in *request) {
	for _, err := range list {
		if err.ResolverError == nil || len(err.Path) != 1 || len(err.Locations) > 0 {
			continue
		}
		key, _ := err.Path[0].(string)
		if at := fieldAt(in.query, in.operation, key); at >= 0 {
			err.Locations = []gqlerrors.Location{locationOf(in.query, at)}
		}
	}
}

// fieldAt is the offset of the field of the root, in the operation of that name, that is answered under the key; -1 where it
// stands in a fragment.
func fieldAt(document, operation, key string) int {
	o := outliner{definition: true}
	fragment, before := false, byte(0)
	for at := 0; at < len(document); {
		token := document[at : at+tokenSize(document[at:])]
		if o.definition {
			fragment = token == "fragment"
		}
		o.token(token)
		if token == key && o.braces == 1 && o.parens == 0 && !fragment && !strings.ContainsRune(".@:", rune(before)) && o.inside(operation) {
			return at
		}
		if !isIgnored(token[0]) {
			before = token[0]
		}
		at += len(token)
	}
	return -1
}

// inside reports whether the operation that began last has the name, or none is asked for.
func (o *outliner) inside(name string) bool {
	return len(o.operations) > 0 && (name == "" || o.operations[len(o.operations)-1].name == name)
}

// locationOf is an offset in lines and columns, which are characters.
func locationOf(document string, at int) gqlerrors.Location {
	before := document[:at]
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return gqlerrors.Location{Line: strings.Count(before, "\n") + 1, Column: utf8.RuneCountInString(line) + 1}
}
