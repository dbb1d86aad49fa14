package geniuslink

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/caddy-affiliate/caddy-affiliate/platform/geniuslink/jsv"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func encodeJSON(a reply) []byte { return appendJSON(nil, a.body) }

// encodeJSONL writes the rows of a list each on a line of its own, and anything else on one.
func encodeJSONL(a reply) []byte {
	list, ok := a.body.list()
	if !ok {
		return append(encodeJSON(a), '\n')
	}
	var b []byte
	for _, row := range list.all {
		b = append(appendJSON(b, row), '\n')
	}
	return b
}

func appendJSON(b []byte, value any) []byte {
	switch v := value.(type) {
	case record:
		b = append(b, '{')
		for i, m := range v.given() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONText(b, m.name), ':')
			b = appendJSON(b, m.value)
		}
		return append(b, '}')
	case rows:
		return appendJSONList(b, v.all)
	case []string:
		return appendJSONList(b, v)
	case texts:
		return appendJSON(b, v.record())
	case string:
		return appendJSONText(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	default:
		return strconv.AppendInt(b, v.(int64), 10)
	}
}

func appendJSONList[T any](b []byte, list []T) []byte {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, item)
	}
	return append(b, ']')
}

func appendJSONText(b []byte, s string) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // as ServiceStack; the answer is never taken for a page
	if err := encoder.Encode(s); err != nil {
		panic(err) // a string always has a JSON form
	}
	return append(b, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
}

// record returns the texts as members.
func (t texts) record() record {
	r := make(record, 0, len(t))
	for _, name := range slices.Sorted(maps.Keys(t)) {
		r = append(r, member{name, t[name]})
	}
	return r
}

func encodeJSV(a reply) []byte { return toJSV(a.body).Append(nil) }

func toJSV(value any) jsv.Node {
	switch v := value.(type) {
	case record:
		n := jsv.Node{Kind: jsv.Map}
		for _, m := range v.given() {
			n.Members = append(n.Members, jsv.Member{Key: m.name, Value: toJSV(m.value)})
		}
		return n
	case rows:
		n := jsv.Node{Kind: jsv.List}
		for _, row := range v.all {
			n.Items = append(n.Items, toJSV(row))
		}
		return n
	case []string:
		n := jsv.Node{Kind: jsv.List}
		for _, s := range v {
			n.Items = append(n.Items, jsv.String(s))
		}
		return n
	case texts:
		return toJSV(v.record())
	case bool:
		if v {
			return jsv.String("True")
		}
		return jsv.String("False")
	case int64:
		return jsv.String(strconv.FormatInt(v, 10))
	default:
		return jsv.String(v.(string))
	}
}

// encodeCSV writes a line of names and a line for each row of a list, or one for anything else (RFC 4180). What is no plain
// value is JSV in its cell.
func encodeCSV(a reply) []byte {
	lines := []record{a.body.given()}
	if list, ok := a.body.list(); ok {
		lines = list.all
	}
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.UseCRLF = true
	for i, line := range lines {
		names, cells := make([]string, len(line)), make([]string, len(line))
		for j, m := range line {
			names[j], cells[j] = m.name, cell(m.value)
		}
		if i == 0 {
			out.Write(names) // to memory, which does not fail
		}
		out.Write(cells)
	}
	out.Flush()
	return b.Bytes()
}

func cell(value any) string {
	if s, ok := value.(string); ok {
		return tracker.GuardFormula(s)
	}
	if value == nil {
		return ""
	}
	return string(toJSV(value).Append(nil)) // begins with a bracket, a digit or a letter
}
