package jsv

import "strings"

// escaped are the bytes for which a text is quoted (ServiceStack.Text's JsWriter.EscapeChars). Its page names fewer; every
// reader takes quotes.
const escaped = "\":,{}[]\r\n"

// Append appends the compact form. Null is written as nothing, and a map's members that are null are left out, as
// ServiceStack does; so a list whose only item is null comes back empty.
func (n Node) Append(dst []byte) []byte {
	switch n.Kind {
	case Text:
		return appendText(dst, n.Text)
	case Map:
		return n.appendMap(dst)
	case List:
		dst = append(dst, '[')
		for i, item := range n.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.Append(dst)
		}
		return append(dst, ']')
	}
	return dst
}

func (n Node) appendMap(dst []byte) []byte {
	dst = append(dst, '{')
	first := true
	for _, m := range n.Members {
		if m.Value.Kind == Null {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendText(dst, m.Key), ':')
		dst = m.Value.Append(dst)
	}
	return append(dst, '}')
}

func appendText(dst []byte, s string) []byte {
	if s != "" && !strings.ContainsAny(s, escaped) {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}
