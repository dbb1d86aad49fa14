package e2e

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
	"github.com/caddy-affiliate/caddy-affiliate/test/check"
	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

// A merchant's walk, with nothing but the command line and HTTP: from a key to a refund after the payout.
func TestMerchant(t *testing.T) {
	p := caddy.Start(t, "{\n\taffiliate {\n\t\tjournal ./affiliate {\n\t\t\tmax_wait 10s\n\t\t}\n\t\tledger sqlite ./books/ledger.db\n\t}\n}\n\n"+shop)
	p.AwaitHealth()
	m := newMerchant(t, p, "affiliates:write", "campaigns:write", "links:write", "conversions:write", "conversions:read", "reports:read")
	offer(m)

	visitor := newBrowser(t)
	landing := visitor.open(p.URL + "/?via=sara") // the link is live at once
	token := theCookie(t, landing).Value
	if landing.body != "hello from Sara's Blog" {
		t.Errorf("the landing page is %q", landing.body)
	}
	visitor.open(p.URL + "/?via=sara") // again, which is a click and no other visitor
	newBrowser(t).open(p.URL + "/?via=sara")

	id := sell(t, m, token, landing.session())
	approveAndPay(t, m, id)
	refund(t, m, id)
	spreadsheet(t, m)
	check.Settle(t, p)
	earnings(t, m)
	if strings.Contains(p.Logs(), token) || strings.Contains(p.Logs(), m.key) {
		t.Error("what Caddy printed has the visitor's token or the merchant's key")
	}
}

// offer makes an affiliate, a campaign that pays ten per cent, and the affiliate's link in it.
func offer(m merchant) {
	m.t.Helper()
	affiliate := m.do(201, "POST", "affiliates", `{"name": "Sara's Blog"}`).number()
	campaign := m.do(201, "POST", "campaigns", `{"name": "Spring", "commissions": [{"name": "default", "percent": "10"}]}`).number()
	m.do(201, "POST", "links", fmt.Sprintf(`{"code": "sara", "affiliate_id": %d, "campaign_id": %d}`, affiliate, campaign))
}

// order is the body that reports order 1, of 99.95, with the visitor's token.
func order(token string) string {
	return fmt.Sprintf(`{"external_id": "order-1", "type": "sale", "amount": 9995, "currency": "EUR", "token": %q}`, token)
}

// sell reports the order, and reads who earns it and why.
func sell(t *testing.T, m merchant, token, session string) (id string) {
	t.Helper()
	first := m.do(201, "POST", "conversions", order(token))
	again := m.do(201, "POST", "conversions", order(token))
	if again.body != first.body || again.Header.Get("Idempotent-Replayed") != "true" || first.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the order again is answered\n%s\nwas\n%s", again.body, first.body)
	}
	m.refused(409, "conflict", "POST", "conversions", strings.Replace(order(token), "9995", "9996", 1))

	var told, c check.Conversion
	first.into(&told)
	m.do(200, "GET", "conversions/"+told.ID, "").into(&c)
	if c.ID != told.ID || c.Source != "api" || c.ExternalID != "order-1" || c.Status != "pending" || c.Amount != 9995 || c.Wage != 1000 ||
		c.Affiliate != "Sara's Blog" || c.Campaign != "Spring" || c.Code != "sara" || c.SessionID != session {
		t.Errorf("the conversion is %+v", c)
	}
	d := c.Decision
	if len(d.Considered) != 1 || d.Considered[0].Evidence != "token" || d.Considered[0].Outcome != "won" ||
		d.Considered[0].SessionID != session || d.Rule != "last_click" || !strings.HasPrefix(d.Reason, "Sara's Blog earns it") {
		t.Errorf("the decision is %+v", d)
	}
	history(t, m, told.ID, "created 9995 1000", "refused 0 0")
	return told.ID
}

// approveAndPay ends with a conversion that is closed.
func approveAndPay(t *testing.T, m merchant, id string) {
	t.Helper()
	m.refused(409, "transition", "PATCH", "conversions/"+id, `{"paid": true}`) // pending
	m.do(200, "PATCH", "conversions/"+id, `{"status": "approved"}`)
	var paid check.Conversion
	m.do(200, "PATCH", "conversions/"+id, `{"paid": true}`).into(&paid)
	if paid.Status != "approved" || !paid.IsClosed || !paid.CheckedOut {
		t.Errorf("the paid conversion is %+v", paid)
	}
	m.refused(409, "closed", "PATCH", "conversions/"+id, `{"status": "rejected"}`)
	m.refused(409, "closed", "PATCH", "conversions/"+id, `{"amount": 1}`)
}

// refund takes 40.00 of the paid order back, and counts once.
func refund(t *testing.T, m merchant, id string) {
	t.Helper()
	const body = `{"external_id": "return-1", "conversion_external_id": "order-1", "conversion_type": "sale", "amount": 4000, "currency": "EUR"}`
	first := m.do(201, "POST", "refunds", body)
	if again := m.do(201, "POST", "refunds", body); again.body != first.body || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the refund again is answered\n%s\nwas\n%s", again.body, first.body)
	}
	var taken struct {
		ConversionID string `json:"conversion_id"`
		Taken        int64
	}
	first.into(&taken)
	if taken.ConversionID != id || taken.Taken != 4000 {
		t.Errorf("the refund is %s", first.body)
	}
	var c check.Conversion
	m.do(200, "GET", "conversions/"+id, "").into(&c)
	if c.Amount != 5995 || c.Wage != 600 || !c.CheckedOut {
		t.Errorf("after the refund the conversion is %+v", c)
	}
	history(t, m, id, "created 9995 1000", "refused 0 0", "status 0 0", "paid 0 0", "refund -4000 -400")
}

// history compares kind, amount and wage of a conversion's entries, and who made them.
func history(t *testing.T, m merchant, id string, want ...string) {
	t.Helper()
	var c check.Conversion
	m.do(200, "GET", "conversions/"+id, "").into(&c)
	var got []string
	for _, h := range c.History {
		got = append(got, fmt.Sprintf("%s %d %d", h.Kind, h.Amount, h.Wage))
		if h.Actor != m.id() {
			t.Errorf("an entry of the history was made by %q, want the key %s", h.Actor, m.id())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the history is %q, want %q", got, want)
	}
}

// spreadsheet reads the conversions as CSV. One of them was made for a spreadsheet to compute.
func spreadsheet(t *testing.T, m merchant) {
	t.Helper()
	m.do(201, "POST", "conversions", `{"external_id": "lead-1", "type": "lead", "amount": 0, "currency": "EUR", "name": "=1+1"}`)
	r := m.do(200, "GET", "conversions?format=csv", "")
	lines, err := csv.NewReader(strings.NewReader(r.body)).ReadAll()
	if err != nil || len(lines) != 3 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/csv") {
		t.Fatalf("the CSV is %s (%v)\n%s", r.Header.Get("Content-Type"), err, r.body)
	}
	cell := func(row int, name string) string {
		column := slices.Index(lines[0], name)
		if column < 0 {
			t.Fatalf("the CSV has no column %s: %q", name, lines[0])
		}
		return lines[row][column]
	}
	if cell(1, "external_id") != "lead-1" || cell(1, "name") != "'=1+1" || cell(1, "affiliate") != "" {
		t.Errorf("the lead's line is %q", lines[1])
	}
	if cell(2, "external_id") != "order-1" || cell(2, "amount") != "5995" || cell(2, "wage") != "600" ||
		cell(2, "affiliate") != "Sara's Blog" || cell(2, "checked_out") != "true" {
		t.Errorf("the order's line is %q", lines[2])
	}
}

// earnings reads the report: three clicks of two visitors, and what is left of the order.
func earnings(t *testing.T, m merchant) {
	t.Helper()
	day := func(days int) string { return time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly) }
	var report struct {
		Data []struct {
			Affiliate, Currency                   string
			Clicks, Conversions, Approved, Amount int64
			Unique                                int64 `json:"unique_clicks"`
			Wage                                  int64
			Paid                                  int64 `json:"wage_paid"`
		}
	}
	r := m.do(200, "GET", "reports?by=affiliate&from="+day(-1)+"&to="+day(1), "")
	r.into(&report)
	if len(report.Data) != 2 { // nobody's lead, and Sara
		t.Fatalf("the report is %s", r.body)
	}
	got := report.Data[1]
	if got.Affiliate != "Sara's Blog" || got.Clicks != 3 || got.Unique != 2 || got.Currency != "EUR" || got.Conversions != 1 ||
		got.Approved != 1 || got.Amount != 5995 || got.Wage != 600 || got.Paid != 600 {
		t.Errorf("the report is %s", r.body)
	}
}

// Two nodes share a database: a key works on both and has no more than its scopes, what one has taken the other knows, and
// a key that is revoked on one opens nothing on the other.
func TestKeysOnTwoNodes(t *testing.T) {
	books := servers.SharedPostgres(t).Database(t)
	node := fmt.Sprintf("{\n\taffiliate {\n\t\tsecret {env.AFFILIATE_SECRET}\n\t\tjournal ./affiliate {\n\t\t\tmax_wait 10s\n\t\t}\n\t\tledger postgres %s\n\t}\n}\n\n%s", books, shop)
	here, there := caddy.Start(t, node, secret), caddy.Start(t, node, secret)
	here.AwaitHealth()
	there.AwaitHealth()

	m := newMerchant(t, here, "*")
	offer(m)
	landing := newBrowser(t).open(here.URL + "/?via=sara")
	await(t, "the link to be live on the other node", func() bool {
		return newBrowser(t).open(there.URL+"/?via=sara").session() != ""
	})
	sale := order(theCookie(t, landing).Value)
	first, again := m.do(201, "POST", "conversions", sale), m.at(there).do(201, "POST", "conversions", sale)
	if again.body != first.body || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the other node answers the same order with\n%s\nwas\n%s", again.body, first.body)
	}
	var c check.Conversion
	first.into(&c)
	if c.Affiliate != "Sara's Blog" || c.SessionID != landing.session() {
		t.Errorf("the order is %+v", c)
	}

	reader := newMerchant(t, here, "conversions:read").at(there)
	reader.do(200, "GET", "conversions", "")
	reader.refused(403, "forbidden", "POST", "conversions", sale)
	reader.refused(403, "forbidden", "GET", "links", "")
	reader.refused(403, "forbidden", "GET", "keys", "")
	for what, key := range map[string]string{
		"no key": "", "no key of ours": "open sesame", "a secret of another": m.key[:17] + reader.key[17:],
		"an id of nobody": "aff_" + strings.Repeat("a", 12) + m.key[16:], "half a key": m.key[:30],
	} {
		t.Run(what, func(t *testing.T) {
			stranger := merchant{t, there.URL, key}
			stranger.refused(401, "unauthorized", "GET", "conversions", "")
			stranger.refused(401, "unauthorized", "POST", "conversions", sale)
			stranger.refused(401, "unauthorized", "GET", "keys", "")
		})
	}

	promptly(t, time.Second, "to refuse a revoked key", func(n int) time.Duration {
		if n > 0 {
			reader = newMerchant(t, here, "conversions:read").at(there)
			reader.do(200, "GET", "conversions", "")
		}
		run(t, here, "affiliate", "key", "revoke", reader.id())
		revoked := time.Now()
		await(t, "the revoked key to be refused", func() bool { return reader.ask("GET", "conversions", "").StatusCode == 401 })
		return time.Since(revoked)
	})
	m.at(there).do(200, "GET", "conversions", "")
	if logs := here.Logs() + there.Logs(); strings.Contains(logs, m.key[17:]) || strings.Contains(logs, reader.key[17:]) {
		t.Error("what Caddy printed has a key")
	}
}
