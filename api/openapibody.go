package api

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// documentedBody is a body that the document does not show yet.
type documentedBody struct {
	operation operation
	schema    *huma.Schema // as of an answer
}

// The names of the schemas of what is sent.
const (
	bodyPrefix  = "Body"
	inputSuffix = "Input"
)

func isInput(name string) bool {
	return strings.HasPrefix(name, bodyPrefix) || strings.HasSuffix(name, inputSuffix)
}

// describe returns the body as the document shows it. Its schema has the operation's name: POST and PATCH of one type require
// different fields.
func (b documentedBody) describe(schemas huma.Registry) *huma.RequestBody {
	schema := *schemas.SchemaFromRef(inputSchema(schemas, b.schema).Ref)
	schema.Required = append(schema.Required, b.operation.requires...)
	name := bodyPrefix
	for word := range strings.SplitSeq(b.operation.id, "-") {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	schemas.Map()[name] = &schema
	return &huma.RequestBody{
		Required: len(schema.Required) > 0,
		Content:  map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: schemaPrefix + name}}},
	}
}

// inputSchema is a schema for what is sent, made from that for what is answered: an answer has each field that is not marked
// omitempty, while a body must have only those with the tag required.
func inputSchema(schemas huma.Registry, s *huma.Schema) *huma.Schema {
	if s.Ref == "" {
		input := *s
		if s.Items != nil {
			input.Items = inputSchema(schemas, s.Items)
		}
		return &input
	}
	name := strings.TrimPrefix(s.Ref, schemaPrefix)
	ref := &huma.Schema{Ref: s.Ref + inputSuffix}
	if _, made := schemas.Map()[name+inputSuffix]; made {
		return ref
	}
	input := *schemas.SchemaFromRef(s.Ref)
	schemas.Map()[name+inputSuffix] = &input
	input.Required = requiredFields(schemas.TypeFromRef(s.Ref))
	if a, b, ok := eitherField(schemas.TypeFromRef(s.Ref)); ok {
		input.AnyOf = []*huma.Schema{{Required: []string{a}}, {Required: []string{b}}}
	}
	input.Properties = map[string]*huma.Schema{}
	for name, property := range schemas.SchemaFromRef(s.Ref).Properties {
		input.Properties[name] = inputSchema(schemas, property)
		if field, ok := fieldOf(schemas.TypeFromRef(s.Ref), name); ok && takesNull(field) && property.Ref == "" {
			input.Properties[name].Nullable = true // never in an answer, where the field is left out
		}
	}
	return ref
}
