package api

import (
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// newHuma makes the huma API behind ours. It serves no pages and no schemas of its own, has no hooks, and its errors become
// our problems on their way out.
func newHuma(a *API) huma.API {
	format := huma.Format{Marshal: func(w io.Writer, v any) error {
		text, err := marshal(v)
		if err == nil {
			_, err = w.Write(append(text, '\n'))
		}
		return err
	}}
	h := humago.NewWithPrefix(a.mux, strings.TrimSuffix(Prefix, "/"), huma.Config{
		OpenAPI:                      newDocument(),
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{toProblem},
	})
	h.UseMiddleware(a.guard)
	return h
}

// plainContext hides the header Accept from huma: its parser panics on some (v2.37.2, SelectQValueFast on "a;,b"), and all
// that huma writes itself is problems.
type plainContext struct{ humaContext }

// humaContext is a huma.Context under a name that its method Context leaves free.
type humaContext huma.Context

// Header implements huma.Context.
func (c plainContext) Header(name string) string {
	if http.CanonicalHeaderKey(name) == "Accept" {
		return ""
	}
	return c.humaContext.Header(name)
}

// Unwrap lets humago find its own context.
func (c plainContext) Unwrap() huma.Context { return c.humaContext }

// toProblem makes a problem of what huma says of parameters. Its own errors repeat values, and what they are may have been
// changed for the whole process (huma.NewError); of those that are not huma's own, only the status is believed.
func toProblem(ctx huma.Context, status string, v any) (any, error) {
	var wrong tracker.Invalid
	if model, ok := v.(*huma.ErrorModel); ok {
		for _, detail := range model.Errors {
			wrong.Add(parameterPath(detail.Location), parameterMessage(detail.Message))
		}
	}
	p := invalid(wrong)
	if status != "422" {
		copied := *errInternal
		p = &copied
	}
	p.RequestID = callOf(ctx.Context()).requestID
	ctx.SetHeader("Content-Type", "application/problem+json")
	return p, nil
}

// parameterPath takes off where a parameter was sent.
func parameterPath(location string) string {
	_, name, _ := strings.Cut(location, ".")
	return join("", name)
}

// parameterMessages are huma's messages, which may go on, as they begin, and how we put them; those of a schema's own bounds go
// on as they are.
var parameterMessages = []struct{ begin, ours string }{
	{"unknown query parameter", "is not a parameter of this route"},
	{"invalid integer", "must be a whole number"},
	{"invalid boolean", "must be true or false"},
	{"invalid date/time", "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z"},
	{"required ", "is required"},
	{"expected string to be RFC 3339 date", "must be a day such as 2026-01-31"},
	{"expected value to be one of", ""},
	{"expected number >=", ""},
	{"expected number <=", ""},
	{"expected length", ""},
}

func parameterMessage(message string) string {
	for _, known := range parameterMessages {
		if strings.HasPrefix(message, known.begin) {
			if known.ours != "" {
				return known.ours
			}
			return message
		}
	}
	return "is not valid"
}
