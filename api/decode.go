package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// maxDepth is how deep the objects and arrays of a field that takes any JSON may be nested.
const maxDepth = 16

// maxShownName is how much of a name that a client made up is repeated in a path, in bytes.
const maxShownName = 64

// decode reads a request's JSON into the struct that v points to; fields that are not given keep what they have, unless they
// have the tag required. encoding/json would take names in any case, the last of two fields of one name and null for
// everything, would read no further than the first fault, and would repeat values in its errors. Here names are exact and
// given once, null stands only for what it can take away, whole numbers are read digit by digit, and the error is a
// tracker.Invalid with everything that is wrong.
func decode(data []byte, v any) error {
	if !utf8.Valid(data) || !json.Valid(data) {
		return errMalformed
	}
	if data = bytes.TrimSpace(data); data[0] != '{' {
		return errMalformed
	}
	if hasLoneSurrogate(data) {
		return errSurrogate
	}
	var d decoder
	d.value("", data, reflect.ValueOf(v).Elem())
	return d.wrong.Err()
}

type decoder struct{ wrong tracker.Invalid }

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// value reads raw, which is valid JSON, into v.
func (d *decoder) value(path string, raw []byte, v reflect.Value) {
	null := string(raw) == "null"
	switch {
	case null && v.Kind() == reflect.Pointer:
		v.SetZero()
	case null:
		d.wrong.Add(path, "must not be null: leave it out")
	case v.Type() == rawType:
		d.free(path, raw, 1)
		v.SetBytes(bytes.Clone(raw))
	case v.Type() == timeType:
		d.time(path, raw, v)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, raw, v.Elem())
	default:
		d.plain(path, raw, v)
	}
}

// plain reads what is no special case.
func (d *decoder) plain(path string, raw []byte, v reflect.Value) {
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if s, ok := d.text(path, raw); ok {
			if err := text.UnmarshalText([]byte(s)); err != nil {
				d.wrong.Add(path, err.Error())
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(path, raw, v)
	case reflect.Map:
		d.textMap(path, raw, v)
	case reflect.Slice:
		d.array(path, raw, v)
	case reflect.String:
		if s, ok := d.text(path, raw); ok {
			d.ends(path, s)
			v.SetString(s)
		}
	case reflect.Bool:
		if string(raw) != "true" && string(raw) != "false" {
			d.wrong.Add(path, "must be true or false")
			return
		}
		v.SetBool(string(raw) == "true")
	case reflect.Int, reflect.Int64:
		d.integer(path, raw, v)
	default:
		panic(fmt.Sprintf("api: a body has a field of type %s", v.Type()))
	}
}

// integer reads a whole number digit by digit: no float is involved, so each one is exact, and no exponent is computed.
func (d *decoder) integer(path string, raw []byte, v reflect.Value) {
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') || bytes.ContainsAny(raw, ".eE") {
		d.wrong.Add(path, "must be a whole number, without quotes, decimals and exponent")
		return
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || v.OverflowInt(n) {
		d.wrong.Add(path, "is out of range")
		return
	}
	v.SetInt(n)
}

func (d *decoder) time(path string, raw []byte, v reflect.Value) {
	s, ok := d.text(path, raw)
	if !ok {
		return
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		d.wrong.Add(path, "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z, not before 1970")
		return
	}
	v.Set(reflect.ValueOf(t.UTC()))
}

// text reads a string. U+0000 is refused: PostgreSQL cannot store it.
func (d *decoder) text(path string, raw []byte) (string, bool) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		d.wrong.Add(path, "must be a string")
		return "", false
	}
	if strings.ContainsRune(s, 0) {
		d.wrong.Add(path, "must not contain U+0000")
		return "", false
	}
	return s, true
}

// ends refuses white space at the ends of a text that is no note: nobody sees it, and an id with it is another one.
func (d *decoder) ends(path, s string) {
	if strings.TrimSpace(s) != s && path != "note" {
		d.wrong.Add(path, "must not begin or end with white space")
	}
}

// object reads raw into the struct v.
func (d *decoder) object(path string, raw []byte, v reflect.Value) {
	given := map[string]bool{}
	if !d.members(path, raw, func(name string, value []byte) {
		given[name] = string(value) != "null"
		field, ok := fieldOf(v.Type(), name)
		switch {
		case !ok:
			d.wrong.Add(join(path, name), "is not a field of this object")
		case string(value) == "null" && !takesNull(field):
			d.wrong.Add(join(path, name), "must not be null: leave it out")
		default:
			d.value(join(path, name), value, v.FieldByIndex(field.Index))
		}
	}) {
		return
	}
	for _, name := range requiredFields(v.Type()) {
		if !given[name] {
			d.wrong.Add(join(path, name), "is required")
		}
	}
	if a, b, ok := eitherField(v.Type()); ok && !given[a] && !given[b] {
		d.wrong.Add(join(path, a), "is required where there is no "+b)
	}
}

// fieldOf finds the field that JSON calls name.
func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for _, field := range reflect.VisibleFields(t) {
		if name != "" && name == jsonName(field) {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

// takesNull reports whether null takes a field away: whether it is a pointer, but not one that only tells what was not given.
func takesNull(field reflect.StructField) bool {
	return field.Type.Kind() == reflect.Pointer && field.Tag.Get("nullable") != "false"
}

// requiredFields are the names of a struct's fields with the tag required, in their order.
func requiredFields(t reflect.Type) []string {
	var names []string
	for _, field := range reflect.VisibleFields(t) {
		if field.Tag.Get("required") == "true" {
			names = append(names, jsonName(field))
		}
	}
	return names
}

// eitherField finds the field with the tag requiredWithout, of which it and the one that the tag names one at least is required.
func eitherField(t reflect.Type) (name, other string, ok bool) {
	for _, field := range reflect.VisibleFields(t) {
		if other := field.Tag.Get("requiredWithout"); other != "" {
			return jsonName(field), other, true
		}
	}
	return "", "", false
}

// jsonName is what JSON calls a field; empty for one that it does not know.
func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if field.Anonymous || !field.IsExported() || name == "-" {
		return ""
	}
	return name
}

func (d *decoder) array(path string, raw []byte, v reflect.Value) {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	d.elements(path, raw, func(path string, value []byte) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(path, value, element)
		v.Set(reflect.Append(v, element))
	})
}

func (d *decoder) textMap(path string, raw []byte, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	d.members(path, raw, func(name string, value []byte) {
		if s, ok := d.text(join(path, name), value); ok {
			v.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(s))
		}
	})
}

// free checks a value that may be anything.
func (d *decoder) free(path string, raw []byte, depth int) {
	switch {
	case depth > maxDepth && (raw[0] == '{' || raw[0] == '['):
		d.wrong.Add(path, fmt.Sprintf("must be nested at most %d deep", maxDepth))
	case raw[0] == '{':
		d.members(path, raw, func(name string, value []byte) { d.free(join(path, name), value, depth+1) })
	case raw[0] == '[':
		d.elements(path, raw, func(path string, value []byte) { d.free(path, value, depth+1) })
	case raw[0] == '"':
		d.text(path, raw)
	}
}

// members calls yield for each field of an object, and reports whether raw is one.
func (d *decoder) members(path string, raw []byte, yield func(name string, value []byte)) bool {
	if raw[0] != '{' {
		d.wrong.Add(path, "must be an object")
		return false
	}
	seen := map[string]bool{}
	text := json.NewDecoder(bytes.NewReader(raw))
	text.Token()
	for text.More() {
		token, _ := text.Token()
		name, _ := token.(string)
		var value json.RawMessage
		text.Decode(&value)
		switch {
		case seen[name]:
			d.wrong.Add(join(path, name), "is given twice")
		case strings.ContainsRune(name, 0):
			d.wrong.Add(path, "has a name with U+0000")
		default:
			yield(name, value)
		}
		seen[name] = true
	}
	return true
}

// elements calls yield for each element of an array.
func (d *decoder) elements(path string, raw []byte, yield func(path string, value []byte)) {
	if raw[0] != '[' {
		d.wrong.Add(path, "must be an array")
		return
	}
	text := json.NewDecoder(bytes.NewReader(raw))
	text.Token()
	for i := 0; text.More(); i++ {
		var value json.RawMessage
		text.Decode(&value)
		yield(fmt.Sprintf("%s[%d]", path, i), value)
	}
}

func join(path, name string) string {
	if len(name) > maxShownName {
		name = strings.ToValidUTF8(name[:maxShownName], "")
	}
	if path == "" {
		return name
	}
	return path + "." + name
}
