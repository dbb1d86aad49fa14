package invoca

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/access"
	"github.com/caddy-affiliate/caddy-affiliate/platform/platformtest"
)

func TestHostileBodies(t *testing.T) {
	n := newNetwork(t, nil)
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"deep lists":         {`{"sites": ` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}`, 400},
		"deep hashes":        {strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), 400},
		"open lists":         {strings.Repeat("[", 60_000), 400},
		"a large body":       {`{"name": "` + strings.Repeat("x", access.MaxBody) + `"}`, 413},
		"no JSON":            {`name=x`, 400},
		"a list":             {`[{"name": "x"}]`, 400},
		"two objects":        {`{"name": "x"}{"name": "y"}`, 400},
		"null":               {`null`, 400},
		"bad UTF-8":          {"{\"name\": \"\xff\"}", 400},
		"a comma too many":   {`{"name": "x",}`, 400},
		"the colon mistake":  {`{"users": [{"email_settings:" []}]}`, 400},
		"a name twice":       {`{"name": "x", "name": "y"}`, 400},
		"a name twice below": {`{"users": [{"role": "Super", "role": "Member"}]}`, 403},
		"custom data twice":  {`{"custom_data": {"a": "1", "a": "2"}}`, 403},
		"a huge number":      {`{"name": "x", "id_from_network": 1` + strings.Repeat("0", 10_000) + `}`, 403},
		"an exponent":        {`{"name": "x", "id_from_network": 1e999999999}`, 403},
		"many properties":    {manyProperties(4_000), 403},
		"many sites":         {`{"sites": ` + manySites(2_000) + `}`, 403},
	} {
		t.Run(name, func(t *testing.T) {
			platformtest.Soon(t, 2*time.Second, func() {
				got := n.do("PUT", "affiliates/222.json", c.body)
				if got.status != c.status {
					t.Errorf("status %d, want %d: %.200s", got.status, c.status, got.body)
				}
				if !json.Valid([]byte(got.body)) {
					t.Errorf("the answer is no JSON: %.200s", got.body)
				}
			})
		})
	}
	n.do("GET", "affiliates/222.json", "").wantClass(404, "RecordNotFound")
}

func manyProperties(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `,"f%d":%d`, i, i)
	}
	return "{" + text.String()[1:] + "}"
}

// TestErrorsRepeatNoValue plants values everywhere: neither an answer nor the log has them.
func TestErrorsRepeatNoValue(t *testing.T) {
	n := newNetwork(t, nil)
	for _, value := range []string{`"plant-4711"`, `4711.5`, `-4711`, `["plant-4711"]`, `{"x": "plant-4711"}`, `"plant-4711\u0000"`, `"+4711"`} {
		for _, body := range []string{
			`{"name": ` + value + `}`, `{"status": ` + value + `}`, `{"id_from_network": ` + value + `}`, `{"sites": ` + value + `}`, `{"users": ` + value + `}`,
			`{"sites": [{"name": ` + value + `}]}`, `{"custom_data": ` + value + `}`, `{"custom_data": {"a": ` + value + `}, "status": "x"}`,
			`{"users": [{"first_name": ` + value + `, "role": ` + value + `, "phone_number": ` + value + `, "email_settings": ` + value + `}]}`,
			`{"users": [{"email_settings": [{"email_address": ` + value + `, "use_for_notifications": ` + value + `}]}]}`,
			`{"plant 4711": ` + value + `}`, `{"plant-4711": 1}`,
		} {
			got := n.do("PUT", "affiliates/1.json", body)
			if got.status >= 400 && (strings.Contains(got.body, "4711") || strings.Contains(got.body, "plant")) || got.status >= 500 {
				t.Errorf("%s is answered %d %s", body, got.status, got.body)
			}
		}
	}
	if strings.Contains(n.log.String(), "4711") {
		t.Errorf("the log has a value: %s", n.log.String())
	}
}

// FuzzPutAffiliate sends anything as an affiliate: the answer is never our own fault, never late, and a refusal is in the
// platform's form. What was taken reads back as it was answered, and can be sent back.
func FuzzPutAffiliate(f *testing.F) {
	for _, seed := range []string{
		surf, `{}`, ``, `null`, `[]`, `{"name": "A", "id_from_network": 222}`, `{"name": "A", "custom_data": {"a": null, "b": 5, "c": "x"}}`,
		`{"name": "A", "users": [{"id_from_network": 1, "first_name": "a", "last_name": "b", "email_address": "a@b.c"}]}`,
		`{"name": "A", "users": [{"email_settings:" []}]}`, `{"name": "A", "name": "B"}`, "\xff", `{"name": "\ud800"}`, `{"name": "\u0000"}`,
		`{"status": "Approved", "name": "A", "sites": [{"id_from_network": "1"}, {"id_from_network": "1"}]}`, `{"a.b[0]": 1}`, `{"users[0]": 1}`,
	} {
		f.Add([]byte(seed))
	}
	all := newNetwork(f, func(o *Options) { o.Now = time.Now }) // so that the key's rate is no limit
	f.Fuzz(func(t *testing.T, body []byte) {
		n := &network{TB: t, books: all.books, handler: all.handler, key: all.key}
		var got reply
		platformtest.Soon(t, 5*time.Second, func() { got = n.do("PUT", "affiliates/222.json", string(body)) })
		switch got.status {
		case http.StatusOK:
			n.do("GET", "affiliates/222.json", "").wantBody(200, got.body)
			n.do("PUT", "affiliates/222.json", got.body).wantBody(200, got.body)
		case http.StatusForbidden, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			got.want(got.status, `{"errors":{`)
		default:
			t.Errorf("status %d: %s", got.status, got.body)
		}
		if !json.Valid([]byte(got.body)) {
			t.Errorf("the answer is no JSON: %s", got.body)
		}
	})
}
