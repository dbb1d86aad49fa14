package invoca

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// answer writes one affiliate.
func (s *server) answer(c *call, status int, a *tracker.Affiliate) {
	begin(c.w, status)
	c.w.Write(s.text(c, a))
}

// text is an affiliate in the platform's JSON.
func (s *server) text(c *call, a *tracker.Affiliate) []byte {
	wire := NewAffiliate(a)
	wire.ObjectURL = s.objectURL(c, a.ID)
	for i := range wire.Users {
		user := &wire.Users[i]
		if number := user.PhoneNumber; s.ContactPhoneNumber || s.Strict {
			user.ContactPhoneNumber = number
		}
		if s.Strict { // which does not take it, and what was read is to be sent back
			user.PhoneNumber = nil
		}
	}
	return encode(wire)
}

func (s *server) objectURL(c *call, id int64) string {
	template := s.ObjectURL
	if template == "" {
		scheme := "http://"
		if c.r.TLS != nil {
			scheme = "https://"
		}
		template = scheme + c.r.Host + "/affiliate/v1/affiliates/{id}"
	}
	return strings.ReplaceAll(template, "{id}", strconv.FormatInt(id, 10))
}

func begin(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
}

func write(w http.ResponseWriter, status int, body any) {
	begin(w, status)
	w.Write(encode(body))
}

// encode writes JSON as it is, with no escapes for HTML.
func encode(v any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // what is written here always has a JSON form
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}
