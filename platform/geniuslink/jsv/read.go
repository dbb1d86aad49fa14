package jsv

import "strings"

// Parse reads a text, compact or in the form in which ServiceStack's pages show it: beginning with a line break behind the
// first bracket, with white space around what has a meaning. Nothing is null.
func Parse(text string) (Node, error) {
	trimmed := strings.Trim(text, space)
	return parse(text, len(trimmed) > 1 && strings.HasPrefix(strings.TrimPrefix(trimmed[1:], "\r"), "\n"))
}

// ParseCompact reads a text in the compact form alone: all white space in it is data, but around a map or a list.
func ParseCompact(text string) (Node, error) { return parse(text, false) }

const space = " \t\r\n"

func parse(text string, pretty bool) (Node, error) {
	if trimmed := strings.Trim(text, space); strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		text = trimmed
	}
	r := reader{text: text, pretty: pretty}
	if text == "" {
		return Node{}, nil
	}
	if !strings.ContainsRune(`{["`, rune(text[0])) {
		return String(text), nil
	}
	n, err := r.value("", 0)
	if err == nil && r.at != len(text) {
		err = ErrSyntax
	}
	return n, err
}

// reader reads from left to right and never goes back.
type reader struct {
	text   string
	at     int
	pretty bool
}

// peek is the next byte; 0 at the end, where none of the bytes that are asked for can be.
func (r *reader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// skip passes over white space where it has no meaning.
func (r *reader) skip() {
	for r.pretty && r.at < len(r.text) && strings.IndexByte(space, r.text[r.at]) >= 0 {
		r.at++
	}
}

// value reads a value that one of the bytes of ends follows.
func (r *reader) value(ends string, depth int) (Node, error) {
	switch r.peek() {
	case '{', '[':
		if depth == MaxDepth {
			return Node{}, ErrDepth
		}
		if r.peek() == '{' {
			return r.members(depth + 1)
		}
		return r.items(depth + 1)
	case '"':
		s, err := r.quoted()
		return String(s), err
	}
	s := r.bare(ends)
	if s == "" {
		return Node{}, nil
	}
	return String(s), nil
}

// bare reads up to one of the bytes of ends. Colons, brackets and quotes within are data.
func (r *reader) bare(ends string) string {
	start := r.at
	if n := strings.IndexAny(r.text[start:], ends); n >= 0 {
		r.at += n
	} else {
		r.at = len(r.text)
	}
	s := r.text[start:r.at]
	if r.pretty {
		s = strings.TrimRight(s, space)
	}
	return s
}

// quoted reads a text in quotes, of which the first is next.
func (r *reader) quoted() (string, error) {
	start, doubled := r.at+1, false
	for r.at = start; ; {
		n := strings.IndexByte(r.text[r.at:], '"')
		if n < 0 {
			return "", ErrSyntax
		}
		r.at += n + 1
		if r.peek() != '"' {
			break
		}
		doubled = true
		r.at++
	}
	s := r.text[start : r.at-1]
	if doubled {
		s = strings.ReplaceAll(s, `""`, `"`)
	}
	return s, nil
}

// members reads a map, whose bracket is next.
func (r *reader) members(depth int) (Node, error) {
	n := Node{Kind: Map}
	r.at++
	if r.empty('}') {
		return n, nil
	}
	for {
		r.skip()
		key, err := r.key()
		if err != nil {
			return n, err
		}
		r.skip()
		value, err := r.value(",}", depth)
		if err != nil {
			return n, err
		}
		n.Members = append(n.Members, Member{key, value})
		if more, err := r.more('}'); !more {
			return n, err
		}
	}
}

// key reads a key and the colon behind it. One that is empty or holds a byte with a meaning is quoted.
func (r *reader) key() (key string, err error) {
	if r.peek() == '"' {
		if key, err = r.quoted(); err != nil {
			return "", err
		}
		r.skip()
	} else if key = r.bare(escaped); key == "" {
		return "", ErrSyntax
	}
	if r.peek() != ':' {
		return "", ErrSyntax
	}
	r.at++
	return key, nil
}

// items reads a list, whose bracket is next. A comma at its end stands before one more item, which is null.
func (r *reader) items(depth int) (Node, error) {
	n := Node{Kind: List}
	r.at++
	if r.empty(']') {
		return n, nil
	}
	for {
		r.skip()
		item, err := r.value(",]", depth)
		if err != nil {
			return n, err
		}
		n.Items = append(n.Items, item)
		if more, err := r.more(']'); !more {
			return n, err
		}
	}
}

// empty passes over the end of a map or list in which there is nothing but white space.
func (r *reader) empty(end byte) bool {
	rest := strings.TrimLeft(r.text[r.at:], space)
	if rest == "" || rest[0] != end {
		return false
	}
	r.at = len(r.text) - len(rest) + 1
	return true
}

// more passes over what follows a member or an item, and reports whether another one does.
func (r *reader) more(end byte) (bool, error) {
	r.skip()
	next := r.peek()
	if r.at < len(r.text) {
		r.at++
	}
	switch next {
	case ',':
		return true, nil
	case end:
		return false, nil
	default:
		return false, ErrSyntax
	}
}
