package kraken

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
)

// badValue is what a scalar panics with when a value cannot be its own. The executor would note a mere error and execute the
// rest of the operation; a panic ends it before anything is executed, as the specification asks.
type badValue struct{ message string }

// rawJSON is an object or a list of a request's variables as it came.
type rawJSON []byte

// MarshalJSON implements json.Marshaler.
func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

// id is an ID: it takes strings and integers, and is shown as a string.
type id string

// ImplementsGraphQLType says which type of the schema it is.
func (id) ImplementsGraphQLType(name string) bool { return name == "ID" }

// UnmarshalGraphQL reads a value.
func (v *id) UnmarshalGraphQL(input any) error {
	switch value := input.(type) {
	case string:
		*v = id(value)
	case json.Number:
		*v = id(integer(value, "ID"))
	case int32:
		*v = id(strconv.FormatInt(int64(value), 10))
	default:
		panic(badValue{"A value of the type ID is neither a string nor an integer."})
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (v id) MarshalJSON() ([]byte, error) { return json.Marshal(string(v)) }

// number is the id as one of ours, or 0.
func (v id) number() int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != string(v) {
		return 0
	}
	return n
}

// integer returns the digits of a JSON number without a fraction and an exponent.
func integer(n json.Number, name string) string {
	if strings.ContainsAny(n.String(), ".eE") {
		panic(badValue{"A value of the type " + name + " is not an integer."})
	}
	return n.String()
}

// text is a String of the input.
type text string

// ImplementsGraphQLType says which type of the schema it is.
func (text) ImplementsGraphQLType(name string) bool { return name == "String" }

// UnmarshalGraphQL reads a value.
func (v *text) UnmarshalGraphQL(input any) error {
	value, ok := input.(string)
	if !ok {
		panic(badValue{"A value of the type String is not a string."})
	}
	*v = text(value)
	return nil
}

// or returns the text, or another where it was not given.
func (v *text) or(other string) string {
	if v == nil {
		return other
	}
	return string(*v)
}

// whole is an Int of the input.
type whole int64

// ImplementsGraphQLType says which type of the schema it is.
func (whole) ImplementsGraphQLType(name string) bool { return name == "Int" }

// UnmarshalGraphQL reads a value.
func (v *whole) UnmarshalGraphQL(input any) error {
	switch value := input.(type) {
	case json.Number:
		n, err := strconv.ParseInt(integer(value, "Int"), 10, 32)
		if err != nil {
			panic(badValue{"A value of the type Int has more than 32 bits."})
		}
		*v = whole(n)
	case int32:
		*v = whole(value)
	default:
		panic(badValue{"A value of the type Int is not an integer."})
	}
	return nil
}

// truth is a Boolean of the input.
type truth bool

// ImplementsGraphQLType says which type of the schema it is.
func (truth) ImplementsGraphQLType(name string) bool { return name == "Boolean" }

// UnmarshalGraphQL reads a value.
func (v *truth) UnmarshalGraphQL(input any) error {
	value, ok := input.(bool)
	if !ok {
		panic(badValue{"A value of the type Boolean is neither true nor false."})
	}
	*v = truth(value)
	return nil
}

// jsonString is a JSONString. Graphene, which Kraken is made with, takes the text of a JSON value as a string; Kraken's own
// samples give an object. Both are taken, and kept as they came.
type jsonString struct {
	text   string
	object bool // to be shown as the value that the text is of
}

// ImplementsGraphQLType says which type of the schema it is.
func (jsonString) ImplementsGraphQLType(name string) bool { return name == "JSONString" }

// UnmarshalGraphQL reads a value.
func (v *jsonString) UnmarshalGraphQL(input any) error {
	switch value := input.(type) {
	case string:
		v.text = strings.TrimSpace(value)
	case rawJSON:
		v.text = string(value)
	case map[string]any, []any:
		v.text = written(value)
	default:
		panic(badValue{"A value of the type JSONString is neither a string nor an object."})
	}
	if !json.Valid([]byte(v.text)) {
		panic(badValue{"A value of the type JSONString is a string that is not JSON."})
	}
	if platform.TooDeep([]byte(v.text)) {
		panic(badValue{"A value of the type JSONString is nested too deep."})
	}
	return nil
}

// written is the JSON text of an object that stood in the document.
func written(value any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		panic(badValue{"A value of the type JSONString has no JSON form."})
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// MarshalJSON implements json.Marshaler.
func (v jsonString) MarshalJSON() ([]byte, error) {
	if v.object {
		return []byte(v.text), nil
	}
	return json.Marshal(v.text)
}

// generic is a GenericScalar, which is only shown.
type generic struct{ value any }

// ImplementsGraphQLType says which type of the schema it is.
func (generic) ImplementsGraphQLType(name string) bool { return name == "GenericScalar" }

// UnmarshalGraphQL reads a value.
func (v *generic) UnmarshalGraphQL(input any) error {
	v.value = input
	return nil
}

// MarshalJSON implements json.Marshaler.
func (v generic) MarshalJSON() ([]byte, error) { return json.Marshal(v.value) }
