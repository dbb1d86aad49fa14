package postback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
)

// template is a URL with macros: texts and macros by turns, a text first.
type template struct {
	texts  []string
	macros []macro
}

// macro stands for a value.
type macro struct {
	name  string
	raw   bool              // not encoded
	path  bool              // it stands in the path, or in what is no query yet
	names map[string]string // what the receiver calls a value, by the value in lower case; nil: as we do
}

const (
	sigMacro = "sig"
	// sigPlace stands where the signature goes, until the rest of the URL is known. No encoded value has a brace in it.
	sigPlace = "{sig}"
)

func parseTemplate(text string) (t template, err error) {
	rest := text
	for {
		before, after, found := strings.Cut(rest, "{")
		t.texts = append(t.texts, before)
		if !found {
			return t, nil
		}
		inside, after, closed := strings.Cut(after, "}")
		if !closed {
			return template{}, errors.New("a macro of the url has no closing brace")
		}
		m, err := parseMacro(inside)
		if err != nil {
			return template{}, err
		}
		m.path = !strings.Contains(strings.Join(t.texts, ""), "?")
		t.macros = append(t.macros, m)
		rest = after
	}
}

// CheckMacros returns an error for a URL with a macro that there is not, or with one that has no end.
func CheckMacros(url string) error {
	_, err := parseTemplate(url)
	return err
}

// parseMacro reads what stands between the braces: a name, or _name, or name:value=theirs value=theirs.
func parseMacro(text string) (macro, error) {
	name, mapping, mapped := strings.Cut(text, ":")
	m := macro{name: strings.TrimPrefix(name, "_"), raw: strings.HasPrefix(name, "_")}
	if !slices.Contains(Macros, m.name) {
		return macro{}, fmt.Errorf("there is no macro {%s}; there are %s", name, strings.Join(Macros, ", "))
	}
	if !mapped {
		return m, nil
	}
	m.names = map[string]string{}
	for _, pair := range strings.Fields(mapping) {
		ours, theirs, ok := strings.Cut(pair, "=")
		if !ok || ours == "" {
			return macro{}, fmt.Errorf("{%s:…}: write value=theirs, with blanks between", m.name)
		}
		m.names[strings.ToLower(ours)] = theirs
	}
	return m, nil
}

// value is what the macro stands for, as it goes into the URL.
func (m macro) value(values map[string]string) string {
	value := values[m.name]
	if theirs, ok := m.names[strings.ToLower(value)]; ok {
		value = theirs
	}
	switch {
	case m.raw:
		return harmless(value)
	case m.path:
		return url.PathEscape(value) // a plus is a plus there, not a blank
	}
	return url.QueryEscape(value)
}

// harmless leaves a raw value as it is, but for what would break the request or begin a fragment.
func harmless(value string) string {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c > 0x20 && c < 0x7f && c != '#' && c != '{' && c != '}' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// fill puts the values in.
func (t template) fill(value func(macro) string) string {
	var b strings.Builder
	for i, text := range t.texts {
		b.WriteString(text)
		if i < len(t.macros) {
			b.WriteString(value(t.macros[i]))
		}
	}
	return b.String()
}

// secrets are the parts of the URL itself that may be secrets, such as a token in its query.
func (t template) secrets() []string {
	u, err := url.Parse(t.fill(func(macro) string { return "" }))
	if err != nil {
		return nil
	}
	return forward.URLSecrets(u)
}

// signed reports whether the receiver gets a signature.
func (t template) signed() bool {
	return slices.ContainsFunc(t.macros, func(m macro) bool { return m.name == sigMacro })
}

// sign puts the signature of the query's other parameters in its place.
func sign(text string, secret []byte) string {
	if !strings.Contains(text, sigPlace) {
		return text
	}
	_, query, _ := strings.Cut(text, "?")
	parts := slices.DeleteFunc(strings.Split(query, "&"), func(p string) bool { return p == "" || strings.Contains(p, sigPlace) })
	return strings.ReplaceAll(text, sigPlace, Signature(parts, secret))
}

// Signature is what {sig} stands for: the HMAC-SHA256, in hexadecimal digits, of a query's other parameters, as they are sent, sorted
// and joined with ampersands. It sorts the slice that it is given.
func Signature(parameters []string, secret []byte) string {
	slices.Sort(parameters)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(strings.Join(parameters, "&")))
	return hex.EncodeToString(mac.Sum(nil))
}
