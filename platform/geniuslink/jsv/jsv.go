// Package jsv reads and writes JSV, ServiceStack's text format: JSON's objects and lists with CSV's quoting. A scalar stands
// bare unless it holds one of the bytes that mean something, and then in quotes, in which a quote is written twice; there are
// no backslashes. White space is data. (https://docs.servicestack.net/jsv-format)
//
// Reading takes time in proportion to the text, whatever it holds: ServiceStack's own reader looks again at what is nested.
package jsv

import "errors"

// MaxDepth is how deep maps and lists may be nested.
const MaxDepth = 64

// What may be wrong with a text. The errors do not repeat it.
var (
	ErrSyntax = errors.New("is not JSV")
	ErrDepth  = errors.New("is JSV nested deeper than 64")
)

// Kind says what a node is.
type Kind uint8

// The kinds. JSV has no numbers and no truth values: who wants one reads it from a text.
const (
	Null Kind = iota // nothing at all; the zero node
	Text
	Map
	List
)

// Node is a value.
type Node struct {
	Kind    Kind
	Text    string
	Members []Member // of a map, in their order; a key may be there twice
	Items   []Node   // of a list
}

// Member is what a map has under a key.
type Member struct {
	Key   string
	Value Node
}

// String returns a node of that text.
func String(s string) Node { return Node{Kind: Text, Text: s} }
