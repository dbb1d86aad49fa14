package affili

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// call is a request of a merchant, with a key.
type call struct {
	books Books
	key   tracker.Key
	id    string // of the conversion, as the path has it
	body  *body  // nil for GET
	query string
}

// route is what a method of a path does.
type route struct {
	tag, operation string
	scope          tracker.Scope
	handle         func(s *server, ctx context.Context, c *call) (any, error)
}

// merchantRoutes are by path, with {id} for a conversion's, and by method.
var merchantRoutes = map[string]map[string]route{
	"set-cookie": {
		http.MethodPost: {tagSetCookie, "set-cookie", "sessions:write", (*server).setCookie},
	},
	"conversions": {
		http.MethodGet:  {tagConversions, "list-conversions", "conversions:read", (*server).listConversions},
		http.MethodPost: {tagCreateConversion, "create-conversion", "conversions:write", (*server).createConversion},
	},
	"conversions/{id}": {
		http.MethodGet:  {tagFindConversion, "find-conversion", "conversions:read", (*server).findConversion},
		http.MethodPost: {tagUpdateConversion, "update-conversion", "conversions:write", (*server).updateConversion},
	},
}

// findRoute returns what to do, with the id that the path names, or the methods that the path has.
func findRoute(path, method string) (found route, id string, allowed []string) {
	if rest, ok := strings.CutPrefix(path, "conversions/"); ok && rest != "" && !strings.Contains(rest, "/") {
		path, id = "conversions/{id}", rest
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	methods := merchantRoutes[path]
	return methods[method], id, slices.Sorted(maps.Keys(methods))
}

func (s *server) serveMerchant(w http.ResponseWriter, r *http.Request, path string) {
	found, id, allowed := findRoute(path, r.Method)
	if s.allowApplication(w, r, allowed) {
		platform.Operation(r.Context(), "preflight")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if found.handle == nil {
		err := errNoRoute
		if allowed != nil {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			err = errMethod
		}
		s.fail(w, "", err)
		return
	}
	platform.Operation(r.Context(), found.operation)
	c := &call{id: id, query: r.URL.RawQuery}
	err := s.authorize(r, c, found.scope)
	if err == nil && r.Method == http.MethodPost {
		c.body, err = readBody(w, r, s.Strict)
	}
	var data any
	if err == nil {
		data, err = found.handle(s, r.Context(), c)
	}
	s.respond(w, found.tag, data, err)
}

// allowApplication lets an application on a page of a configured site call a merchant's routes: the platform's document promises
// it. It reports whether that is all that the request asks for. No cookie counts there, so the page has to have a key.
func (s *server) allowApplication(w http.ResponseWriter, r *http.Request, methods []string) (preflight bool) {
	site := r.Header.Get("Origin")
	if len(s.Browser.Sites) > 0 {
		w.Header().Add("Vary", "Origin")
	}
	if !slices.Contains(s.Browser.Sites, site) || methods == nil {
		return false
	}
	allowOrigin(w.Header(), site, strings.Join(methods, ", "), "authorization, content-type")
	return r.Method == http.MethodOptions
}

// authorize finds out whose request it is and whether it may do what needs the scope, and counts it against the key's rate.
func (s *server) authorize(r *http.Request, c *call, scope tracker.Scope) (err error) {
	if c.books, err = s.books(); err != nil {
		return err
	}
	c.key, err = access.Authenticate(r.Context(), c.books, s.accessID(r.Header))
	if errors.Is(err, access.ErrKey) {
		return errKey
	}
	if err != nil {
		return err
	}
	if left := access.Spend(r.Context(), c.books, c.key, s.Now(), s.Logger); !left.Allowed {
		return tooMany(left.RetryAfter)
	}
	if !c.key.Allows(scope) {
		return fails(http.StatusForbidden, "authorization", "has not the scope "+string(scope))
	}
	return nil
}

// books returns the ledger, or says why there is none.
func (s *server) books() (Books, error) {
	books, err := s.Books()
	if err != nil {
		away := errAway
		away.cause = err
		return nil, &away
	}
	return books, nil
}

func tooMany(retryAfter int) *failure {
	f := fails(http.StatusTooManyRequests, "rate", "is exceeded; wait as long as the header Retry-After says")
	f.retryAfter = retryAfter
	return f
}

// accessID is the key that the request carries, empty where it carries none. The platform's document shows it in quotation
// marks.
func (s *server) accessID(h http.Header) string {
	values := h.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	text = strings.TrimSpace(text)
	if n := len(text); !s.Strict && n >= 2 && text[0] == '"' && text[n-1] == '"' {
		text = text[1 : n-1]
	}
	return text
}

func readBody(w http.ResponseWriter, r *http.Request, strict bool) (*body, error) {
	data, err := access.ReadBody(w, r)
	if err != nil {
		return nil, err
	}
	return parseBody(data, r.Header.Get("Content-Type"), strict)
}
