package invoca

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// TestTolerances has a request for each entry of the page's table: taken as it is, and refused where strict is set.
func TestTolerances(t *testing.T) {
	const person = `"id_from_network": "7", "first_name": "A", "last_name": "B"`
	const emails = `"email_settings": [{"email_address": "a@example.com", "use_for_notifications": true}]`
	user := func(fields string) string { return `{"name": "N", "users": [{` + fields + `}]}` }
	for name, c := range map[string]struct {
		method, path, body string
		header             [2]string
		loose, strict      int
		refusal            string
	}{
		"Bearer before the token":       {"GET", "acme/affiliates.json", "", [2]string{"Authorization", "Bearer KEY"}, 200, 401, "Unauthorized"},
		"Token before the token":        {"GET", "acme/affiliates.json", "", [2]string{"Authorization", "Token KEY"}, 200, 401, "Unauthorized"},
		"no network":                    {"GET", "affiliates.json", "", [2]string{}, 200, 404, "RecordNotFound"},
		"no .json":                      {"PUT", "acme/affiliates/1", `{"name": "N"}`, [2]string{}, 200, 404, "RecordNotFound"},
		"POST with an id in the path":   {"POST", "acme/affiliates/1.json", `{"name": "N"}`, [2]string{}, 201, 404, "RecordNotFound"},
		"other parameters in the query": {"GET", "acme/affiliates.json?page=2", "", [2]string{}, 200, 403, "InvalidInput"},
		"another content type":          {"PUT", "acme/affiliates/1.json", `{"name": "N"}`, [2]string{"Content-Type", "application/x-www-form-urlencoded"}, 200, 400, "InvalidInput"},
		"no content type":               {"PUT", "acme/affiliates/1.json", `{"name": "N"}`, [2]string{"Content-Type", ""}, 200, 400, "InvalidInput"},
		"whole numbers for an id":       {"POST", "acme/affiliates.json", `{"name": "N", "id_from_network": 1}`, [2]string{}, 201, 403, `{"id_from_network":["is invalid"]}`},
		"whole numbers for custom data": {"PUT", "acme/affiliates/1.json", `{"name": "N", "custom_data": {"n": 5}}`, [2]string{}, 200, 403, `{"custom_data":["is invalid"]}`},
		"phone_number": {"PUT", "acme/affiliates/1.json", user(person + `,` + emails + `, "phone_number": "8057089876"`), [2]string{}, 200, 403,
			`{"users":[{"phone_number":["is not a property of this object"]}]}`},
		"punctuation in numbers": {"PUT", "acme/affiliates/1.json", user(person + `,` + emails + `, "contact_phone_number": "(805) 708‐98.76"`), [2]string{}, 200, 403,
			`{"users":[{"contact_phone_number":["is invalid"]}]}`},
		"email_address of a user": {"PUT", "acme/affiliates/1.json", user(person + `, "email_address": "a@example.com"`), [2]string{}, 200, 403,
			`{"users":[{"email_address":["is not a property of this object"]}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, strict := range []bool{false, true} {
				n := newNetwork(t, func(o *Options) { o.Strict = strict })
				r := n.request(c.method, prefix+c.path, c.body)
				if c.header[0] != "" {
					r.Header.Set(c.header[0], strings.Replace(c.header[1], "KEY", n.key, 1))
				}
				got := n.send(r)
				if strict {
					got.want(c.strict, c.refusal)
				} else {
					got.want(c.loose)
				}
			}
		})
	}
}

// TestStrictTakesTheTable: what the platform's table says is taken by a strict server too.
func TestStrictTakesTheTable(t *testing.T) {
	n := newNetwork(t, func(o *Options) { o.Strict = true })
	n.do("POST", "affiliates.json", surf).want(http.StatusCreated)
	n.do("PUT", "affiliates/222.json", `{"name": "Updated"}`).want(200, `"name":"Updated"`)
	read := n.do("GET", "affiliates/222.json", "").want(200, `"contact_phone_number":`)
	if strings.Contains(read.body, `"phone_number"`) {
		t.Errorf("the samples' name of the number is in %s", read.body)
	}
	if again := n.do("PUT", "affiliates/222.json", read.body).want(200); again.body != read.body {
		t.Errorf("what was read and sent back is %s, was %s", again.body, read.body)
	}
	key := n.key
	n.key = ""
	n.do("GET", "affiliates.json?oauth_token="+key, "").want(200)
	r := n.request("GET", "affiliates/222.json", "")
	r.SetBasicAuth(key, "")
	n.send(r).want(200)
}

// TestCoercions: what is stored of numbers and ids.
func TestCoercions(t *testing.T) {
	n := newNetwork(t, nil)
	for _, c := range [][2]string{
		{"805‐708‐9876", "8057089876"}, {"805-708-9876", "8057089876"}, {"805–708—9876", "8057089876"}, {"(805) 708.9876", "8057089876"},
		{"+1 805 708 9876", "+18057089876"}, {"+61.2.9374.4000", "+61293744000"},
	} {
		body := `{"name": "N", "users": [{"id_from_network": 123, "first_name": "A", "last_name": "B", "phone_number": "` + c[0] + `",
			"email_settings": [{"email_address": "a@example.com", "use_for_notifications": true}]}]}`
		n.do("PUT", "affiliates/1.json", body).want(200, `"phone_number":"`+c[1]+`"`, `"id_from_network":"123","first_name"`)
	}
	for _, id := range []string{`1.0`, `1e3`, `-1`, `true`, `01`, `1234567890123456789`, `[1]`, `{}`} {
		got := n.do("POST", "affiliates.json", `{"name": "M", "id_from_network": `+id+`}`)
		if id == "01" {
			got.wantClass(400, "InvalidInput")
			continue
		}
		got.wantFields(`{"id_from_network":["is invalid"]}`)
	}
	n.do("POST", "affiliates.json", `{"name": "M", "id_from_network": 123456789012345678}`).want(201, `"id_from_network":"123456789012345678"`)
}

// TestStatusesAreThoseOfTheBooks: an affiliate that is suspended here is suspended everywhere.
func TestStatusesAreThoseOfTheBooks(t *testing.T) {
	n := newNetwork(t, nil)
	n.do("POST", "affiliates.json", surf).want(201)
	for word, status := range map[string]tracker.AffiliateStatus{
		"Applied": tracker.AffiliateApplied, "Approved": tracker.AffiliateApproved, "Declined": tracker.AffiliateDeclined,
		"Suspended": tracker.AffiliateSuspended, "Archived": tracker.AffiliateArchived,
	} {
		n.do("PUT", "affiliates/222.json", `{"status": "`+word+`"}`).want(200, `"status":"`+word+`"`)
		rows, _, err := n.books.Affiliates(t.Context(), "acme", tracker.AffiliateFilter{Status: status}, tracker.Page{})
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: the books have %d affiliates that are %s (%v)", word, len(rows), status, err)
		}
	}
	for word, role := range map[string]tracker.Role{
		"Super": tracker.RoleSuper, "Manager": tracker.RoleManager, "Member": tracker.RoleMember, "Observer": tracker.RoleObserver,
	} {
		n.do("PUT", "affiliates/222.json", `{"users": [{"id_from_network": "7", "role": "`+word+`"}]}`).want(200, `"role":"`+word+`"`)
		rows, _, err := n.books.Affiliates(t.Context(), "acme", tracker.AffiliateFilter{}, tracker.Page{})
		if err != nil || rows[0].Users[0].Role != role {
			t.Errorf("%s: the books have %+v (%v)", word, rows, err)
		}
	}
}

func TestAllNotifications(t *testing.T) {
	n := newNetwork(t, nil)
	n.do("POST", "affiliates.json", surf).want(201)
	names := notifications(&tracker.User{})
	if len(names) != 9 {
		t.Errorf("there are %d", len(names))
	}
	for name := range names {
		n.do("PUT", "affiliates/222.json", `{"users": [{"id_from_network": "8", "`+name+`": true}]}`).want(200, `"`+name+`":true`)
		n.do("PUT", "affiliates/222.json", `{"users": [{"id_from_network": "8", "`+name+`": false}]}`).want(200, `"`+name+`":false`)
	}
}
