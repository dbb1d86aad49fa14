package invoca

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
)

// errMissing is the failure of an attempt at an affiliate, or in a network, that the platform does not have.
var errMissing = errors.New("the endpoint does not have it: RecordNotFound")

// judge says what an answer means for a delivery. The platform answers 403 to arguments that are wrong, which no later attempt
// mends, but to a name or an id that another affiliate has, which that one may give up.
func judge(r *forward.Response, taken func([]byte) bool, now time.Time) error {
	if r.Status >= 200 && r.Status <= 299 {
		if !taken(r.Body) {
			return fmt.Errorf("the endpoint answered %d, and not what Invoca answers", r.Status)
		}
		return nil
	}
	told, ok := readFailure(r.Body)
	if r.Status == http.StatusNotFound && told.class() == "RecordNotFound" {
		return errMissing
	}
	if r.Status != http.StatusForbidden || !ok || told.unauthorized() {
		return forward.JudgeKey(r, now)
	}
	err := errors.New("the endpoint refuses the affiliate: " + told.summary())
	if told.contains("already been taken") {
		return err
	}
	return forward.Permanent(err)
}

// failure is the errors of an answer: of fields, by their names, or invalid_data and class.
type failure map[string]json.RawMessage

// readFailure reads both spellings that the platform has, {"errors": …} and {"error": …}.
func readFailure(body []byte) (failure, bool) {
	var answer struct {
		Errors failure `json:"errors"`
		Error  failure `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, false
	}
	if answer.Errors == nil {
		answer.Errors = answer.Error
	}
	return answer.Errors, len(answer.Errors) > 0
}

// class is the platform's name of the error; empty for errors of fields.
func (f failure) class() string {
	text, _ := stringOf(f["class"])
	return text
}

// unauthorized reports whether it is the token that is refused, not what was sent.
func (f failure) unauthorized() bool { return strings.HasPrefix(f.class(), "Unauthorized") }

func (f failure) contains(text string) bool {
	for _, raw := range f {
		if bytes.Contains(raw, []byte(text)) {
			return true
		}
	}
	return false
}

// summary names the class or the fields, without the platform's texts: the log has the answer.
func (f failure) summary() string {
	if class := f.class(); shownName.MatchString(class) {
		return class
	}
	var fields []string
	for _, known := range []string{"id_from_network", "name", "status", "sites", "users", "custom_data"} {
		if _, wrong := f[known]; wrong {
			fields = append(fields, known)
		}
	}
	if len(fields) == 0 {
		return "it says why in its answer"
	}
	return strings.Join(fields, ", ")
}

// isList reports whether an answer is a list, of which only the beginning may be there.
func isList(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) }

// isEmpty reports whether an answer is {}.
func isEmpty(body []byte) bool {
	o, err := members(bytes.TrimSpace(body))
	return err == nil && len(o) == 0
}

// isAffiliate reports whether an answer is an affiliate, of which only the beginning may be there: one with many users is longer
// than what is read.
func isAffiliate(body []byte) bool {
	text := json.NewDecoder(bytes.NewReader(body))
	if token, err := text.Token(); err != nil || token != json.Delim('{') {
		return false
	}
	for text.More() {
		name, err := text.Token()
		if err != nil {
			return false
		}
		var value json.RawMessage
		if err := text.Decode(&value); err != nil {
			return false
		}
		if name == "id_from_network" {
			return true
		}
	}
	return false
}
