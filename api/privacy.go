package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) privacy() {
	register(a, operation{
		id: "export-person", method: http.MethodPost, path: "privacy/export", scope: "privacy:read",
		summary: "Export what is known of a person", answer: []exported{},
		about: "Named by a token, a visitor, or a customer by either id. The answer is an array, sent as it is read; one that breaks off is not whole.",
	}, a.exportPerson)
	register(a, operation{
		id: "erase-person", method: http.MethodPost, path: "privacy/erase", scope: "privacy:write",
		summary: "Erase what is known of a person", answer: tracker.Erasure{},
		about: "Named by a token, a visitor, or a customer by either id. Money stays in the books, with nothing that leads to the person.",
	}, a.erasePerson)
}

// subject is the body that names a person, in one of four ways.
type subject struct {
	Token              string `json:"token" doc:"the visitor's token"`
	VisitorID          string `json:"visitor_id"`
	CustomerID         string `json:"customer_id" doc:"ours"`
	CustomerExternalID string `json:"customer_external_id" doc:"yours, also of a customer who was never reported"`
	CustomerBrand      string `json:"customer_brand" doc:"with customer_external_id"`
}

func (a *API) subjectOf(c *call, said subject) (tracker.Subject, error) {
	var s tracker.Subject
	given := 0
	for _, value := range []string{said.Token, said.VisitorID, said.CustomerID, said.CustomerExternalID} {
		if value != "" {
			given++
		}
	}
	if given != 1 {
		return s, wrongValue("", "must have one of token, visitor_id, customer_id and customer_external_id")
	}
	if said.CustomerBrand != "" && said.CustomerExternalID == "" {
		return s, wrongValue("customer_brand", "must go with customer_external_id")
	}
	switch {
	case said.Token != "":
		token, ok := a.openToken(c.network, said.Token)
		if !ok {
			return s, wrongValue("token", "is not a token of this network")
		}
		s.Visitor = token.Visitor
	case said.VisitorID != "":
		var err error
		if s.Visitor, err = tracker.ParseVisitorID(said.VisitorID); err != nil || s.Visitor.IsZero() {
			return s, wrongValue("visitor_id", "must be 32 hexadecimal digits, not all of them 0")
		}
	case said.CustomerExternalID != "":
		s.CustomerExternalID, s.CustomerBrand = said.CustomerExternalID, said.CustomerBrand
	default:
		id, err := byID{said.CustomerID}.canonical()
		if err != nil {
			return s, wrongValue("customer_id", "must be a UUID")
		}
		s.CustomerID = id
	}
	return s, nil
}

func (a *API) erasePerson(ctx context.Context, c *call, in *struct{ body[subject] }) (answer, error) {
	person, err := a.subjectOf(c, in.value)
	if err != nil {
		return nil, err
	}
	erased, err := c.books.Erase(ctx, c.network, person)
	return found(erased, err)
}

// exported is one thing that is known of a person.
type exported struct {
	Kind   string `json:"kind" doc:"session, conversion, customer, transaction, or external_ref, what a destination calls one of them"`
	Object any    `json:"object"`
}

func (a *API) exportPerson(ctx context.Context, c *call, in *struct{ body[subject] }) (answer, error) {
	person, err := a.subjectOf(c, in.value)
	if err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter, _ *http.Request) error {
		out := arrayWriter{w: w}
		err := c.books.Export(ctx, c.network, person, func(kind string, object any) error {
			if s, ok := object.(tracker.BookedSession); ok {
				object = tracker.ShowSession(s)
			}
			return out.write(exported{Kind: kind, Object: object})
		})
		if err == nil {
			return out.end()
		}
		if out.begun {
			a.logger.Error("exporting a person", "request_id", c.requestID, "error", err)
			panic(http.ErrAbortHandler) // the status is sent: breaking off is the one sign left
		}
		return err
	}, nil
}

// arrayWriter writes a JSON array element by element.
type arrayWriter struct {
	w     http.ResponseWriter
	begun bool
}

func (a *arrayWriter) write(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	separator := ",\n"
	if !a.begun {
		a.w.Header().Set("Content-Type", "application/json")
		a.w.WriteHeader(http.StatusOK)
		a.begun, separator = true, "[\n"
	}
	_, err = a.w.Write(append([]byte(separator), EscapeControls(text)...))
	return err
}

func (a *arrayWriter) end() error {
	if !a.begun {
		writeJSON(a.w, http.StatusOK, []byte("[]"))
		return nil
	}
	_, err := a.w.Write([]byte("\n]\n"))
	return err
}
