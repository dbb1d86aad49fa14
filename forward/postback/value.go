package postback

import (
	"crypto/rand"
	"strconv"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Macros are all names that may stand between braces.
var Macros = []string{
	"event", "event_id", "click_id", "txn_id", "type", "status", "amount", "payout", "currency", "coupon",
	"affiliate", "affiliate_id", "campaign", "code", "customer_id",
	"sub1", "sub2", "sub3", "sub4", "sub5", "country", "device", "browser", "os", "ip", "ua", "timestamp", "rand", sigMacro,
	"gclid", "gbraid", "wbraid", "fbclid", "ttclid", "msclkid", "twclid", "li_fat_id", "irclickid", "awc", "cjevent", "tduid",
}

// valuesOf is what an event has for the macros. What it has not is not in it.
func valuesOf(e tracker.Event) map[string]string {
	v := map[string]string{
		"event": string(e.Kind), "event_id": e.ID, "timestamp": strconv.FormatInt(e.Time.Unix(), 10), "rand": rand.Text(),
	}
	if s := e.Session; s != nil {
		ofSession(v, s)
	}
	if l := e.Link; l != nil {
		v["affiliate"], v["affiliate_id"], v["campaign"], v["code"] = l.Affiliate, number(l.AffiliateID), l.Campaign, l.Code
	}
	if c := e.Customer; c != nil {
		v["customer_id"], v["country"] = c.ExternalID, c.CountryCode
		set(v, "click_id", c.SessionID)
		set(v, "affiliate", c.Affiliate)
		set(v, "campaign", c.Campaign)
	}
	if c := e.Conversion; c != nil {
		ofConversion(v, c)
	}
	if t := e.Transaction; t != nil {
		v["txn_id"], v["type"], v["currency"] = t.ExternalID, t.Type, t.Currency
		v["amount"] = tracker.FormatAmount(t.GrossRevenue, t.Currency)
		v["payout"] = tracker.FormatAmount(t.RevShareCommission+t.CPACommission+t.FixedCommission, t.Currency)
	}
	return v
}

func ofSession(v map[string]string, s *tracker.BookedSession) {
	v["click_id"], v["ip"], v["ua"] = s.ID.String(), s.IP, s.UserAgent
	v["device"], v["browser"], v["os"], v["affiliate"], v["code"] = s.Device, s.Browser, s.OS, s.Affiliate, s.Code
	for name, value := range s.SubIDs {
		v[name] = value
	}
	for name, value := range s.ClickIDs {
		v[name] = value
	}
}

func ofConversion(v map[string]string, c *tracker.Conversion) {
	v["txn_id"], v["type"], v["status"], v["currency"], v["coupon"] = c.ExternalID, string(c.Type), string(c.Status), c.Currency, c.Coupon
	v["amount"], v["payout"] = tracker.FormatAmount(c.Amount, c.Currency), tracker.FormatAmount(c.Wage, c.Currency)
	set(v, "click_id", c.SessionID)
	set(v, "affiliate", c.Affiliate)
	set(v, "campaign", c.Campaign)
	set(v, "code", c.Code)
	set(v, "sub1", c.Sub1)
	if c.AffiliateID != 0 {
		v["affiliate_id"] = number(c.AffiliateID)
	}
}

// set replaces a value by one that is there.
func set(v map[string]string, name, value string) {
	if value != "" {
		v[name] = value
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
