package affili

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
)

// sending is one attempt.
type sending struct {
	*Destination
	client *forward.Client
	answer forward.Answer // the last
}

// text is a member that may be a string, a number or a truth: the platform is not strict in what it writes.
type text string

// UnmarshalJSON implements json.Unmarshaler. Of anything else it is empty.
func (t *text) UnmarshalJSON(raw []byte) error {
	*t = ""
	switch {
	case raw[0] == '"':
		return json.Unmarshal(raw, (*string)(t))
	case raw[0] != '{' && raw[0] != '[' && string(raw) != "null":
		*t = text(raw)
	}
	return nil
}

// ask sends one request and reads the data of its answer.
func (s *sending) ask(ctx context.Context, method, path string, body, into any) error {
	key := http.Header{"Authorization": {"Bearer " + s.AccessID}}
	secrets := append(secretsOf(body), s.AccessID)
	response, answer, err := s.client.DoJSON(ctx, method, s.base.String()+merchantPrefix+path, key, body, secrets...)
	s.answer = answer
	if err != nil {
		return err
	}
	return s.read(response, into)
}

// secretsOf are what is secret in a body: the visitor's token.
func secretsOf(body any) []string {
	if n, ok := body.(NewConversion); ok {
		if token, ok := n.Token.(string); ok {
			return []string{token}
		}
	}
	return nil
}

// contentFields are the members of a body that will be the same in every attempt.
var contentFields = []string{"external_id", "amount", "commissions", "type", "name", "status"}

// read judges an answer. Only an envelope that says ok is success: what else comes with status 200 may be a page of a firewall.
func (s *sending) read(r *forward.Response, into any) error {
	var envelope struct {
		Status text            `json:"status"`
		Data   json.RawMessage `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	err := json.Unmarshal(r.Body, &envelope)
	if failure := forward.JudgeKey(r, s.Now()); failure != nil {
		if err == nil && (r.Status == http.StatusConflict || r.Status == http.StatusUnprocessableEntity) && blames(envelope.Errors) {
			return forward.Permanent(failure)
		}
		return failure
	}
	if err != nil || envelope.Status != "ok" {
		return fmt.Errorf("the endpoint answered %d without the platform's status ok", r.Status)
	}
	if len(envelope.Data) > 0 && json.Unmarshal(envelope.Data, into) != nil {
		return errors.New("the platform's answer cannot be read")
	}
	return nil
}

// blames reports whether errors name nothing but what will be the same in every attempt, or that the conversion is closed.
func blames(errors json.RawMessage) bool {
	var byField map[string]json.RawMessage
	if json.Unmarshal(errors, &byField) != nil || len(byField) == 0 {
		return false
	}
	for field := range byField {
		name, _, _ := strings.Cut(field, ".")
		if name != "is_closed" && !slices.Contains(contentFields, name) {
			return false
		}
	}
	return true
}

// summarize keeps of an answer that is success what is needed: the rest of it may tell of the visitor.
func (s *sending) summarize(tag string, made *told) {
	kept := map[string]any{"status": "ok", "tag": tag}
	if made != nil {
		kept["data"] = map[string]any{"id": made.ID, "status": made.Status}
	}
	s.answer.Body, _ = json.Marshal(kept) // strings are always JSON
}
