package kraken

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
)

// request is a well-formed GraphQL-over-HTTP request.
type request struct {
	query, operation string
	variables        map[string]any
}

// refusal is the answer to what is not executed.
type refusal struct {
	status int // for a client that knows mediaGraphQL
	legacy int // for one that does not
	errors []Error
}

// refuse is a refusal that HTTP has a status for, whatever the client knows.
func refuse(status int, message string) *refusal {
	return &refusal{status, status, []Error{{Message: message}}}
}

// malformed is a refusal of what is JSON, but no request.
func malformed(message string) *refusal {
	return &refusal{http.StatusUnprocessableEntity, http.StatusBadRequest, []Error{{Message: message}}}
}

// read reads a request. POST has it in the body, GET in the query.
func read(w http.ResponseWriter, r *http.Request, strict bool) (*request, *refusal) {
	switch r.Method {
	case http.MethodPost:
		return readBody(w, r, strict)
	case http.MethodGet:
		return readQuery(r.URL.RawQuery)
	}
	w.Header().Set("Allow", "GET, POST")
	return nil, refuse(http.StatusMethodNotAllowed, "Only GET and POST are served here.")
}

// bodyStatus is what becomes of a body that cannot be read.
var bodyStatus = map[error]int{
	access.ErrTooLarge: http.StatusRequestEntityTooLarge,
	access.ErrTooSlow:  http.StatusRequestTimeout,
	access.ErrBroken:   http.StatusBadRequest,
}

func readBody(w http.ResponseWriter, r *http.Request, strict bool) (*request, *refusal) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || media != mediaJSON || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return nil, refuse(http.StatusUnsupportedMediaType, "The body's Content-Type must be application/json, in UTF-8.")
	}
	body, err := access.ReadBody(w, r)
	if err != nil {
		return nil, refuse(bodyStatus[err], "Reading the body failed: "+err.Error()+".")
	}
	if !utf8.Valid(body) || !json.Valid(body) || platform.TooDeep(body) {
		return nil, refuse(http.StatusBadRequest, "The body is not JSON, not in UTF-8, or nested deeper than 32.")
	}
	return readFields(body, strict)
}

func readFields(body []byte, strict bool) (*request, *refusal) {
	if bytes.TrimLeft(body, " \t\r\n")[0] == '[' {
		return nil, malformed("Batch GraphQL requests are not enabled.")
	}
	var fields map[string]json.RawMessage // a struct's names would be taken in any case
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return nil, malformed("The body must be a JSON object.")
	}
	var in request
	for name, value := range fields {
		var err error
		switch name {
		case "query":
			in.query, err = readString(value)
		case "operationName":
			in.operation, err = readString(value)
			if err == nil && strict && string(value) == `""` {
				err = errShape
			}
		case "variables":
			in.variables, err = readVariables(value)
		case "extensions":
			_, err = readVariables(value)
		}
		if err != nil {
			return nil, malformed("The field " + name + " has a value of another kind than it must have.")
		}
	}
	if in.query == "" {
		return nil, malformed("Must provide query string.")
	}
	return &in, nil
}

func readQuery(rawQuery string) (*request, *refusal) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, malformed("The URL's query is not well formed.")
	}
	in := request{query: values.Get("query"), operation: values.Get("operationName")}
	if in.query == "" {
		return nil, malformed("Must provide query string.")
	}
	for _, name := range []string{"variables", "extensions"} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		if len(text) > access.MaxBody || !utf8.ValidString(text) || !json.Valid([]byte(text)) || platform.TooDeep([]byte(text)) {
			return nil, refuse(http.StatusBadRequest, "The parameter "+name+" is not JSON, or too much of it.")
		}
		object, err := readVariables([]byte(text))
		if err != nil {
			return nil, malformed("The parameter " + name + " must be a JSON object.")
		}
		if name == "variables" {
			in.variables = object
		}
	}
	return &in, nil
}

// errShape is for JSON of another kind than is wanted.
var errShape = errors.New("another kind of JSON value")

// readString reads a string, or null as the empty one.
func readString(value json.RawMessage) (text string, err error) {
	if value[0] != '"' && value[0] != 'n' {
		return "", errShape
	}
	err = json.Unmarshal(value, &text)
	return text, err
}

// readVariables reads an object, or null as none. Input objects have no objects of their own in the schema, so what is deeper
// in a variable is a scalar's, and stays as it came.
func readVariables(value json.RawMessage) (map[string]any, error) {
	object, err := readObject(value)
	if err != nil || object == nil {
		return nil, err
	}
	variables := make(map[string]any, len(object))
	for name, value := range object {
		if value[0] != '{' {
			variables[name] = readValue(value)
			continue
		}
		fields, err := readObject(value)
		if err != nil {
			return nil, err
		}
		input := make(map[string]any, len(fields))
		for name, value := range fields {
			input[name] = readValue(value)
		}
		variables[name] = input
	}
	return variables, nil
}

func readObject(value json.RawMessage) (object map[string]json.RawMessage, err error) {
	value = bytes.TrimSpace(value)
	if value[0] != '{' && value[0] != 'n' {
		return nil, errShape
	}
	err = json.Unmarshal(value, &object)
	return object, err
}

// readValue reads a value whose text is known to be JSON. Numbers keep their digits.
func readValue(value json.RawMessage) (read any) {
	if value[0] == '{' || value[0] == '[' {
		return rawJSON(value)
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	if decoder.Decode(&read) != nil {
		return nil // not of what is JSON
	}
	return read
}
