package tracker

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The most characters of what is given as text.
const (
	MaxName = 255  // names and ids of others
	MaxNote = 1000 // notes
)

// text notes what is wrong with a name or an id of at most max characters, which may be empty. What PostgreSQL cannot
// keep (NUL, bytes that are not UTF-8) and what would forge a line of a log or a list is refused.
func (e *Invalid) text(field, s string, max int) {
	if !utf8.ValidString(s) {
		e.Add(field, "is not valid UTF-8")
	} else if utf8.RuneCountInString(s) > max {
		e.Add(field, fmt.Sprintf("has more than %d characters", max))
	} else if strings.ContainsFunc(s, unicode.IsControl) {
		e.Add(field, "holds a control character")
	}
}

// required is text that may not be blank.
func (e *Invalid) required(field, s string, max int) {
	if strings.TrimSpace(s) == "" {
		e.Add(field, "is required")
	} else {
		e.text(field, s, max)
	}
}

// note is text of at most MaxNote characters that may have several lines.
func (e *Invalid) note(field, s string) {
	e.text(field, lineBreaks.Replace(s), MaxNote)
}

var lineBreaks = strings.NewReplacer("\r", " ", "\n", " ", "\t", " ")

// err notes an error that does not repeat what it is about.
func (e *Invalid) err(field string, err error) {
	if err != nil {
		e.Add(field, err.Error())
	}
}

// tooMany notes a list that is too long. What is in it is then not looked at, so that the answer stays short.
func (e *Invalid) tooMany(field string, n, max int) bool {
	if n > max {
		e.Add(field, fmt.Sprintf("has more than %d entries", max))
	}
	return n > max
}

// oneOf notes a word that is not in a closed list.
func oneOf[T ~string](e *Invalid, field string, s T, list ...T) {
	if slices.Contains(list, s) {
		return
	}
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	e.Add(field, "is not one of "+strings.Join(words, ", "))
}

// unique notes a value that was there before. Empty ones are noted elsewhere.
func (e *Invalid) unique(field, value string, seen map[string]bool) {
	if value != "" && seen[value] {
		e.Add(field, "is there twice")
	}
	seen[value] = true
}

// money notes an amount that is out of bounds.
func (e *Invalid) money(field string, amount, min int64) {
	if amount < min || amount > MaxAmount {
		e.Add(field, fmt.Sprintf("is not from %d to %d minor units", min, int64(MaxAmount)))
	}
}

// window notes a window that no click can have.
func (e *Invalid) window(field string, s Seconds) {
	if s < 0 || s > Seconds(MaxWindow/time.Second) {
		e.Add(field, fmt.Sprintf("is not from 0 to %d, which is 400 days", int64(MaxWindow/time.Second)))
	}
}

// time notes a moment that JSON or the books cannot write down. Zero is none.
func (e *Invalid) time(field string, t time.Time) {
	if !t.IsZero() && (t.UTC().Year() < 1971 || t.UTC().Year() > 9999) {
		e.Add(field, "is not in the years 1971 to 9999")
	}
}

// email notes what is no plausible address: an RFC 5322 addr-spec, without a display name.
func (e *Invalid) email(field, s string) {
	address, err := mail.ParseAddress(s)
	if err != nil || address.Address != s || len(s) > 254 || !utf8.ValidString(s) {
		e.Add(field, "is not an e-mail address")
	}
}

// maxHosts is the most hosts that a deep link may name.
const maxHosts = 100

// hosts returns a list of host names in lower case, each once.
func (e *Invalid) hosts(field string, hosts []string) []string {
	unique := []string{}
	if e.tooMany(field, len(hosts), maxHosts) {
		return unique
	}
	for i, host := range hosts {
		if !isHostName(host) {
			e.Add(fmt.Sprintf("%s[%d]", field, i), "is not a host name (one outside ASCII is written xn--…)")
		}
		if host = strings.ToLower(host); !slices.Contains(unique, host) {
			unique = append(unique, host)
		}
	}
	return unique
}

// isHostName reports whether s is a host's name or IPv4 address, without a port.
func isHostName(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if !isHostLabel(label) {
			return false
		}
	}
	return len(s) <= 253
}

// isHostLabel reports whether s is one label of a host name (RFC 1123).
func isHostLabel(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isCodeByte(s[i]) || s[i] == '_' {
			return false
		}
	}
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-'
}

// orDefault sets what is empty.
func orDefault[T ~string](value *T, standard T) {
	if *value == "" {
		*value = standard
	}
}
