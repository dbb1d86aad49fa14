package ledger

import (
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// blanked returns the session without its visitor, as blankSessions leaves its row.
func blanked(s Session) *Session {
	s.Visitor, s.IP, s.UserAgent, s.Browser, s.OS, s.Device = tracker.VisitorID{}, "", "", "", "", ""
	s.Query, s.Referrer, s.SubIDs, s.ClickIDs, s.QueryParams, s.QuoteShareID = "", "", nil, nil, "", ""
	return &s
}

// blankConversion takes out of a conversion what tells of a person. Its session's sub1 goes with that session's other sub-ids:
// an affiliate may put an id of the person there. Notes are free text.
func blankConversion(c *tracker.Conversion) {
	known := func(by tracker.Considered) bool {
		return by.Evidence == tracker.EvidenceCoupon && by.Outcome != tracker.UnknownCoupon && by.Code == c.Coupon
	}
	if !slices.ContainsFunc(c.Decision.Considered, known) {
		c.Coupon = ""
	}
	blankDecision(&c.Decision)
	for i := range c.Commissions { // Affili's script calls a lead's part by the lead's name
		if c.Name != "" && c.Commissions[i].Name == c.Name {
			c.Commissions[i].Name = tracker.DefaultCommission
		}
	}
	c.VisitorID, c.Name, c.MetaData, c.Sub1 = "", "", nil, ""
	c.History = slices.Clone(c.History)
	for i := range c.History {
		c.History[i].Note = ""
	}
}

// blankDecision takes coupons out of a decision that are no affiliate's: they may be the person's own.
func blankDecision(d *tracker.Decision) {
	d.Considered = slices.Clone(d.Considered)
	for i, by := range d.Considered {
		if by.Outcome == tracker.UnknownCoupon {
			d.Considered[i].Code = ""
		}
	}
}

func blankRefund(r *tracker.Refund) { r.Note = "" }

func blankTransaction(t *tracker.Transaction) {
	t.Country, t.Category, t.Label, t.Note = "", "", "", ""
}

// blankCustomer takes out of a customer what tells of the person, whose external id becomes the pseudonym.
func blankCustomer(c *tracker.Customer, pseudonym string) {
	c.ExternalID, c.VisitorID, c.Username, c.Country = pseudonym, "", "", ""
	c.Category, c.Label, c.Note = "", "", ""
	blankDecision(&c.Decision)
}
