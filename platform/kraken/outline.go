package kraken

import "strings"

// outline is what has to be known of a document before it is executed. It does not say that the document is one.
type outline struct {
	operations []operation
	aliases    int
	introspect bool // it asks for __schema or __type
}

type operation struct{ kind, name string }

const mutation = "mutation"

// chosen returns the operation that a request means. ok is false where there is none, or more than one.
func (o *outline) chosen(name string) (op operation, ok bool) {
	for _, candidate := range o.operations {
		if name == "" && len(o.operations) == 1 || name != "" && candidate.name == name {
			return candidate, true
		}
	}
	return operation{}, false
}

// outliner reads a document token by token.
type outliner struct {
	outline
	braces, parens int
	definition     bool // what comes at the top begins one
	naming         bool // what comes may be the name of the operation that has begun
}

// outlineOf reads a document in one pass.
func outlineOf(document string) outline {
	o := outliner{definition: true}
	for document != "" {
		size := tokenSize(document)
		o.token(document[:size])
		document = document[size:]
	}
	return o.outline
}

func (o *outliner) token(token string) {
	naming := o.naming
	o.naming = false
	switch c := token[0]; {
	case c == '{':
		if o.definition && o.braces == 0 {
			o.operations = append(o.operations, operation{kind: "query"})
		}
		o.definition = false
		o.braces++
	case c == '}':
		o.braces--
		o.definition = o.braces <= 0
	case c == '(':
		o.parens++
	case c == ')':
		o.parens--
	case c == ':' && o.parens == 0 && o.braces > 0:
		o.aliases++
	case isName(c):
		o.name(token, naming)
	case isIgnored(c):
		o.naming = naming
	}
}

func (o *outliner) name(token string, naming bool) {
	if o.braces > 0 {
		o.introspect = o.introspect || o.parens == 0 && (token == "__schema" || token == "__type")
		return
	}
	switch {
	case naming:
		o.operations[len(o.operations)-1].name = token
	case o.definition && (token == "query" || token == mutation || token == "subscription"):
		o.operations = append(o.operations, operation{kind: token})
		o.naming = true
	}
	o.definition = false
}

// tokenSize is the length of the document's first token: a comment, a string, a name, or one byte of anything else.
func tokenSize(document string) int {
	size := 1
	switch c := document[0]; {
	case c == '#':
		size = strings.IndexAny(document, "\r\n")
	case strings.HasPrefix(document, `"""`):
		size = closing(document, `"""`)
	case c == '"':
		size = closing(document, `"`)
	case isName(c):
		size = strings.IndexFunc(document, func(r rune) bool { return r > 0x7e || !isName(byte(r)) })
	}
	if size < 0 {
		return len(document)
	}
	return size
}

// closing is where a string that begins with that quote has ended.
func closing(document, quote string) int {
	for i := len(quote); i < len(document); i++ {
		if document[i] == '\\' {
			i++
		} else if strings.HasPrefix(document[i:], quote) {
			return i + len(quote)
		}
	}
	return -1
}

// isIgnored reports whether a token that begins so means nothing: white space, a comma, a comment.
func isIgnored(c byte) bool { return strings.IndexByte(" \t\r\n,#", c) >= 0 }

func isName(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
