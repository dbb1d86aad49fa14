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
	r, err := forward.NewJSON(method, s.base.String()+path, body)
	if err != nil {
		return forward.Permanent(err)
	}
	r.Header.Set("X-Api-Key", s.APIKey)
	response, err := s.client.Do(ctx, r)
	s.answer = forward.Keep(response, s.APIKey)
	if err != nil {
		return err
	}
	if err := forward.JudgeKey(response, s.Now()); err != nil {
		if response.Status == http.StatusBadRequest { // what is wrong with the event will be so for ever
			return forward.Permanent(err)
		}
		return err
	}
	if path == transactionPath { // nothing is said of those; a page of a firewall is not nothing
		return s.checkAccepted(response)
	}
	return s.readCustomer(response)
}

// readCustomer reads the id of a customer.
func (s *sending) readCustomer(r *forward.Response) error {
	var customer struct {
		ID any `json:"id"`
	}
	if json.Unmarshal(r.Body, &customer) != nil {
		return errNoAnswer
	}
	id, _ := customer.ID.(string)
	if len(id) <= tracker.MaxRef {
		s.answer.Ref = id
	}
	s.answer.Body, _ = json.Marshal(map[string]string{"id": id}) // a string is always JSON
	return nil
}

// checkAccepted refuses what is neither empty nor JSON.
func (s *sending) checkAccepted(r *forward.Response) error {
	if len(r.Body) > 0 && !json.Valid(r.Body) {
		return errNoAnswer
	}
	return nil
}
