package kraken

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/graph-gophers/graphql-go"
	gqlerrors "github.com/graph-gophers/graphql-go/errors"
)

// statusPartial says that there are data and errors (GraphQL over HTTP, "Partial success"); only for mediaGraphQL.
const statusPartial = 294

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	media, ok := accepted(r.Header.Values("Accept"))
	if !ok {
		s.refuse(w, mediaJSON, refuse(http.StatusNotAcceptable, "Only "+mediaGraphQL+" and "+mediaJSON+" are served here."))
		return
	}
	in, no := read(w, r, s.Strict)
	if no != nil {
		s.refuse(w, media, no)
		return
	}
	c := &call{server: s, authorization: r.Header.Values("Authorization"), safe: r.Method == http.MethodGet}
	response, no := s.execute(context.WithValue(r.Context(), callKey{}, c), in)
	if no != nil {
		if no.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		s.refuse(w, media, no)
		return
	}
	s.answer(w, media, response)
}

func (s *server) refuse(w http.ResponseWriter, media string, no *refusal) {
	status := no.status
	if media == mediaJSON {
		status = no.legacy
	}
	write(w, media, status, Response{Errors: no.errors})
}

// answer writes what was executed.
func (s *server) answer(w http.ResponseWriter, media string, response *graphql.Response) {
	status := http.StatusOK
	if len(response.Errors) > 0 && media == mediaGraphQL {
		status = statusPartial
	}
	data := response.Data
	if len(data) == 0 { // a resolver panicked, or the time was over
		data = json.RawMessage("null")
	}
	if wait, away := retryAfter(response.Errors); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		if away && string(data) == "null" {
			status = http.StatusServiceUnavailable
		}
	}
	write(w, media, status, Response{Errors: s.tell(response.Errors), Data: data})
}

// retryAfter is the longest wait that an error asks for, in seconds, and whether the books were away.
func retryAfter(list []*gqlerrors.QueryError) (wait int, away bool) {
	for _, err := range list {
		var f *fault
		if errors.As(err.ResolverError, &f) {
			wait, away = max(wait, f.retryAfter), away || f.code == codeAway
		}
	}
	return wait, away
}

func write(w http.ResponseWriter, media string, status int, response Response) {
	body, err := json.Marshal(response)
	if err != nil {
		panic(err) // the executor has written data that are no JSON
	}
	if media == mediaGraphQL {
		media += "; charset=utf-8"
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}
