package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) keys() {
	register(a, operation{
		id: "list-keys", method: http.MethodGet, path: "keys", scope: "keys:read",
		summary: "List keys", about: "All of them, revoked ones included; never their secrets.", answer: List[tracker.Key]{},
	}, a.listKeys)
	register(a, operation{
		id: "create-key", method: http.MethodPost, path: "keys", scope: "keys:write", status: http.StatusCreated, answer: createdKey{},
		summary: "Make a key", about: "The answer is the only place where its text is ever shown. A key cannot give what it has not.",
	}, a.createKey)
	register(a, operation{
		id: "revoke-key", method: http.MethodDelete, path: "keys/{id}", scope: "keys:write", status: http.StatusNoContent,
		summary: "Revoke a key", about: "At once, on all nodes, for ever.",
	}, a.revokeKey)
}

func (a *API) listKeys(ctx context.Context, c *call, _ *struct{}) (answer, error) {
	keys, err := c.books.Keys(ctx, c.network)
	if keys == nil {
		keys = []tracker.Key{}
	}
	return found(List[tracker.Key]{Data: keys}, err)
}

// newKey is the body that makes a key. What it may say is for tracker.Key.Check to judge.
type newKey struct {
	Name   string          `json:"name" required:"true" minLength:"1" maxLength:"255" pattern:"\\S" doc:"not blank"`
	Scopes []tracker.Scope `json:"scopes" required:"true" minItems:"1" uniqueItems:"true" doc:"*, read, or a resource with :read or :write"`
	Rate   int             `json:"rate" minimum:"0" maximum:"10000" doc:"requests per second, with bursts of twice as many; 0: 100"`
}

// createdKey is a key with its text.
type createdKey struct {
	tracker.Key
	Text string `json:"key" doc:"the key itself, shown this once"`
}

func (a *API) createKey(ctx context.Context, c *call, in *struct{ body[newKey] }) (answer, error) {
	key, text := tracker.NewKey(c.network, in.value.Name, in.value.Scopes, in.value.Rate, a.now())
	if err := key.Check(); err != nil {
		return nil, err
	}
	if !c.key.Grants(key.Scopes) {
		return nil, forbidden("A key cannot give scopes that it has not.")
	}
	if c.actor != operator && key.PerSecond() > c.key.PerSecond() {
		p := forbidden("A key cannot give a higher rate than it has.")
		p.Errors = []FieldError{{Path: "rate", Message: fmt.Sprintf("is higher than that of the key that the request came with; without one it is %d", tracker.DefaultRate)}}
		return nil, p
	}
	if err := c.books.CreateKey(ctx, key); err != nil {
		return nil, err
	}
	return object(http.StatusCreated, createdKey{Key: key, Text: text}), nil
}

func (a *API) revokeKey(ctx context.Context, c *call, in *struct {
	ID string `path:"id" doc:"the key's id, the 12 characters after aff_"`
}) (answer, error) {
	if len(in.ID) != tracker.KeyIDSize {
		return nil, tracker.ErrNotFound
	}
	switch key, err := c.books.KeyByID(ctx, in.ID); {
	case err != nil:
		return nil, err
	case key.Network == c.network && !c.key.Grants(key.Scopes):
		return nil, forbidden("A key cannot revoke one that may do more than itself.")
	}
	if _, err := c.books.RevokeKey(ctx, c.network, in.ID); err != nil {
		return nil, err
	}
	return nothing(), nil
}
