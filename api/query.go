package api

import (
	"net/url"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// checkQuery refuses a query that is read in more than one way: net/url drops what it cannot decode, and takes the first of
// two values. Whether its parameters are known is huma's to say.
func checkQuery(rawQuery string) error {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return wrongValue("query", "must be pairs of name=value with & between them and % before what is not plain")
	}
	var wrong tracker.Invalid
	for name, given := range values {
		switch {
		case len(given) > 1:
			wrong.Add(join("", name), "is given twice")
		case given[0] == "":
			wrong.Add(join("", name), "must not be empty: leave it out")
		case !isText(name + given[0]):
			wrong.Add("query", "must be UTF-8 without U+0000")
		}
	}
	return wrong.Err()
}

// isText reports whether every database takes s as text.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// given is a parameter that may be left out where its zero value says something.
type given[T any] struct {
	value T
	isSet bool
}

// Receiver implements huma.ParamWrapper.
func (g *given[T]) Receiver() reflect.Value { return reflect.ValueOf(&g.value).Elem() }

// OnParamSet implements huma.ParamReactor.
func (g *given[T]) OnParamSet(isSet bool, _ any) { g.isSet = isSet }

// Schema implements huma.SchemaProvider.
func (*given[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// pointer returns the value, or nil if none was given.
func (g *given[T]) pointer() *T {
	if !g.isSet {
		return nil
	}
	return &g.value
}
