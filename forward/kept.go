package forward

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"net/url"
	"slices"
	"strings"
)

// blanked stands where a secret stood in an answer.
const blanked = "[secret]"

// Keep is what the log of attempts keeps of an answer: its beginning, without the secrets, as which an endpoint may have sent
// back what it got, as they are or as JSON, URLs and HTML write them.
func Keep(r *Response, secrets ...string) Answer {
	if r == nil {
		return Answer{}
	}
	body := r.Body
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for _, written := range spellings(secret) {
			body = bytes.ReplaceAll(body, []byte(written), []byte(blanked))
		}
	}
	return Answer{Status: r.Status, Body: body[:min(len(body), keptAnswer)]}
}

// spelling are the ways in which a text is written into another one.
var spelling = []func(string) string{
	inJSON, html.EscapeString, url.QueryEscape, url.PathEscape,
	func(s string) string { return strings.ReplaceAll(inJSON(s), "/", `\/`) },
	func(s string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) }, // JSON that leaves <, > and & alone
}

func inJSON(s string) string {
	quoted, _ := json.Marshal(s) // a string is always JSON
	return string(quoted[1 : len(quoted)-1])
}

// spellings are the forms in which a text may stand in an answer: as it is, and written in one or two ways, such as in the JSON of
// a request that a page of HTML shows. Of most secrets they are all the same.
func spellings(text string) []string {
	all := []string{text}
	for range 2 {
		for _, form := range slices.Clone(all) {
			for _, write := range spelling {
				if written := write(form); !slices.Contains(all, written) {
					all = append(all, written)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // none is left that another one is a part of
	return all
}

// ParseEndpoint reads the base of an API's URLs, such as https://api.example.com, without a user, a query and a fragment in it. A
// slash at its end is taken off. The error does not repeat the text.
func ParseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the endpoint is not a url such as https://api.example.com, without a user or a query in it")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}
