package kraken

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/graph-gophers/graphql-go"
	gqlerrors "github.com/graph-gophers/graphql-go/errors"
)

// The bounds of one document.
const (
	maxDocument   = 8 << 10 // bytes
	maxDepth      = 8       // the schema has 6
	maxSelections = 200     // with fragments spread
	maxAliases    = 20
	maxOverlaps   = 2000 // pairs of fields that are compared while it is validated
	maxParallel   = 4    // fields that are resolved at once
	maxErrors     = 20   // that are told of

	// Where introspection is on: what GraphQL's own tools ask has 15 levels and some 300 fields.
	maxIntrospectionDepth      = 16
	maxIntrospectionSelections = 500
)

//go:embed schema.graphql
var schema string

func (s *server) newSchema() *graphql.Schema {
	depth, selections := maxDepth, maxSelections
	if s.Introspection {
		depth, selections = maxIntrospectionDepth, maxIntrospectionSelections
	}
	return graphql.MustParseSchema(schema, &root{},
		graphql.UseStringDescriptions(),
		graphql.MaxQueryLength(maxDocument),
		graphql.MaxDepth(depth),
		graphql.MaxSelections(selections),
		graphql.OverlapValidationLimit(maxOverlaps),
		graphql.MaxParallelism(maxParallel),
		graphql.RestrictIntrospection(func(context.Context) bool { return s.Introspection }),
		graphql.DisableFieldSelections(),
		graphql.Logger(s),
		graphql.PanicHandler(s),
	)
}

// execute answers a request. A refusal means that nothing was executed.
func (s *server) execute(ctx context.Context, in *request) (*graphql.Response, *refusal) {
	if len(in.query) > maxDocument {
		return nil, refused(codeTooComplex)
	}
	o := outlineOf(in.query)
	if o.aliases > maxAliases {
		return nil, refused(codeTooComplex)
	}
	if o.introspect && !s.Introspection {
		return nil, refused(codeDisabled)
	}
	if o.introspect && o.aliases > 0 { // each could ask for the whole schema, and no key is needed
		return nil, refused(codeTooComplex)
	}
	if op, ok := o.chosen(in.operation); ok && op.kind == mutation && callOf(ctx).safe {
		return nil, refuse(http.StatusMethodNotAllowed, "A mutation needs POST.")
	}
	response := s.exec(ctx, in)
	status := 0
	for _, err := range response.Errors {
		status = max(status, requestError(err))
	}
	if status == 0 {
		place(response.Errors, in)
		return response, nil
	}
	return nil, &refusal{status, http.StatusOK, s.tell(response.Errors)}
}

// refused is a refusal of what is too much, or switched off.
func refused(c code) *refusal {
	return &refusal{http.StatusUnprocessableEntity, http.StatusOK, []Error{c.fault().told()}}
}

// exec executes. The executor panics where a literal is no value, also outside of where it minds panics.
func (s *server) exec(ctx context.Context, in *request) (response *graphql.Response) {
	defer func() {
		if value := recover(); value != nil {
			if !isValue(value) {
				panic(value)
			}
			response = &graphql.Response{Errors: []*gqlerrors.QueryError{s.MakePanicError(ctx, value)}}
		}
	}()
	response = s.schema.Exec(ctx, in.query, in.operation, in.variables)
	for _, err := range response.Errors {
		if ctx.Err() != nil && errors.Is(err.Err, ctx.Err()) {
			err.ResolverError = away(err.Err)
		}
	}
	return response
}

// isValue reports whether a panic is about a value of the request.
func isValue(value any) bool {
	err, isError := value.(error)
	_, isBad := value.(badValue)
	return isBad || isError && (errors.Is(err, strconv.ErrRange) || errors.Is(err, strconv.ErrSyntax))
}

// errValue marks errors about a value of the request.
var errValue = errors.New("a value is not what the schema wants")

// MakePanicError implements graphql-go's errors.PanicHandler.
func (s *server) MakePanicError(_ context.Context, value any) *gqlerrors.QueryError {
	if bad, ok := value.(badValue); ok {
		return &gqlerrors.QueryError{Err: errValue, Message: bad.message}
	}
	if isValue(value) {
		return &gqlerrors.QueryError{Err: errValue, Message: "A value in the document is out of range."}
	}
	return &gqlerrors.QueryError{ResolverError: codeInternal.fault()}
}

// LogPanic implements graphql-go's log.Logger. The log gets the place and the type: the value may be somebody's data.
func (s *server) LogPanic(_ context.Context, value any) {
	if !isValue(value) {
		s.Logger.Error("a request panicked", "dialect", "kraken", "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
	}
}

// requestError is the status of an error that is about the request as a whole, before anything was executed, or 0.
func requestError(err *gqlerrors.QueryError) int {
	switch {
	case errors.Is(err.Err, gqlerrors.ErrSyntax):
		return http.StatusBadRequest
	case err.ResolverError == nil && err.Path == nil:
		return http.StatusUnprocessableEntity
	}
	return 0
}

// tell renders errors, and logs those that are our own fault.
func (s *server) tell(list []*gqlerrors.QueryError) []Error {
	told := make([]Error, 0, min(len(list), maxErrors))
	for _, err := range list[:min(len(list), maxErrors)] {
		one := s.render(err)
		if err.Rule != ruleVariables { // whose locations may be of the schema
			for _, at := range err.Locations {
				one.Locations = append(one.Locations, Location{at.Line, at.Column})
			}
		}
		one.Path = err.Path
		told = append(told, one)
	}
	return told
}

// The rules of the executor whose messages repeat values.
const (
	ruleValues    = "ValuesOfCorrectTypeRule"
	ruleVariables = "VariablesOfCorrectType"
)

// withoutValue takes those of their messages that name nothing but the schema's types and fields.
func withoutValue(message string) string {
	switch {
	case strings.HasSuffix(message, "found null."), strings.HasSuffix(message, "was not provided."):
		return strings.ReplaceAll(message, "\n", " ")
	case strings.Contains(message, "is not defined by type"):
		return "An input has a field that its type does not define."
	}
	return "A value is not of the type that the schema wants here."
}

// limits are the codes of the executor's own bounds, by the rule that was broken.
var limits = map[string]code{"MaxDepthExceeded": codeTooComplex, "OverlapValidationLimitExceeded": codeTooComplex}

// render is one error on the wire.
func (s *server) render(err *gqlerrors.QueryError) Error {
	if err.ResolverError != nil {
		f := faultOf(err.ResolverError)
		if f.cause != nil {
			s.Logger.Error("answering a request", "dialect", "kraken", "code", f.text, "error", f.cause)
		}
		return f.told()
	}
	if limit, ok := limits[err.Rule]; ok {
		return limit.fault().told()
	}
	switch {
	case errors.Is(err.Err, graphql.ErrTooManySelections):
		return codeTooManyNodes.fault().told()
	case errors.Is(err.Err, gqlerrors.ErrSyntax):
		return Error{Message: "Syntax Error: the document is not GraphQL."}
	case err.Rule == ruleValues || err.Rule == ruleVariables:
		return Error{Message: withoutValue(err.Message)}
	case err.Rule != "" || errors.Is(err.Err, errValue):
		return Error{Message: err.Message}
	}
	return Error{Message: "The operation cannot be executed: there is none, more than one, or a value that is not of its type."}
}
