package invoca

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// object is a JSON object that has been read one level deep.
type object map[string]json.RawMessage

var errTwice = errors.New("a name is given twice")

// readBody reads the body of a request that may have one. An empty one is {}.
func (s *server) readBody(w http.ResponseWriter, r *http.Request) (object, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return nil, nil
	}
	text, err := access.ReadBody(w, r)
	if err != nil {
		return nil, bodyFault(err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return object{}, nil
	}
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); s.Strict && (err != nil || mediaType != "application/json") {
		return nil, errMediaType
	}
	return parseBody(text)
}

func parseBody(text []byte) (object, error) {
	if platform.TooDeep(text) {
		return nil, errDeep
	}
	if !utf8.Valid(text) || !json.Valid(text) || bytes.TrimSpace(text)[0] != '{' {
		return nil, errMalformed
	}
	body, err := members(bytes.TrimSpace(text))
	if err != nil {
		return nil, errMalformed
	}
	return body, nil
}

// members reads a valid JSON object. Names are exact, and one that is given twice is an error: which of the two holds is not the
// same for every reader of JSON.
func members(raw []byte) (object, error) {
	found := object{}
	text := json.NewDecoder(bytes.NewReader(raw))
	if token, err := text.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("no object")
	}
	for text.More() {
		token, err := text.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if _, twice := found[name]; twice {
			return nil, errTwice
		}
		var value json.RawMessage
		if err := text.Decode(&value); err != nil {
			return nil, err
		}
		found[name] = value
	}
	return found, nil
}

// stringOf reads a JSON string.
func stringOf(raw json.RawMessage) (string, bool) {
	var s string
	ok := len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil
	return s, ok
}

// reader reads the values of a body and notes what is wrong with each.
type reader struct {
	wrong  tracker.Invalid
	strict bool
}

const (
	invalid = "is invalid"
	unknown = "is not a property of this object"
)

// shownName is what of a name that a client made up is repeated.
var shownName = regexp.MustCompile(`\A[A-Za-z0-9_]{1,64}\z`)

// fields calls the reader of each field that is given. Those that are nil are read-only and not looked at, since clients send
// back what they got. prefix is the object's path with a dot, or empty.
func (r *reader) fields(prefix string, o object, known map[string]func(path string, raw json.RawMessage)) {
	for name, raw := range o {
		switch read, ok := known[name]; {
		case ok && read != nil:
			read(prefix+name, raw)
		case ok:
		case shownName.MatchString(name):
			r.wrong.Add(prefix+name, unknown)
		default:
			r.wrong.Add(prefix+"base", "has a property that is unknown")
		}
	}
}

// text reads a string into to.
func (r *reader) text(to **string) func(path string, raw json.RawMessage) {
	return func(path string, raw json.RawMessage) {
		s, ok := stringOf(raw)
		if !ok {
			r.wrong.Add(path, invalid)
			return
		}
		*to = &s
	}
}

// number is a whole number as JSON writes it.
var number = regexp.MustCompile(`\A(0|[1-9][0-9]{0,17})\z`)

// id reads a string, or a whole number as its digits.
func (r *reader) id(to **string) func(path string, raw json.RawMessage) {
	return func(path string, raw json.RawMessage) {
		if s := string(raw); !r.strict && number.MatchString(s) {
			*to = &s
			return
		}
		r.text(to)(path, raw)
	}
}

// nullable is read, where null is the same as not given.
func nullable(read func(path string, raw json.RawMessage)) func(path string, raw json.RawMessage) {
	return func(path string, raw json.RawMessage) {
		if string(raw) != "null" {
			read(path, raw)
		}
	}
}

func (r *reader) truth(to **bool) func(path string, raw json.RawMessage) {
	return func(path string, raw json.RawMessage) {
		if string(raw) != "true" && string(raw) != "false" {
			r.wrong.Add(path, invalid)
			return
		}
		is := string(raw) == "true"
		*to = &is
	}
}

// objects reads a list of objects, and reports whether it is one.
func (r *reader) objects(path string, raw json.RawMessage, max int, each func(path string, o object)) bool {
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		r.wrong.Add(path, invalid)
		return false
	}
	if len(list) > max {
		r.wrong.Add(path, fmt.Sprintf("has more than %d entries", max))
		return false
	}
	for i, element := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		o, err := members(element)
		if err != nil {
			r.wrong.Add(at+".base", invalid)
			continue
		}
		each(at+".", o)
	}
	return true
}
