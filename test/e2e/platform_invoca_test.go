package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// invocaNode serves Invoca's dialect and nothing else on the site, with the platform's number for the network.
const invocaNode = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		ledger sqlite ./books/ledger.db
	}
}

:{$HTTP_PORT} {
	affiliate
	affiliate_api {
		serve invoca native
		invoca {
			network_id 33
			object_url https://invoca.net/ps/{id}/dashboards/ui
			custom_data channel
		}
	}
	respond "hello from {affiliate.affiliate}"
}
`

// surfOz is the body of the platform's sample "Create an affiliate with users", letter by letter but for the address, which the
// page that shows it has blotted out.
const surfOz = `{
  "name": "Surf Oz Magazine",
  "status": "Approved",
  "id_from_network": "222",
  "users": [
    {
      "phone_number": "805‐708‐9876",
      "id_from_network": 123,
      "role": "Super",
      "last_name": "Affiliate",
      "first_name": "User",
      "email_settings": [
        { "email_address": "userx@invoca.com",  "use_for_notifications": true }
      ],
      "notify_on_budgets": true,
      "notify_on_campaign_applications": false,
      "notify_on_campaign_expirations": false,
      "notify_on_creative_duplication_requests": true,
      "notify_on_network_announcements": true,
      "notify_on_performance_notifications": false,
      "notify_on_monthly_campaign_performance_reports": true,
      "notify_on_weekly_campaign_performance_reports": false,
      "notify_on_call_activities": true
    }
  ],
  "sites": [
    {
      "id_from_network": 33567,
      "name": "http://www.surfoz.au"
    },
    {
      "id_from_network": 44920,
      "name": "http://www.blogspot.com/surfoz"
    }
  ],
  "custom_data": {
    "channel": "Offline lead"
  }
}`

// surfOzRead is what the platform's sample "Read a specific affiliate" shows, with what surfOz says and without the reserved
// oauth_refresh_token.
const surfOzRead = `{"id":1,"id_from_network":"222","object_url":"https://invoca.net/ps/1/dashboards/ui","sites":[` +
	`{"id_from_network":"33567","name":"http://www.surfoz.au"},{"id_from_network":"44920","name":"http://www.blogspot.com/surfoz"}],` +
	`"name":"Surf Oz Magazine","users":[{"email_settings":[{"email_address":"userx@invoca.com","use_for_notifications":true}],` +
	`"id_from_network":"123","first_name":"User","phone_number":"8057089876","last_name":"Affiliate","role":"Super",` +
	`"notify_on_budgets":true,"notify_on_campaign_applications":false,"notify_on_campaign_expirations":false,` +
	`"notify_on_creative_duplication_requests":true,"notify_on_network_announcements":true,"notify_on_performance_notifications":false,` +
	`"notify_on_monthly_campaign_performance_reports":true,"notify_on_weekly_campaign_performance_reports":false,` +
	`"notify_on_call_activities":true,"can_login_via_platform":true}],"status":"Approved","custom_data":{"channel":"Offline lead"}}`

// TestInvoca walks the platform's page from top to bottom with curl: only the host and the token are another's.
func TestInvoca(t *testing.T) {
	p := caddy.Start(t, invocaNode)
	p.AwaitHealth()
	m := newMerchant(t, p, "affiliates:read", "affiliates:write", "links:write")
	endpoint := p.URL + "/api/2018-11-01/33/affiliates"
	auth := "Authorization: " + m.key

	ask := func(want string, args ...string) {
		t.Helper()
		if got := curl(t, append([]string{"--write-out", " %{http_code}"}, args...)...); got != want {
			t.Errorf("curl %s prints\n%s\nwant\n%s", strings.Join(args, " "), got, want)
		}
	}
	const json = "Content-Type: application/json"
	ask("[] 200", endpoint+".json", "-H", auth)
	ask(surfOzRead+" 201", endpoint+".json", "-H", auth, "-H", json, "-d", surfOz)
	ask("["+surfOzRead+"] 200", endpoint+".json?oauth_token="+m.key)
	ask(surfOzRead+" 200", endpoint+"/222.json", "-H", auth)
	ask(surfOzRead+" 200", endpoint+"/222.json", "-u", m.key+":")
	updated := strings.Replace(surfOzRead, `"Surf Oz Magazine"`, `"Updated Surf Oz Magazine"`, 1)
	ask(updated+" 200", endpoint+"/222.json", "-X", "PUT", "-H", auth, "-d", "{\n  \"name\": \"Updated Surf Oz Magazine\"\n}")
	ask(strings.Replace(updated, "Offline lead", "Offline newspaper", 1)+" 200", endpoint+"/222.json", "-X", "PUT", "-H", json,
		"-d", `{"oauth_token": "`+m.key+`", "custom_data": {"channel": "Offline newspaper"}}`)
	ask(`{"errors":{"custom_data":["has a key that is no Custom Data field of the network"]}} 403`,
		endpoint+"/222.json", "-X", "PUT", "-H", auth, "-d", `{"custom_data": {"colour": "red"}}`)
	ask(`{"errors":{"users":[{"email_settings":[{"email_address":["is invalid"]}]}]}} 403`,
		endpoint+".json", "-H", auth, "-d", strings.Replace(surfOz, "userx@invoca.com", "[email protected]", 1))
	ask(`{"errors":{"invalid_data":"The API token is missing or not valid.","class":"Unauthorized"}} 401`, endpoint+".json")

	// The affiliate is that of the books: it has a link at once, and can then no longer be deleted.
	m.do(201, "POST", "links", `{"code": "surf", "affiliate_id": 1}`)
	if page := newBrowser(t).open(p.URL + "/?via=surf"); page.body != "hello from Updated Surf Oz Magazine" {
		t.Errorf("the affiliate's visitor reads %q", page.body)
	}
	ask(`{"errors":{"invalid_data":"Validation failed: campaigns exist for this affiliate, it can only be archived","class":"RecordInvalid"}} 403`,
		endpoint+"/222.json", "-X", "DELETE", "-H", auth)
	ask(strings.NewReplacer(`"Approved"`, `"Archived"`, "Offline lead", "Offline newspaper").Replace(updated)+" 200",
		endpoint+"/222.json", "-X", "PUT", "-H", auth, "-d", `{"status": "Archived"}`)
	ask(strings.NewReplacer(`"id":1,`, `"id":2,`, "/1/", "/2/", `"222"`, `"223"`, "Surf Oz Magazine", "Other").Replace(surfOzRead)+" 200",
		endpoint+"/223.json", "-X", "PUT", "-H", auth, "-d", strings.NewReplacer(`"222"`, `"223"`, "Surf Oz Magazine", "Other").Replace(surfOz))
	ask("{} 200", endpoint+"/223.json", "-X", "DELETE", "-H", auth)
	ask("{} 200", endpoint+"/223.json", "-X", "DELETE", "-H", auth)
	ask(`{"errors":{"invalid_data":"Could not find Affiliate 223","class":"RecordNotFound"}} 404`, endpoint+"/223.json", "-H", auth)
	ask(`{"errors":{"invalid_data":"You do not have permissions to perform the requested operation.","class":"UnauthorizedOperation"}} 403`,
		p.URL+"/api/2018-11-01/34/affiliates.json", "-H", auth)
	if leak := regexp.MustCompile(m.key[17:] + `|userx@|Offline newspaper`).FindString(p.Logs()); leak != "" {
		t.Errorf("what Caddy printed has %s", leak)
	}
}
