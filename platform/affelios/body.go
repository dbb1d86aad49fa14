package affelios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// maxEntries is how many transactions one bulk request may hold.
const maxEntries = 1000

// readBody returns a request's JSON, of at most max bytes.
func (s *server) readBody(w http.ResponseWriter, r *http.Request, max int64) ([]byte, error) {
	if err := s.checkType(r.Header); err != nil {
		return nil, err
	}
	data, err := access.ReadBodyOf(w, r, max)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(data) || platform.TooDeep(data) || !json.Valid(data) {
		return nil, errMalformed
	}
	return bytes.TrimSpace(data), nil
}

// checkType refuses bodies that are declared to be no JSON, as ASP.NET does. To declare nothing is tolerated.
func (s *server) checkType(h http.Header) error {
	given := h.Values("Content-Type")
	if len(given) == 0 && !s.Strict {
		return nil
	}
	if len(given) == 1 {
		media, _, err := mime.ParseMediaType(given[0])
		_, isSuffix := strings.CutSuffix(media, "+json")
		if err == nil && (media == "application/json" || media == "text/json" || strings.HasPrefix(media, "application/") && isSuffix) {
			return nil
		}
	}
	return errMediaType
}

// object is an object of a body: its members under their documented names, and what was found wrong with it.
type object struct {
	server  *server
	path    string // of the object, such as "[3]."; empty for a body that is one
	members map[string]json.RawMessage
	keys    []string // every click key, under whichever of its names
	wrong   *tracker.Invalid
}

// shownName is what of a name that a client made up is repeated.
var shownName = regexp.MustCompile(`\A[A-Za-z0-9_]{1,64}\z`)

// readObject takes valid JSON apart. Names may be in any case, since those of Affelios may; in which cases ever, each is given
// once. Members that are not among the known ones are nobody's here: Affelios ignores them too.
func (s *server) readObject(path string, data []byte, known []string, wrong *tracker.Invalid) (object, bool) {
	o := object{server: s, path: path, members: map[string]json.RawMessage{}, wrong: wrong}
	if len(data) == 0 || data[0] != '{' {
		wrong.Add(strings.TrimSuffix(path, "."), "must be an object")
		return o, false
	}
	text := json.NewDecoder(bytes.NewReader(data))
	text.Token()
	for seen := map[string]bool{}; text.More(); {
		token, _ := text.Token()
		given, _ := token.(string)
		var value json.RawMessage
		text.Decode(&value)
		name, isKey := s.member(given, known)
		switch {
		case name == "" && s.Strict && shownName.MatchString(given):
			o.fail(given, "is not documented")
		case name == "" && s.Strict:
			o.fail("", "has a member that is not documented")
		case name == "":
		case isKey && !seen[given]:
			seen[given] = true
			o.addKey(name, value)
		case seen[name] || isKey:
			o.fail(name, "is given twice")
		default:
			seen[name] = true
			o.members[name] = value
		}
	}
	return o, true
}

// member returns the documented name that a given one stands for, or the empty string. The click key has several names, which
// are those of the prose, of customers and of transactions.
func (s *server) member(given string, known []string) (name string, isKey bool) {
	if s.Strict {
		isKey = given == "clickId" || given == "clickKey"
		if !slices.Contains(known, given) {
			return "", false
		}
		return given, isKey
	}
	folded := asciiLower(given)
	if folded == "clickid" || folded == "clickkey" {
		for _, name := range []string{"clickId", "clickKey"} {
			if slices.Contains(known, name) {
				return name, true
			}
		}
	}
	for _, name := range known {
		if asciiLower(name) == folded {
			return name, false
		}
	}
	return "", false
}

// asciiLower folds only what is ASCII: there are other letters, such as the Kelvin sign, whose lower case is.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// fail notes what is wrong with a member; with the object itself where the name is empty.
func (o *object) fail(name, message string) {
	path := o.path + name
	if name == "" {
		path = strings.TrimSuffix(path, ".")
	}
	o.wrong.Add(path, message)
}

// addKey takes a click key. Whoever gives it twice, under two names, has to give the same one.
func (o *object) addKey(name string, value json.RawMessage) {
	key, ok := o.string(name, value)
	if !ok || key == "" {
		return
	}
	if o.keys = append(o.keys, key); key != o.keys[0] {
		o.fail(name, "is given twice, under two names, and differs")
	}
}

// clickKey is the click key, or the empty string.
func (o *object) clickKey() string {
	if len(o.keys) == 0 {
		return ""
	}
	return o.keys[0]
}

// string reads a string; null is the empty one.
func (o *object) string(name string, value json.RawMessage) (string, bool) {
	var text string
	if value == nil || string(value) == "null" {
		return "", true
	}
	if value[0] != '"' || json.Unmarshal(value, &text) != nil {
		o.fail(name, "must be a string")
		return "", false
	}
	return text, true
}

// given reports whether a member is there and not null.
func (o *object) given(name string) bool {
	value, ok := o.members[name]
	return ok && string(value) != "null"
}

// text returns a member that is a string; empty where it is absent or null.
func (o *object) text(name string) string {
	text, _ := o.string(name, o.members[name])
	return text
}

// flag returns a member that is true or false; false where it is absent or null.
func (o *object) flag(name string) bool {
	value := string(o.members[name])
	if o.given(name) && value != "true" && value != "false" {
		o.fail(name, "must be true or false")
	}
	return value == "true"
}

// amount returns a member that is a decimal number of major units, in minor units. It is read from its digits, never as a
// float. As .NET reads them, a number may stand in a string.
func (o *object) amount(name string) int64 {
	if !o.given(name) {
		return 0
	}
	text := string(o.members[name])
	if text[0] == '"' && !o.server.Strict {
		text, _ = o.string(name, o.members[name])
	}
	digits, negative := strings.CutPrefix(text, "-")
	amount, err := tracker.ParseAmount(digits, o.server.Currency)
	if err != nil {
		decimals, _ := tracker.Exponent(o.server.Currency)
		o.fail(name, fmt.Sprintf("must be a decimal number such as -12.5, without exponent, of at most %d decimals and %s %s",
			decimals, tracker.FormatAmount(tracker.MaxAmount, o.server.Currency), o.server.Currency))
	}
	if negative {
		amount = -amount
	}
	return amount
}

// moment returns a member that is a time, in UTC; zero where it is absent, null or of the year 1, which is what .NET writes
// for a time that nobody has set. ok is false for what is no time.
func (o *object) moment(name string) (t time.Time, ok bool) {
	text, ok := o.string(name, o.members[name])
	if text == "" || !o.server.Strict && strings.TrimSuffix(text, "Z") == noDate {
		return time.Time{}, ok
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		o.fail(name, "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z")
	}
	return t.UTC(), err == nil
}

// required notes a member that is missing.
func (o *object) required(name, value string) {
	if strings.TrimSpace(value) == "" {
		o.fail(name, "is required")
	}
}

// brand is the merchant's id of the brand. By configuration Affelios's own id may stand for it.
func (o *object) brand() string {
	if brand := o.text("externalBrandId"); brand != "" || !o.server.BrandID {
		return brand
	}
	return o.text("brandId")
}

// readList calls yield with each entry of a list of objects, once it is known that they are not too many.
func readList(data []byte, yield func(i int, entry []byte)) error {
	if len(data) == 0 || data[0] != '[' {
		return errNoList
	}
	var entries []json.RawMessage
	text := json.NewDecoder(bytes.NewReader(data))
	text.Token()
	for text.More() {
		if len(entries) == maxEntries {
			return errTooMany
		}
		var entry json.RawMessage
		text.Decode(&entry)
		entries = append(entries, entry)
	}
	for i, entry := range entries {
		yield(i, entry)
	}
	return nil
}
