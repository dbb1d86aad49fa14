package caddymodule

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// visitor is what one request tells of the person behind it.
type visitor struct {
	handler *Handler
	now     time.Time     // when the request arrived
	token   tracker.Token // as the cookie has it, or as it will be after this click; zero without a session
	sealed  string        // the cookie's value; empty on the click's own request
	class   tracker.Class // of this request's click; empty when it is none
	consent string        // given, refused, or empty where nobody asks
}

// String is empty, so that a placeholder of the variable that holds the visitor shows nothing of the token.
func (*visitor) String() string { return "" }

// refused reports whether nothing of the person may be kept, nor read from their browser.
func (v *visitor) refused() bool { return v.consent == tracker.ConsentRefused }

// visitor reads the cookie of a request that arrived then, unless consent is refused; the zero time is now. What does not
// open is ignored and counted; touches past their window do not show.
func (h *Handler) visitor(r *http.Request, arrived time.Time) *visitor {
	if arrived.IsZero() {
		arrived = time.Now()
	}
	consent := h.consent(r)
	if consent == tracker.ConsentRefused {
		return &visitor{handler: h, now: arrived, consent: consent}
	}
	v := h.open(r.Header["Cookie"], h.cookie.name(r), arrived)
	v.consent = consent
	return v
}

// open is visitor for the Cookie fields of a request in which our cookie has that name.
func (h *Handler) open(cookies []string, name string, now time.Time) *visitor {
	v := &visitor{handler: h, now: now}
	sealer := h.app.sealer()
	if len(cookies) == 0 || sealer == nil {
		return v
	}
	token, sealed, rejected, ok := sealer.OpenNewest(h.network, cookies, name)
	if rejected > 0 {
		tokenRejects.Add(float64(rejected))
	}
	if ok {
		v.token, _ = token.Prune(v.now, h.window)
		v.sealed = sealed
	}
	return v
}

// window is how long a click with that code earns.
func (h *Handler) window(code string) time.Duration {
	return h.app.window(h.link(code))
}

// link is the link with that code in the handler's network, or nil.
func (h *Handler) link(code string) *tracker.Link {
	return h.app.engine.Links().Lookup(h.network, code)
}

// lookUp answers one placeholder for a request that is no click, of a visitor whose cookie may be read.
func (h *Handler) lookUp(r *http.Request, key string) (value any, known bool) {
	if value, known = nobody(key); !known {
		return nil, false
	}
	defer h.survive()
	return h.open(r.Header["Cookie"], h.cookie.name(r), time.Now()).value(key)
}

// placeholderPrefix begins the name of every placeholder of ours.
const placeholderPrefix = "affiliate."

// nobody answers every placeholder for a visitor of whom nothing is known.
func nobody(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, placeholderPrefix)
	if !ours {
		return nil, false
	}
	switch name {
	case "session_id", "code", "affiliate", "visitor_id", "token", "class":
		return "", true
	}
	return nil, false
}

// value answers one placeholder.
func (v *visitor) value(key string) (any, bool) {
	empty, known := nobody(key)
	if !known {
		return nil, false
	}
	name := key[len(placeholderPrefix):]
	if name == "class" {
		return string(v.class), true
	}
	if v.token.Last.Session.IsZero() {
		return empty, true
	}
	switch name {
	case "session_id":
		return v.token.Last.Session.String(), true
	case "code":
		return v.token.Last.Code, true
	case "affiliate":
		return v.affiliate(), true
	case "visitor_id":
		return v.token.Visitor.String(), true
	default:
		return v.sealed, true
	}
}

// affiliate is the name of the affiliate behind the visitor's last touch.
func (v *visitor) affiliate() string {
	if link := v.handler.link(v.token.Last.Code); link != nil {
		return link.Affiliate
	}
	return ""
}

// attest adds the signed request field for the upstream, where there is one to add.
func (h *Handler) attest(header http.Header, v *visitor) {
	if last := v.token.Last; h.ForwardHeader != nil && !last.Session.IsZero() {
		header[sessionField] = []string{tracker.AttestHeader(h.attester, last, v.affiliate())}
	}
}

// keepEndToEnd takes the name of a field out of Connection, by which a client could have a proxy remove the field as
// hop-by-hop (RFC 9110 §7.6.1).
func keepEndToEnd(header http.Header, field string) {
	for i, line := range header["Connection"] {
		if !strings.Contains(strings.ToLower(line), strings.ToLower(field)) {
			continue
		}
		names := slices.DeleteFunc(strings.Split(line, ","), func(name string) bool {
			return strings.EqualFold(strings.Trim(name, " \t"), field)
		})
		header["Connection"][i] = strings.Join(names, ",")
	}
}
