package geniuslink

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/platform/geniuslink/jsv"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// errBind stands for every request whose members cannot be read as what they are; see operation.unbound.
var errBind = refuse(http.StatusBadRequest, "SerializationException", "Unable to bind to request")

// request is what a client asks, whatever its form.
type request struct {
	groupID     *uint32
	guid        string
	username    string
	parameters  texts // nil: not given
	programGUID string
	programs    []tracker.SetTokens // nil: not given
	setGUID     string
}

// bound are the members that a request is bound from, by their names in lower case: those of the body, then the path's, the
// query's and the form's, of which the later win.
type bound struct {
	values map[string]jsv.Node
	path   map[string]string
}

func bind(path map[string]string, body, query, form []jsv.Member) (request, error) {
	b := bound{values: map[string]jsv.Node{}, path: path}
	for _, m := range body {
		b.values[strings.ToLower(strings.TrimSpace(m.Key))] = m.Value
	}
	for name, value := range path {
		b.values[name] = jsv.String(value)
	}
	for _, m := range slices.Concat(query, form) {
		if err := b.override(m); err != nil {
			return request{}, err
		}
	}
	return b.request()
}

// override takes a member of the query or of a form, unless it is empty. ServiceStack lets it win over the path: here what
// names another object than the path is refused, since whoever allowed the request looked at the path.
func (b *bound) override(m jsv.Member) error {
	name := strings.ToLower(strings.TrimSpace(m.Key))
	if m.Value.Kind == jsv.Null || m.Value.Kind == jsv.Text && m.Value.Text == "" {
		return nil
	}
	if inPath, ok := b.path[name]; ok && (m.Value.Kind != jsv.Text || m.Value.Text != inPath) {
		return errPath
	}
	b.values[name] = m.Value
	return nil
}

func (b *bound) request() (r request, err error) {
	if r.groupID, err = b.group(); err != nil {
		return r, err
	}
	for name, to := range map[string]*string{
		"guid": &r.guid, "username": &r.username, "programguid": &r.programGUID, "setguid": &r.setGUID,
	} {
		if *to, err = b.text(name); err != nil {
			return r, err
		}
	}
	if r.parameters, err = dictionaryOf(b.values["parameters"]); err != nil {
		return r, err
	}
	r.programs, err = programsOf(b.values["affiliateprograms"])
	return r, err
}

func (b *bound) text(name string) (string, error) {
	n := b.values[name]
	if n.Kind == jsv.Map || n.Kind == jsv.List {
		return "", errBind
	}
	return n.Text, nil
}

// group reads .NET's uint.
func (b *bound) group() (*uint32, error) {
	text, err := b.text("groupid")
	if text == "" || err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return nil, errBind
	}
	group := uint32(n)
	return &group, nil
}

// dictionaryOf reads texts by their names, of which the last of a name counts; nil if they are not given. A text that is null
// or empty is none.
func dictionaryOf(n jsv.Node) (texts, error) {
	switch n.Kind {
	case jsv.Null:
		return nil, nil
	case jsv.Map:
	default:
		return nil, errBind
	}
	t := texts{}
	for _, m := range n.Members {
		if m.Value.Kind == jsv.Map || m.Value.Kind == jsv.List {
			return nil, errBind
		}
		t[m.Key] = m.Value.Text
	}
	maps.DeleteFunc(t, func(_, value string) bool { return value == "" })
	return t, nil
}

func programsOf(n jsv.Node) ([]tracker.SetTokens, error) {
	switch n.Kind {
	case jsv.Null:
		return nil, nil
	case jsv.List:
	default:
		return nil, errBind
	}
	list := []tracker.SetTokens{}
	for _, item := range n.Items {
		guid := memberOf(item, "programGuid")
		parameters, err := dictionaryOf(memberOf(item, "affiliateTokens"))
		if err != nil || item.Kind != jsv.Map || guid.Kind == jsv.Map || guid.Kind == jsv.List {
			return nil, errBind
		}
		list = append(list, tracker.SetTokens{Program: guid.Text, Parameters: parameters})
	}
	return list, nil
}
