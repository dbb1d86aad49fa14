package invoca

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const surf = `{"id_from_network": "222", "name": "Surf Oz Magazine",
	"sites": [{"id_from_network": "1", "name": "one"}, {"id_from_network": "2", "name": "two"}],
	"users": [{"id_from_network": "7", "first_name": "Ann", "last_name": "Lee", "role": "Manager", "contact_phone_number": "+18057089876",
		"email_settings": [{"email_address": "ann@example.com", "use_for_notifications": true}], "notify_on_budgets": true},
		{"id_from_network": "8", "first_name": "Bob", "last_name": "Ray",
		"email_settings": [{"email_address": "bob@example.com", "use_for_notifications": true}]}]}`

// TestWhatIsNotGivenStays changes one thing after the other.
func TestWhatIsNotGivenStays(t *testing.T) {
	n := newNetwork(t, nil)
	first := n.do("POST", "affiliates.json", surf).want(201).body
	n.do("PUT", "affiliates/222.json", `{}`).wantBody(200, first)
	n.do("PUT", "affiliates/222.json", ``).wantBody(200, first)
	n.do("POST", "affiliates.json", `{"id_from_network": "222"}`).wantBody(201, first)

	n.do("PUT", "affiliates/222.json", `{"sites": [{"id_from_network": "2"}, {"id_from_network": "3", "name": "three"}]}`).
		want(200, `"sites":[{"id_from_network":"2","name":"two"},{"id_from_network":"3","name":"three"}]`, `"Ann"`, `"Bob"`)
	n.do("PUT", "affiliates/222.json", `{"users": [{"id_from_network": "7", "first_name": "Anna"}]}`).
		want(200, `"first_name":"Anna","phone_number":"+18057089876","last_name":"Lee","role":"Manager","notify_on_budgets":true`, `"sites":[{`)
	if body := n.do("GET", "affiliates/222.json", "").want(200).body; strings.Contains(body, "Bob") {
		t.Errorf("a user who is not in the list is still there: %s", body)
	}
	n.do("PUT", "affiliates/222.json", `{"users": [], "sites": []}`).want(200, `"sites":[]`, `"users":[]`, `"name":"Surf Oz Magazine"`)
}

// TestNothingIsDeletedByAccident: only a list takes a list away.
func TestNothingIsDeletedByAccident(t *testing.T) {
	n := newNetwork(t, nil)
	first := n.do("POST", "affiliates.json", surf).want(201).body
	for _, nothing := range []string{`null`, `{}`, `""`, `false`} {
		n.do("PUT", "affiliates/222.json", `{"users": `+nothing+`}`).wantFields(`{"users":["is invalid"]}`)
		n.do("PUT", "affiliates/222.json", `{"sites": `+nothing+`}`).wantFields(`{"sites":["is invalid"]}`)
	}
	n.do("PUT", "affiliates/222.json", `{"users": [{"id_from_network": "7", "email_settings": []}]}`).
		wantFields(`{"users":[{"email_settings":["must have at least one email address with use_for_notifications"]}]}`)
	n.do("GET", "affiliates/222.json", "").wantBody(200, first)
}

// TestWhatWasReadCanBeSentBack: the read-only properties of an answer are ignored in a request.
func TestWhatWasReadCanBeSentBack(t *testing.T) {
	for name, settings := range map[string]func(*Options){"as it is": nil, "with both phone numbers": func(o *Options) { o.ContactPhoneNumber = true }} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, settings)
			first := n.do("POST", "affiliates.json", surf).want(201).body
			n.do("PUT", "affiliates/222.json", first).wantBody(200, first)
			legacy := strings.Replace(first, `"notify_on_budgets"`, `"oauth_refresh_token":"556588585858585858585858858","notify_on_budgets"`, 1)
			n.do("POST", "affiliates.json", legacy).wantBody(201, first)
			if got := n.do("GET", "affiliates/222.json", "").body; strings.Contains(got, "oauth_refresh_token") {
				t.Errorf("the reserved token was kept: %s", got)
			}
		})
	}
}

func TestFieldErrors(t *testing.T) {
	n := newNetwork(t, nil)
	user := func(fields string) string {
		return `{"users": [{"id_from_network": "7", "first_name": "A", "last_name": "B", ` + fields + `}]}`
	}
	const good = `"email_settings": [{"email_address": "a@example.com", "use_for_notifications": true}]`
	n.do("POST", "affiliates.json", `{"id_from_network": "1", "name": "A"}`).want(201)
	for body, want := range map[string]string{
		`{"name": ""}`:             `{"name":["can't be blank"]}`,
		`{"name": null}`:           `{"name":["is invalid"]}`,
		`{"name": 5}`:              `{"name":["is invalid"]}`,
		`{"name": "a\u0000b"}`:     `{"name":["is invalid"]}`,
		`{"status": "approved"}`:   `{"status":["is not included in the list"]}`,
		`{"status": ""}`:           `{"status":["is not included in the list"]}`,
		`{"id_from_network": "2"}`: `{"id_from_network":["is not the one of the path"]}`,
		`{"id_from_network": 1.5}`: `{"id_from_network":["is invalid"]}`,
		`{"colour": "red"}`:        `{"colour":["is not a property of this object"]}`,
		`{"a colour": "red"}`:      `{"base":["has a property that is unknown"]}`,
		`{"Name": "x"}`:            `{"Name":["is not a property of this object"]}`,
		`{"sites": [5]}`:           `{"sites":[{"base":["is invalid"]}]}`,
		`{"sites": [{}]}`:          `{"sites":[{"id_from_network":["can't be blank"]}]}`,
		`{"sites": [{"id_from_network": "1"}, {"id_from_network": "1"}]}`: `{"sites":[{},{"id_from_network":["has already been taken"]}]}`,
		`{"sites": [{"id_from_network": true}]}`:                          `{"sites":[{"id_from_network":["is invalid"]}]}`,
		`{"users": [{}]}`: `{"users":[{"email_settings":["must have at least one email address with use_for_notifications"],` +
			`"first_name":["can't be blank"],"id_from_network":["can't be blank"],"last_name":["can't be blank"]}]}`,
		user(`"email_settings": [{"email_address": "a@example.com"}]`): `{"users":[{"email_settings":[{"use_for_notifications":["can't be blank"]}]}]}`,
		user(`"email_settings": [{"use_for_notifications": true}]`):    `{"users":[{"email_settings":[{"email_address":["can't be blank"]}]}]}`,
		user(`"email_settings": [{"email_address": "a@example.com", "use_for_notifications": true},
			{"email_address": "[email protected]", "use_for_notifications": false}]`): `{"users":[{"email_settings":[{},{"email_address":["is invalid"]}]}]}`,
		user(`"email_settings": [{"email_address": "a@example.com", "use_for_notifications": true},
			{"email_address": "A@example.com", "use_for_notifications": true}]`): `{"users":[{"email_settings":[{},{"email_address":["has already been taken"]}]}]}`,
		user(`"email_settings": [{"email_address": "a@example.com", "use_for_notifications": false}]`): `{"users":[{"email_settings":["must have at least one email address with use_for_notifications"]}]}`,
		user(good + `, "role": "super"`):                         `{"users":[{"role":["is not included in the list"]}]}`,
		user(good + `, "contact_phone_number": "12345"`):         `{"users":[{"contact_phone_number":["is invalid"]}]}`,
		user(good + `, "contact_phone_number": 8057089876`):      `{"users":[{"contact_phone_number":["is invalid"]}]}`,
		user(good + `, "notify_on_budgets": "yes"`):              `{"users":[{"notify_on_budgets":["is invalid"]}]}`,
		user(good + `, "notify_on_budgets": null`):               `{"users":[{"notify_on_budgets":["is invalid"]}]}`,
		user(good + `, "notify_on_everything": true`):            `{"users":[{"notify_on_everything":["is not a property of this object"]}]}`,
		`{"custom_data": null}`:                                  `{"custom_data":["is invalid"]}`,
		`{"custom_data": []}`:                                    `{"custom_data":["is invalid"]}`,
		`{"custom_data": {"channel": {}}}`:                       `{"custom_data":["is invalid"]}`,
		`{"sites": ` + manySites(tracker.MaxSites+1) + `}`:       `{"sites":["has more than 100 entries"]}`,
		`{"name": "` + strings.Repeat("x", 256) + `"}`:           `{"name":["has more than 255 characters"]}`,
		`{"name": 5, "status": 5, "sites": 5, "custom_data": 5}`: `{"custom_data":["is invalid"],"name":["is invalid"],"sites":["is invalid"],"status":["is invalid"]}`,
	} {
		n.do("PUT", "affiliates/1.json", body).wantFields(want)
	}
}

func manySites(n int) string {
	sites := make([]string, n)
	for i := range sites {
		sites[i] = fmt.Sprintf(`{"id_from_network": "%d"}`, i)
	}
	return "[" + strings.Join(sites, ",") + "]"
}

func TestCustomData(t *testing.T) {
	n := newNetwork(t, nil)
	n.do("POST", "affiliates.json", `{"id_from_network": "1", "name": "A", "custom_data": {"channel": "Online", "region": "West"}}`).want(201)
	n.do("PUT", "affiliates/1.json", `{"custom_data": {"channel": "Offline"}}`).want(200, `"custom_data":{"channel":"Offline","region":"West"}`)
	n.do("PUT", "affiliates/1.json", `{"custom_data": {"region": null, "nothing": null}}`).want(200, `"custom_data":{"channel":"Offline"}`)
	n.do("PUT", "affiliates/1.json", `{"custom_data": {}}`).want(200, `"custom_data":{"channel":"Offline"}`)
}

func TestKnownCustomData(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		n := newNetwork(t, func(o *Options) { o.CustomData, o.IgnoreCustomData = []string{"channel"}, ignore })
		n.do("POST", "affiliates.json", `{"id_from_network": "1", "name": "A", "custom_data": {"channel": "Online"}}`).want(201, `{"channel":"Online"}`)
		got := n.do("PUT", "affiliates/1.json", `{"custom_data": {"channel": "Offline", "planted-4711": "x"}}`)
		if ignore {
			got.want(200, `"custom_data":{"channel":"Offline"}`)
			continue
		}
		got.wantFields(`{"custom_data":["has a key that is no Custom Data field of the network"]}`)
		n.do("GET", "affiliates/1.json", "").want(200, `{"channel":"Online"}`)
	}
}

func TestGeneratedIDs(t *testing.T) {
	n := newNetwork(t, func(o *Options) { o.GenerateIDs = true })
	var made struct {
		ID string `json:"id_from_network"`
	}
	got := n.do("POST", "affiliates.json", `{"name": "A"}`).want(201)
	if err := json.Unmarshal([]byte(got.body), &made); err != nil || made.ID == "" {
		t.Fatalf("the affiliate got no id: %s (%v)", got.body, err)
	}
	n.do("GET", "affiliates/"+made.ID+".json", "").wantBody(200, got.body)
	n.do("POST", "affiliates.json", `{"name": "A"}`).wantFields(`{"name":["has already been taken"]}`)
}

func TestPhoneNumbersByBothNames(t *testing.T) {
	n := newNetwork(t, func(o *Options) { o.ContactPhoneNumber = true })
	body := strings.Replace(surf, `"contact_phone_number": "+18057089876"`, `"phone_number": "805-111-1111", "contact_phone_number": "805.222.2222"`, 1)
	n.do("POST", "affiliates.json", body).want(201, `"phone_number":"8052222222","contact_phone_number":"8052222222"`)
	n.do("PUT", "affiliates/222.json", `{"users": [{"id_from_network": 7, "phone_number": "(805) 333 3333"}]}`).
		want(200, `"phone_number":"8053333333","contact_phone_number":"8053333333"`)
	n.do("PUT", "affiliates/222.json", `{"users": [{"id_from_network": "7", "phone_number": ""}]}`).want(200, `"phone_number":null`)
}

// TestAllAffiliatesAreListed has more of them than the books return at once.
func TestAllAffiliatesAreListed(t *testing.T) {
	n := newNetwork(t, nil)
	const all = tracker.MaxPage + 1
	for i := range all {
		if _, err := n.books.CreateAffiliate(t.Context(), "acme", tracker.AffiliateFields{Name: fmt.Sprint("affiliate ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var rows []Affiliate
	if err := json.Unmarshal([]byte(n.do("GET", "affiliates.json", "").want(200).body), &rows); err != nil || len(rows) != all {
		t.Fatalf("%d affiliates (%v)", len(rows), err)
	}
	for i, row := range rows {
		if row.ID != int64(i+1) || row.IDFromNetwork != nil {
			t.Fatalf("row %d is %+v", i, row)
		}
	}
}

func TestObjectURL(t *testing.T) {
	n := newNetwork(t, nil)
	n.do("POST", "affiliates.json", surf).want(201, `"object_url":"http://example.com/affiliate/v1/affiliates/1"`)
}

func TestChangesOfLinksAreTold(t *testing.T) {
	n := newNetwork(t, nil)
	n.do("POST", "affiliates.json", surf).want(201)
	n.do("PUT", "affiliates/222.json", `{"status": "Suspended"}`).want(200)
	n.do("DELETE", "affiliates/222.json", "").want(200)
	if told := n.changes.Load(); told != 3 {
		t.Errorf("%d changes were told, want 3", told)
	}
}

// TestUpsertsAtOnce sends the same affiliate from several clients: it is there once, and nobody is refused.
func TestUpsertsAtOnce(t *testing.T) {
	n := newNetwork(t, nil)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 5 {
				if got := n.do("POST", "affiliates.json", surf); got.status != http.StatusCreated {
					t.Errorf("status %d: %s", got.status, got.body)
				}
			}
		})
	}
	clients.Wait()
	n.do("GET", "affiliates.json", "").want(200)
	if rows := strings.Count(n.do("GET", "affiliates.json", "").body, "object_url"); rows != 1 {
		t.Errorf("there are %d affiliates", rows)
	}
}

func TestWordings(t *testing.T) {
	f := tracker.AffiliateFields{
		Status: "x", IDFromNetwork: "\x00", CustomData: map[string]string{},
		Sites: []tracker.Site{{IDFromNetwork: "1"}, {IDFromNetwork: "1"}},
		Users: []tracker.User{{FirstName: "\xff", ContactPhoneNumber: "5", EmailSettings: []tracker.EmailSetting{{EmailAddress: "no"}}}},
	}
	var wrong tracker.Invalid
	wrong, _ = f.Check().(tracker.Invalid)
	left := map[string]bool{}
	for _, w := range wordings {
		left[w.books] = true
	}
	for _, w := range wrong {
		for begin := range left {
			if strings.HasPrefix(w.Message, begin) {
				delete(left, begin)
			}
		}
	}
	if len(left) > 0 {
		t.Errorf("the books have no such messages any more: %v, they say %v", left, wrong)
	}
}
