package kraken

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// throttledWait is the pause after KT-CT-1199 where Kraken does not say how long.
const throttledWait = 30 * time.Second

// maxErrorsRead is how many errors of an answer are looked at.
const maxErrorsRead = 16

// tokenCodes say that a token has to be obtained again.
var tokenCodes = []string{"KT-CT-1120", codeExpired.text, codeBadHeader.text}

// keyCodes say that it is the key that is not good, or not for this.
var keyCodes = []string{codeUnauthorized.text, codeNoHeader.text, codeDisabled.text, codeSecretKey.text, codeAPIKey.text, codeCombination.text}

// sending is one attempt.
type sending struct {
	*Destination
	client  *forward.Client
	answer  forward.Answer // the last
	written bool           // the last request has gone out
	secrets []string       // tokens that the endpoint may send back
}

// graphqlError is what errors of a response come to.
type graphqlError struct {
	told []Error
}

// Error implements error. Messages are Kraken's own and may repeat what was sent, so only the codes are told.
func (e *graphqlError) Error() string {
	text := "Kraken answers with errors"
	for _, code := range e.codes() {
		text += " " + code
	}
	return text
}

func (e *graphqlError) codes() (codes []string) {
	for _, one := range e.told[:min(len(e.told), maxErrorsRead)] {
		if x := one.Extensions; x != nil && isCode(x.Code) && !slices.Contains(codes, x.Code) {
			codes = append(codes, x.Code)
		}
	}
	return codes
}

// isCode reports whether text looks like a code, and not like something else that stands in its place.
func isCode(text string) bool {
	return text != "" && len(text) <= 32 && !bytes.ContainsFunc([]byte(text), func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
}

// has reports whether one of the errors has one of the codes.
func (e *graphqlError) has(codes ...string) bool {
	return slices.ContainsFunc(e.codes(), func(c string) bool { return slices.Contains(codes, c) })
}

// call asks Kraken with a token, and once more with a new one where that has expired.
func (s *sending) call(ctx context.Context, query string, variables any) (json.RawMessage, error) {
	token, err := s.tokens.get(ctx, s, "")
	if err != nil {
		return nil, err
	}
	data, err := s.ask(ctx, token, query, variables)
	var told *graphqlError
	if !errors.As(err, &told) || !told.has(tokenCodes...) {
		return data, err
	}
	if token, err = s.tokens.get(ctx, s, token); err != nil {
		return nil, err
	}
	return s.ask(ctx, token, query, variables)
}

// ask sends one request, without a token where that is empty, and returns its data.
func (s *sending) ask(ctx context.Context, token, query string, variables any) (json.RawMessage, error) {
	header := http.Header{}
	if token != "" {
		s.secrets = append(s.secrets, token)
		if s.Scheme == SchemeNone {
			header.Set("Authorization", token)
		} else {
			header.Set("Authorization", s.Scheme+" "+token)
		}
	}
	s.written = false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { s.written = true }})
	body := map[string]any{"query": query, "variables": variables}
	secrets := append(s.secrets, s.OrganizationSecretKey, s.APIKey)
	response, answer, err := s.client.DoJSON(ctx, http.MethodPost, s.Endpoint, header, body, secrets...)
	s.answer = answer
	if err != nil {
		return nil, err
	}
	return s.read(response)
}

// read judges an answer. Kraken says what is wrong under 200 as well, so the body counts before the status.
func (s *sending) read(r *forward.Response) (json.RawMessage, error) {
	var body Response
	err := json.Unmarshal(r.Body, &body)
	if other := (*json.UnmarshalTypeError)(nil); errors.As(err, &other) {
		err = nil // a member of another form than is known; the rest is read
	}
	if err == nil && len(body.Errors) > 0 {
		return body.Data, s.judge(&graphqlError{body.Errors}, r)
	}
	if failure := forward.JudgeKey(r, s.Now()); failure != nil {
		return nil, failure
	}
	if err != nil || len(body.Data) == 0 {
		return nil, fmt.Errorf("the endpoint answered %d with what is not GraphQL", r.Status)
	}
	return body.Data, nil
}

// contentFields are the inputs of which the event is made: it will be the same in every attempt.
var contentFields = []string{"ipAddress", "userAgent", "queryParams", "quoteShareId"}

// judge says what the errors of an answer mean for the delivery.
func (s *sending) judge(told *graphqlError, r *forward.Response) error {
	switch {
	case told.has(codeTooMany.text):
		f := &forward.Failure{Err: told, Throttled: true, RetryAfter: throttledWait}
		var asked *forward.Failure
		if errors.As(forward.Judge(&forward.Response{Status: http.StatusTooManyRequests, Header: r.Header}, s.Now()), &asked) &&
			asked.RetryAfter > 0 {
			f.RetryAfter = asked.RetryAfter
		}
		return f
	case told.has(keyCodes...):
		return forward.Refused(told)
	case told.has(tokenCodes...): // the second time
		return told
	case slices.ContainsFunc(contentFields, func(field string) bool { return blames(told, field) }):
		return forward.Permanent(told)
	}
	if failure := forward.Judge(r, s.Now()); failure != nil {
		var f *forward.Failure
		errors.As(failure, &f)
		f.Err = fmt.Errorf("%w under %d", told, r.Status)
		return f
	}
	return told
}

// blames reports whether an error of the answer names that field of the input as wrong.
func blames(err error, field string) bool {
	var told *graphqlError
	if !errors.As(err, &told) {
		return false
	}
	for _, one := range told.told {
		if one.Extensions == nil {
			continue
		}
		for _, w := range one.Extensions.ValidationErrors {
			if len(w.InputPath) > 0 && w.InputPath[len(w.InputPath)-1] == field {
				return true
			}
		}
	}
	return false
}

// doubtful reports whether the last request may have made a session, although its answer does not say so.
func (s *sending) doubtful(err error) bool {
	if !s.written {
		return false
	}
	var told *graphqlError
	if errors.As(err, &told) { // refused before anything was made, or broken on the way
		return !slices.ContainsFunc(told.told, func(one Error) bool {
			return one.Extensions == nil && len(one.Path) == 0 || one.Extensions != nil &&
				slices.Contains([]string{ClassAuthorization, ClassValidation, ClassNotFound}, class(one.Extensions))
		})
	}
	return s.answer.Status < 300 || s.answer.Status >= 500
}

func class(x *Extensions) string {
	if x.Class != "" {
		return x.Class
	}
	return x.Type
}

// sessionID reads the id of a session that was made, or nothing where none was. Kraken's own page shows an answer in another form,
// with no id.
func sessionID(data json.RawMessage) string {
	var made struct {
		CreateAffiliateSession *struct{ AffiliateSession *struct{ ID string } }
		Link                   json.RawMessage
	}
	if json.Unmarshal(data, &made) != nil {
		return ""
	}
	if made.CreateAffiliateSession != nil && made.CreateAffiliateSession.AffiliateSession != nil {
		id := made.CreateAffiliateSession.AffiliateSession.ID
		if id == "" || len(id) > tracker.MaxRef {
			return unnamedSession
		}
		return id
	}
	if len(made.Link) > 0 && string(made.Link) != "null" {
		return unnamedSession
	}
	return ""
}

// unnamedSession is kept of a session that Kraken has taken and given no id.
const unnamedSession = "-"
