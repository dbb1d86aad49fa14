package tracker

// IsBot reports whether a user agent names a known robot: search engines, previews, monitors, AI crawlers, HTTP libraries
// and headless browsers (see botNames). It compares without case and reads the first 512 bytes, each once. An empty user
// agent is a robot's.
func IsBot(userAgent string) bool {
	if userAgent == "" {
		return true
	}
	return botMatcher.match(userAgent[:min(len(userAgent), MaxUserAgent)])
}

var botMatcher = newMatcher(botNames, notBotNames)

// matcher finds any of many substrings in one pass (Aho–Corasick as a complete automaton), so that the list may grow at no
// cost per request, and no user agent is slower than another of its length. In a name '^' stands for the text's beginning and
// '$' for its end.
type matcher struct {
	symbol  [256]uint16 // what a byte counts as: 0 for bytes that no name holds, upper case as lower
	symbols int
	next    []uint16 // state*symbols + symbol → state; state 0 is the start
	accept  []bool   // a name ends here
}

// newMatcher builds the automaton of names, in lower case. Where one of except ends, a name that ends there does not count.
func newMatcher(names, except []string) *matcher {
	m := &matcher{symbols: 1}
	m.addSymbols("^$")
	for _, list := range [][]string{names, except} {
		for _, name := range list {
			m.addSymbols(name)
		}
	}
	m.addState()
	refused := map[uint16]bool{}
	for _, name := range names {
		m.accept[m.addName(name)] = true
	}
	for _, name := range except {
		refused[m.addName(name)] = true
	}
	m.link(refused)
	return m
}

func (m *matcher) addSymbols(name string) {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if m.symbol[c] != 0 {
			continue
		}
		m.symbol[c] = uint16(m.symbols)
		if c >= 'a' && c <= 'z' {
			m.symbol[c-'a'+'A'] = uint16(m.symbols)
		}
		m.symbols++
	}
}

func (m *matcher) addState() uint16 {
	m.next = append(m.next, make([]uint16, m.symbols)...)
	m.accept = append(m.accept, false)
	return uint16(len(m.accept) - 1)
}

// addName adds the states of a name and returns its last.
func (m *matcher) addName(name string) uint16 {
	state := uint16(0)
	for i := 0; i < len(name); i++ {
		edge := int(state)*m.symbols + int(m.symbol[name[i]])
		if m.next[edge] == 0 {
			added := m.addState()
			m.next[edge] = added
		}
		state = m.next[edge]
	}
	return state
}

// link completes the automaton breadth first: where a state has no edge, it goes where its longest proper suffix goes.
func (m *matcher) link(refused map[uint16]bool) {
	suffix := make([]uint16, len(m.accept))
	queue := []uint16{0}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		m.accept[state] = (m.accept[state] || m.accept[suffix[state]]) && !refused[state]
		for s := range m.symbols {
			edge := int(state)*m.symbols + s
			shorter := m.next[int(suffix[state])*m.symbols+s]
			child := m.next[edge]
			if child == 0 {
				m.next[edge] = shorter
				continue
			}
			if state != 0 {
				suffix[child] = shorter
			}
			queue = append(queue, child)
		}
	}
}

func (m *matcher) match(s string) bool {
	state := m.step(0, '^')
	for i := 0; i < len(s); i++ {
		if state = m.step(state, s[i]); m.accept[state] {
			return true
		}
	}
	return m.accept[m.step(state, '$')]
}

func (m *matcher) step(state uint16, c byte) uint16 {
	return m.next[int(state)*m.symbols+int(m.symbol[c])]
}
