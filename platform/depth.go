package platform

// MaxDepth is how deep the objects and lists of a JSON body may be nested.
const MaxDepth = 32

// TooDeep reports whether JSON is nested deeper than MaxDepth. It does not mind whether the rest of it is well formed.
func TooDeep(text []byte) bool {
	depth, inString, escaped := 0, false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped, inString = c == '\\', c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
