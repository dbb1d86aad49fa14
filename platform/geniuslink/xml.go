package geniuslink

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"slices"
	"strconv"
	"unicode"
)

// The namespaces of .NET's data contracts, as the service's metadata pages have them.
const (
	answerSpace = "http://schemas.datacontract.org/2004/07/AffiliationAPI.ServiceModel.V4.Responses"
	statusSpace = "http://schemas.servicestack.net/types"
	arraySpace  = "http://schemas.microsoft.com/2003/10/Serialization/Arrays"
)

// statusMember is the member that every answer may have, and the one of its base type.
const statusMember = "responseStatus"

// encodeXML writes what .NET's DataContractSerializer reads, which passes over elements that come in another order than its
// own: the base type's first, then by name, but in types that say their order themselves.
func encodeXML(a reply) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>`)
	b.WriteString(`<` + a.name + ` xmlns="` + answerSpace + `">`)
	writeMembers(&b, "", a.body)
	b.WriteString(`</` + a.name + `>`)
	return b.Bytes()
}

// writeMembers writes an object's members under the prefix of its type's namespace.
func writeMembers(b *bytes.Buffer, prefix string, r record) {
	given := r.given()
	if prefix == "" {
		slices.SortStableFunc(given, func(a, b member) int { return cmp.Compare(contractOrder(a), contractOrder(b)) })
	}
	for _, m := range given {
		writeElement(b, prefix, m.name, m.value)
	}
}

func contractOrder(m member) string {
	if m.name == statusMember {
		return ""
	}
	return m.name
}

func writeElement(b *bytes.Buffer, prefix, name string, value any) {
	if prefix != "" { // ServiceStack's own types have their names in capitals
		name = prefix + string(unicode.ToUpper(rune(name[0]))) + name[1:]
	}
	b.WriteString("<" + name)
	switch v := value.(type) {
	case record:
		inner := prefix
		if name == statusMember {
			inner = "s:"
			b.WriteString(` xmlns:s="` + statusSpace + `"`)
		}
		b.WriteByte('>')
		writeMembers(b, inner, v)
	case rows:
		b.WriteByte('>')
		for _, row := range v.all {
			b.WriteString("<" + prefix + v.item + ">")
			writeMembers(b, prefix, row)
			b.WriteString("</" + prefix + v.item + ">")
		}
	case texts:
		b.WriteString(` xmlns:a="` + arraySpace + `">`)
		for _, m := range v.record() {
			b.WriteString("<a:KeyValueOfstringstring><a:Key>" + escapeXML(m.name) + "</a:Key><a:Value>" + escapeXML(m.value.(string)) +
				"</a:Value></a:KeyValueOfstringstring>")
		}
	case []string:
		b.WriteString(` xmlns:a="` + arraySpace + `">`)
		for _, s := range v {
			b.WriteString("<a:string>" + escapeXML(s) + "</a:string>")
		}
	case string:
		b.WriteString(">" + escapeXML(v))
	case bool:
		b.WriteString(">" + strconv.FormatBool(v))
	case int64:
		b.WriteString(">" + strconv.FormatInt(v, 10))
	}
	b.WriteString("</" + name + ">")
}

// escapeXML escapes a text. What XML cannot hold at all becomes U+FFFD.
func escapeXML(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // memory does not fail
	}
	return b.String()
}
