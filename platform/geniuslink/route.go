package geniuslink

import (
	"context"
	"net/http"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// operation is what one verb does on one path.
type operation struct {
	verb     string
	path     string // {groupid} and {guid} stand for a segment
	metric   string
	scope    tracker.Scope
	request  string // the type's name, in errors and, where it is known, in paths
	response string // the type's name, in XML
	writes   bool   // the answer says success
	do       func(s *server, ctx context.Context, c *call) (record, error)
}

var operations = []operation{
	{"PUT", "/v4/groups/{groupid}/group-affiliate-tokens/{guid}", "put_group_tokens", "links:write",
		putRequest, "PutGroupAffiliateTokensResponse", true, (*server).putGroupTokens},
	{"DELETE", "/v4/groups/{groupid}/group-affiliate-tokens/{guid}", "delete_group_tokens", "links:write",
		"DeleteGroupAffiliateTokensRequest", "DeleteGroupAffiliateTokensResponse", true, (*server).deleteGroupTokens},
	{"GET", "/v4/groups/{groupid}/group-affiliate-tokens", "list_group_tokens", "links:read",
		"GetGroupAffiliateTokensRequest", "GetGroupAffiliateTokensResponse", false, (*server).listGroupTokens},
	{"POST", "/v4/groups/{groupid}/group-affiliate-tokens", "add_group_tokens", "links:write",
		"PostGroupAffiliateTokensRequest", "PostGroupAffiliateTokensResponse", true, (*server).addGroupTokens},
	{"GET", "/v4/user-affiliate-tokens", "list_user_tokens", "links:read",
		"GetUserAffiliateTokensRequest", "GetUserAffiliateTokensResponse", false, (*server).listUserTokens},
	{"POST", "/v4/user-affiliate-tokens", "add_user_tokens", "links:write",
		"PostUserAffiliateTokensRequest", "PostUserAffiliateTokensResponse", true, (*server).addUserTokens},
	{"PUT", "/v4/user-affiliate-tokens/{guid}", "put_user_tokens", "links:write",
		"PutUserAffiliateTokensRequest", "PutUserAffiliateTokensResponse", true, (*server).putUserTokens},
	{"POST", "/v4/affiliate-tokens-sets", "add_token_set", "links:write",
		"PostAffiliateTokensSetRequest", "PostAffiliateTokensSetResponse", true, (*server).addTokenSet},
	{"GET", "/v4/affiliate-tokens-sets", "get_token_set", "links:read",
		"GetAffiliateTokensSetRequest", "GetAffiliateTokensSetResponse", false, (*server).getTokenSet},
	{"GET", "/v3/affiliate-programs", "list_programs", "links:read",
		"GetAffiliateProgramsRequest", "GetAffiliateProgramsResponse", false, (*server).listPrograms},
	{"GET", "/v3/group-affiliate-tokens", "list_group_programs", "links:read",
		"GetGroupAffiliateProgramsRequest", "GetGroupAffiliateProgramsResponse", false, (*server).listGroupPrograms},
}

// putRequest is the one type of request whose name is public.
const putRequest = "PutGroupAffiliateTokensRequest"

// groupPrefix is what all paths of groups begin with. A wrong one is ours to refuse: a client that mistypes it sends its key, and should
// not take another handler's page for the answer.
const groupPrefix = "/v4/groups/"

// owns reports whether the path is one of ours, whatever the verb.
func owns(path string) bool {
	if len(path) > len(groupPrefix) && strings.EqualFold(path[:len(groupPrefix)], groupPrefix) {
		return true
	}
	path, _, _ = cutSuffix(path)
	for i := range operations {
		if _, ok := operations[i].match(path); ok {
			return true
		}
	}
	return false
}

// find returns the operation and what the path's variables are, or the verbs that the path has.
func find(verb, path string) (op *operation, variables map[string]string, verbs []string) {
	if verb == http.MethodHead {
		verb = http.MethodGet
	}
	path, _, _ = cutSuffix(path)
	for i := range operations {
		found, ok := operations[i].match(path)
		if ok && operations[i].verb == verb {
			return &operations[i], found, nil
		}
		if ok {
			verbs = append(verbs, operations[i].verb)
		}
	}
	return nil, nil, verbs
}

// predefined splits the paths at which ServiceStack's own clients ask, with all of a request in its body: /api/TYPE, and
// formerly /FORMAT/reply/TYPE, which is the format of the answer too.
func predefined(path string) (name string, f format, ok bool) {
	parts := strings.Split(path, "/")
	switch {
	case len(parts) == 3 && strings.EqualFold(parts[1], "api"):
		return parts[2], format{}, true
	case len(parts) == 4 && strings.EqualFold(parts[2], "reply"):
		f, ok = formatNamed(strings.ToLower(parts[1]))
		return parts[3], f, ok
	}
	return "", format{}, false
}

// match compares a path segment by segment, without case as ServiceStack does. A slash at the end does not count.
func (o *operation) match(path string) (map[string]string, bool) {
	if name, _, ok := predefined(path); ok {
		return nil, o.request == putRequest && strings.EqualFold(name, putRequest)
	}
	wanted, given := strings.Split(o.path, "/"), strings.Split(strings.TrimSuffix(path, "/"), "/")
	if len(wanted) != len(given) {
		return nil, false
	}
	variables := map[string]string{}
	for i, segment := range wanted {
		if name, ok := strings.CutPrefix(segment, "{"); ok && given[i] != "" {
			variables[strings.TrimSuffix(name, "}")] = given[i]
		} else if !strings.EqualFold(segment, given[i]) {
			return nil, false
		}
	}
	return variables, true
}

// unbound is errBind for a request of this type.
func (o *operation) unbound() *fault {
	f := *errBind
	f.message += " '" + o.request + "'"
	return &f
}
