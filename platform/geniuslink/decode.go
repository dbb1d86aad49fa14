package geniuslink

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/platform/geniuslink/jsv"
)

// errSyntax says that a body is not what its type says, or is nested too deep.
var errSyntax = errors.New("the body cannot be read")

// shape is what a member of a request is, where its text does not tell.
type shape uint8

const (
	plain      shape = iota
	dictionary       // texts by their names
	programSet       // a list of programmes
)

// shapes are those of the members that are no plain values, by their names in lower case.
var shapes = map[string]shape{"parameters": dictionary, "affiliatetokens": dictionary, "affiliateprograms": programSet}

// formType is what a form is called, and what curl calls everything that it is not told of.
const formType = "application/x-www-form-urlencoded"

// decodeBody reads a body of that type into members.
func decodeBody(kind string, body []byte, strict bool) ([]jsv.Member, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if !utf8.Valid(body) {
		return nil, errBind
	}
	var n jsv.Node
	var err error
	switch kind {
	case "application/json", "":
		if kind == "" && strict {
			return nil, errContentType
		}
		n, err = decodeJSON(body)
	case "application/jsv", jsvAlias:
		if strict {
			n, err = jsv.ParseCompact(string(body))
		} else {
			n, err = jsv.Parse(string(body))
		}
	case "application/xml", "text/xml":
		n, err = decodeXML(body)
	case formType:
		n, err = decodeForm(string(body))
	default:
		return nil, errContentType
	}
	if err != nil || n.Kind != jsv.Map {
		return nil, errBind
	}
	return n.Members, nil
}

// decodeForm reads a form or a query. Values of members that are no plain values are JSV.
func decodeForm(text string) (jsv.Node, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return jsv.Node{}, errSyntax
	}
	n := jsv.Node{Kind: jsv.Map}
	for name, all := range values {
		for _, value := range all {
			v := jsv.String(value)
			if shapes[strings.ToLower(name)] != plain {
				if v, err = jsv.Parse(value); err != nil {
					return n, err
				}
			}
			n.Members = append(n.Members, jsv.Member{Key: name, Value: v})
		}
	}
	return n, nil
}

// decodeJSON reads JSON into a node, in which numbers and truth values are texts.
func decodeJSON(body []byte) (jsv.Node, error) {
	if platform.TooDeep(body) {
		return jsv.Node{}, errSyntax
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	n, err := jsonValue(d)
	if err != nil {
		return n, err
	}
	if _, err := d.Token(); err != io.EOF {
		return n, errSyntax
	}
	return n, nil
}

func jsonValue(d *json.Decoder) (n jsv.Node, err error) {
	token, err := d.Token()
	if err != nil {
		return n, err
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			n.Kind = jsv.Map
		} else {
			n.Kind = jsv.List
		}
		return n, jsonInside(d, &n)
	case string:
		return jsv.String(v), nil
	case json.Number:
		return jsv.String(v.String()), nil
	case bool:
		if v {
			return jsv.String("true"), nil
		}
		return jsv.String("false"), nil
	}
	return n, nil // null
}

// jsonInside reads an object or a list up to its end.
func jsonInside(d *json.Decoder, n *jsv.Node) error {
	for d.More() {
		key := ""
		if n.Kind == jsv.Map {
			token, err := d.Token()
			if err != nil {
				return err
			}
			key = token.(string) // the decoder lets nothing else stand there
		}
		value, err := jsonValue(d)
		if err != nil {
			return err
		}
		if n.Kind == jsv.Map {
			n.Members = append(n.Members, jsv.Member{Key: key, Value: value})
		} else {
			n.Items = append(n.Items, value)
		}
	}
	_, err := d.Token()
	return err
}

// decodeXML reads what .NET's DataContractSerializer writes. Namespaces are not looked at.
func decodeXML(body []byte) (jsv.Node, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err != nil {
			return jsv.Node{}, err
		}
		if _, ok := token.(xml.StartElement); ok {
			return xmlValue(d, plain, 1)
		}
	}
}

// xmlValue reads an element up to its end: its elements, or where there are none its text.
func xmlValue(d *xml.Decoder, as shape, depth int) (jsv.Node, error) {
	if depth > platform.MaxDepth {
		return jsv.Node{}, errSyntax
	}
	n, text := jsv.Node{Kind: jsv.Map}, []byte(nil)
	for {
		token, err := d.Token()
		if err != nil {
			return n, err
		}
		switch v := token.(type) {
		case xml.StartElement:
			inner, err := xmlValue(d, shapes[strings.ToLower(v.Name.Local)], depth+1)
			if err != nil {
				return n, err
			}
			n.Members = append(n.Members, jsv.Member{Key: v.Name.Local, Value: inner})
		case xml.CharData:
			text = append(text, v...)
		case xml.EndElement:
			return shaped(n, as, string(text)), nil
		}
	}
}

// shaped makes of an element what its member is.
func shaped(n jsv.Node, as shape, text string) jsv.Node {
	switch {
	case as == dictionary:
		pairs := jsv.Node{Kind: jsv.Map}
		for _, m := range n.Members {
			key, value := memberOf(m.Value, "key"), memberOf(m.Value, "value")
			pairs.Members = append(pairs.Members, jsv.Member{Key: key.Text, Value: value})
		}
		return pairs
	case as == programSet:
		list := jsv.Node{Kind: jsv.List}
		for _, m := range n.Members {
			list.Items = append(list.Items, m.Value)
		}
		return list
	case len(n.Members) == 0:
		return jsv.String(text)
	default:
		return n
	}
}

// memberOf returns the last member of that name, which is compared without case and without white space around it.
func memberOf(n jsv.Node, name string) jsv.Node {
	var found jsv.Node
	for _, m := range n.Members {
		if strings.EqualFold(strings.TrimSpace(m.Key), name) {
			found = m.Value
		}
	}
	return found
}
