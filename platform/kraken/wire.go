package kraken

import "encoding/json"

// Path is where Kraken has its API. The same without the slash at the end is it too.
const Path = "/v1/graphql/"

// Response is what Kraken answers.
type Response struct {
	Errors []Error         `json:"errors,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"` // absent where nothing was executed
}

// Error is one error of a response. Clients look at Extensions.Code and at little else.
type Error struct {
	Message    string      `json:"message"`
	Locations  []Location  `json:"locations,omitempty"` // in the document
	Path       []any       `json:"path,omitempty"`      // of the field that failed
	Extensions *Extensions `json:"extensions,omitempty"`
}

// Location is a place in a document. Both count from 1.
type Location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Extensions is what Kraken says of an error beyond GraphQL.
type Extensions struct {
	Type             string            `json:"errorType"` // one of the classes
	Code             string            `json:"errorCode"` // KT-CT-…
	Description      string            `json:"errorDescription"`
	Class            string            `json:"errorClass"` // as Type; older clients read it
	ValidationErrors []ValidationError `json:"validationErrors"`
}

// The classes of Kraken's errors.
const (
	ClassAuthorization       = "AUTHORIZATION"
	ClassNotFound            = "NOT_FOUND"
	ClassValidation          = "VALIDATION"
	ClassServiceAvailability = "SERVICE_AVAILABILITY"
	ClassApplication         = "APPLICATION"
)

// ValidationError says what is wrong with one field of the input. It never repeats the value.
type ValidationError struct {
	Message   string   `json:"message"`
	InputPath []string `json:"inputPath"`
}

// Claims is what a token of ours says.
type Claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`      // the id of the key that it was obtained with
	Grant    string `json:"gty"`      // what it was obtained with
	Use      string `json:"tokenUse"` // access or refresh
	Issued   int64  `json:"iat"`      // Unix seconds
	Expires  int64  `json:"exp"`      // likewise
	Original int64  `json:"origIat"`  // when the key itself was shown
}
