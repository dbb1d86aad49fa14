package affelios

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// sending is one attempt.
type sending struct {
	*Destination
	client *forward.Client
	answer forward.Answer // the last
}

// errNoAnswer is the error of an answer under 200 that is no customer, such as a page of a firewall.
var errNoAnswer = errors.New("the endpoint answered with no customer of Affelios's")

// ask sends one request. Of a success, the log keeps the customer's id alone: the rest tells of a person.
func (s *sending) ask(ctx context.Context, method, path string, body any) error {
	key := http.Header{"X-Api-Key": {s.APIKey}}
	response, answer, err := s.client.DoJSON(ctx, method, s.base.String()+path, key, body, s.APIKey)
	s.answer = answer
	if err != nil {
		return err
	}
	if err := forward.JudgeKey(response, s.Now()); err != nil {
		if response.Status == http.StatusBadRequest && namesMembers(response.Body) { // what is wrong with the event will be so for ever
			return forward.Permanent(err)
		}
		return err
	}
	if path == transactionPath { // nothing is said of those; a page of a firewall is not nothing
		return checkAccepted(response)
	}
	return s.readCustomer(response)
}

// readCustomer reads the id of a customer.
func (s *sending) readCustomer(r *forward.Response) error {
	var customer struct {
		ID         *string         `json:"id"`
		ExternalID json.RawMessage `json:"externalId"`
	}
	if json.Unmarshal(r.Body, &customer) != nil || customer.ID == nil && customer.ExternalID == nil {
		return errNoAnswer
	}
	id := ""
	if customer.ID != nil {
		id = *customer.ID
	}
	if len(id) <= tracker.MaxRef {
		s.answer.Ref = id
	}
	s.answer.Body, _ = json.Marshal(map[string]string{"id": id}) // a string is always JSON
	return nil
}

// checkAccepted refuses what is neither empty nor an object.
func checkAccepted(r *forward.Response) error {
	var object map[string]json.RawMessage
	if len(r.Body) > 0 && json.Unmarshal(r.Body, &object) != nil {
		return errNoAnswer
	}
	return nil
}

// namesMembers reports whether a body says which members of the request are wrong, as ASP.NET's validation does.
func namesMembers(body []byte) bool {
	var problem struct {
		Errors map[string]json.RawMessage `json:"errors"`
	}
	return json.Unmarshal(body, &problem) == nil && len(problem.Errors) > 0
}
