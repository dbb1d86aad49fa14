package api

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2/negotiation"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Paging is the parameters of every list. It is exported because huma looks into no other embedded structs.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"at most so many rows"`
	After  string `query:"after" doc:"what next said in the answer before, for the rows after it"`
	Format string `query:"format" enum:"json,csv" doc:"csv for CSV, as the header Accept: text/csv"`
}

func (p Paging) page() tracker.Page { return tracker.Page{After: p.After, Limit: p.Limit} }

// unbind takes the list's name off a cursor, and refuses that of another list, which would lead to any place of this one.
func (p *Paging) unbind(list string) error {
	if p.After == "" {
		return nil
	}
	var ours bool
	if p.After, ours = strings.CutPrefix(p.After, boundTo(list)); !ours || p.After == "" {
		return tracker.ErrCursor
	}
	return nil
}

// boundTo is what stands before the cursors of the list that an operation shows.
func boundTo(operation string) string { return strings.TrimPrefix(operation, "list-") + "." }

// List is a page of a list.
type List[T any] struct {
	Data []T    `json:"data"`
	Next string `json:"next,omitempty" doc:"the parameter after for the next page; absent on the last one"`
}

// listing answers with a page, as JSON or as CSV. The header Link leads to the next page with the same filters (RFC 8288).
func listing[T any](rows []T, next string, columns []column[T]) answer {
	return func(w http.ResponseWriter, r *http.Request) error {
		next := next
		if next != "" {
			next = boundTo(callOf(r.Context()).operation) + next
			query := r.URL.Query()
			query.Set("after", next)
			link := url.URL{Path: r.URL.Path, RawQuery: query.Encode()}
			w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, link.String()))
		}
		if wantsCSV(r) {
			return writeCSV(w, rows, columns)
		}
		if rows == nil {
			rows = []T{}
		}
		return object(http.StatusOK, List[T]{Data: rows, Next: next})(w, r)
	}
}

// wantsCSV reports whether a request for a list asks for CSV; the parameter decides over the header.
func wantsCSV(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "csv":
		return true
	case "json":
		return false
	}
	return negotiation.SelectQValue(r.Header.Get("Accept"), []string{"application/json", "text/csv"}) == "text/csv"
}

func writeCSV[T any](w http.ResponseWriter, rows []T, columns []column[T]) error {
	var text bytes.Buffer
	if err := encodeCSV(&text, rows, columns); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.WriteHeader(http.StatusOK)
	w.Write(text.Bytes())
	return nil
}
