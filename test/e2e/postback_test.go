package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/load"
)

const postbackSecret = "5f4dcc3b5aa765d61d8327deb882cf99"

// postbackReceiver takes postbacks by a secret path, and signed ones by another.
const postbackReceiver = `{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		link sara "Sara's Blog"
	}
}

:{$HTTP_PORT} {
	log
	affiliate
	affiliate_api {
		postback /postback/` + postbackSecret + ` {
			trusted
		}
		postback /signed {
			secret ` + postbackSecret + `
			trusted
		}
	}
	header ` + load.SessionHeader + ` {affiliate.session_id}
	respond "hello"
}
`

// A click's session comes back in a tracker's postback, and the conversion is its partner's.
func TestATrackersPostbackIsAttributed(t *testing.T) {
	p := caddy.Start(t, postbackReceiver)
	p.AwaitHealth()
	m := newMerchant(t, p, "*")
	session := newBrowser(t).open(p.URL + "/?via=sara").session()
	check.Settle(t, p)
	send := func(query string, status int) {
		t.Helper()
		r, err := http.Get(p.URL + "/postback/" + postbackSecret + "?" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if text, _ := io.ReadAll(r.Body); r.StatusCode != status {
			t.Errorf("%s is answered %d %s", query, r.StatusCode, text)
		}
	}
	for range 3 {
		send("subid="+session+"&txid=77&payout=10.50&status=sale", 200)
	}
	send("subid="+session+"&txid=78&payout=1e400", 422)
	conversions := m.do(200, "GET", "conversions?source=postback", "").body
	if strings.Count(conversions, `"external_id":"77"`) != 1 || !strings.Contains(conversions, `"affiliate":"Sara's Blog"`) ||
		!strings.Contains(conversions, `"status":"approved"`) || !strings.Contains(conversions, `"amount":1050`) {
		t.Errorf("the books have %s", conversions)
	}
	if r, err := http.Get(p.URL + "/postback/0000000000000000"); err != nil || r.StatusCode != 200 { // the site's own page
		t.Errorf("another path is answered %v, %v", r, err)
	}
	if logs := p.Logs(); strings.Contains(logs, postbackSecret) || !strings.Contains(logs, "/postback/REDACTED") {
		t.Error("the access log has the secret, or has not the path")
	}
}

// One Caddy forwards its sales as signed postbacks, another takes them, exactly once.
func TestPostbacksFromCaddyToCaddy(t *testing.T) {
	receiver := caddy.Start(t, postbackReceiver)
	receiver.AwaitHealth()
	sender := caddy.Start(t, fmt.Sprintf(`{
	affiliate {
		journal ./affiliate {
			max_wait 10s
		}
		link sara "Sara's Blog"
		forward postback network {
			url "%s/signed?txid={txn_id}&payout={amount}&currency={currency}&status={status}&sig={sig}"
			secret %s
			kinds conversion.created conversion.updated
			allow 127.0.0.0/8
			ordered
		}
	}
}

:{$HTTP_PORT} {
	affiliate_api
}
`, receiver.URL, postbackSecret))
	sender.AwaitHealth()
	m, n := newMerchant(t, sender, "*"), newMerchant(t, receiver, "*")
	for i := range 5 {
		m.do(201, "POST", "conversions", fmt.Sprintf(`{"external_id": "order %d", "type": "sale", "amount": 1000, "currency": "EUR"}`, i))
	}
	var list struct{ Data []struct{ ID string } }
	first := m.do(200, "GET", "conversions?external_id=order+0", "")
	first.into(&list)
	m.do(200, "PATCH", "conversions/"+list.Data[0].ID, `{"status": "approved"}`)

	deadline := time.Now().Add(retryTime)
	for {
		body := n.do(200, "GET", "conversions?source=postback", "").body
		if strings.Count(body, `"external_id":"order `) == 5 && strings.Count(body, `"status":"approved"`) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the receiver has %s\nthe sender says %s", body, m.do(200, "GET", "deliveries", "").body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	out, errs, status := sender.CLI("affiliate", "delivery", "list", "--state", "sent")
	if status != 0 || strings.Count(out, "network") != 6 {
		t.Errorf("delivery list exits with %d: %s%s", status, out, errs)
	}
	if out, errs, status = sender.CLI("affiliate", "destination", "list"); status != 0 || !strings.Contains(out, "ok") {
		t.Errorf("destination list exits with %d: %s%s", status, out, errs)
	}
	if strings.Contains(sender.Logs()+receiver.Logs(), postbackSecret) {
		t.Error("a log has the secret")
	}
}
