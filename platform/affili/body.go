package affili

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// body is the JSON object of a request. Its members are read one by one, and what is wrong with any of them is noted.
type body struct {
	members map[string]json.RawMessage
	strict  bool // tolerances are off
	wrong   tracker.Invalid
}

var (
	errNoObject    = fails(http.StatusUnprocessableEntity, "body", "is not a JSON object")
	errTooDeep     = fails(http.StatusUnprocessableEntity, "body", "is nested too deeply")
	errContentType = fails(http.StatusUnsupportedMediaType, "content-type", "is not application/json")
)

// parseBody reads an object. The platform's own samples send JSON with the content type that curl gives a form, so what it is
// called does not count, unless strict.
func parseBody(data []byte, contentType string, strict bool) (*body, error) {
	if media, _, err := mime.ParseMediaType(contentType); strict && (err != nil || media != "application/json") {
		return nil, errContentType
	}
	b := &body{strict: strict}
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '{' || !utf8.Valid(data) {
		return nil, errNoObject
	}
	if platform.TooDeep(data) {
		return nil, errTooDeep
	}
	if json.Unmarshal(data, &b.members) != nil {
		return nil, errNoObject
	}
	return b, nil
}

// only refuses other members than these, if strict. Otherwise they are left alone: pages may add what they like.
func (b *body) only(names ...string) {
	if !b.strict {
		return
	}
	left := len(b.members)
	for _, name := range names {
		if _, there := b.members[name]; there {
			left--
		}
	}
	if left > 0 {
		b.wrong.Add("body", "has members other than "+strings.Join(names, ", "))
	}
}

// has reports whether the member is there and says something: null and false say nothing.
func (b *body) has(name string) bool {
	switch raw := b.members[name]; string(raw) {
	case "", "null", "false":
		return false
	}
	return true
}

// filled reports whether the member says something that is not the empty text.
func (b *body) filled(name string) bool {
	return b.has(name) && string(b.members[name]) != `""`
}

// require notes members that are not there, or empty.
func (b *body) require(names ...string) {
	for _, name := range names {
		if !b.filled(name) {
			b.wrong.Add(name, "is required")
		}
	}
}

// text is a member that is a string. Of a number, which ids of others may be, it is the digits.
func (b *body) text(name string) string {
	if !b.has(name) {
		return ""
	}
	text, quoted, ok := scalar(b.members[name])
	if !ok || b.strict && !quoted {
		b.wrong.Add(name, "is not a string")
	}
	return text
}

// amount is a member that is an amount in the currency's major unit, in minor units.
func (b *body) amount(name, currency string) int64 {
	if !b.has(name) {
		return 0
	}
	return b.money(name, b.members[name], currency)
}

func (b *body) money(field string, raw json.RawMessage, currency string) int64 {
	text, quoted, ok := scalar(raw)
	amount, err := tracker.ParseAmount(text, currency)
	digits, _ := tracker.Exponent(currency)
	switch {
	case !ok, b.strict && quoted, b.strict && digits == 0 && strings.Contains(text, "."):
		b.wrong.Add(field, "is not an integer")
	case err != nil:
		b.wrong.Add(field, wrongAmount(currency, err))
	}
	return amount
}

// wrongAmount is what to say of text that is no amount of the currency.
func wrongAmount(currency string, err error) string {
	if digits, _ := tracker.Exponent(currency); digits == 0 {
		return fmt.Sprintf("is not a whole number from 0 to %d", tracker.MaxAmount)
	}
	return err.Error()
}

// parts are the commissions, whose sub-amounts are in the currency's major unit.
func (b *body) parts(currency string) []tracker.Part {
	if !b.has("commissions") {
		return nil
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(b.members["commissions"], &list) != nil || len(list) == 0 || len(list) > tracker.MaxParts {
		b.wrong.Add("commissions", "is not a list of 1 to 50 objects with name and sub_amount")
		return nil
	}
	parts := make([]tracker.Part, len(list))
	for i, members := range list {
		one := body{members: members, strict: b.strict}
		one.require("name", "sub_amount")
		one.only("name", "sub_amount")
		parts[i] = tracker.Part{Name: one.text("name"), SubAmount: one.amount("sub_amount", currency)}
		for _, w := range one.wrong {
			b.wrong.Add(fmt.Sprintf("commissions[%d].%s", i, w.Field), w.Message)
		}
	}
	return parts
}

// object is a member that is any JSON object.
func (b *body) object(name string) json.RawMessage {
	if !b.has(name) {
		return nil
	}
	return b.members[name]
}

// scalar is the text of a JSON string or number.
func scalar(raw json.RawMessage) (text string, quoted, ok bool) {
	if len(raw) == 0 {
		return "", false, false
	}
	switch c := raw[0]; {
	case c == '"':
		err := json.Unmarshal(raw, &text)
		return text, true, err == nil
	case c == '-' || c >= '0' && c <= '9':
		return string(raw), false, true
	}
	return "", false, false
}
