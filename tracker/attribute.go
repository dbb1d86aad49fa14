package tracker

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// Attribute decides who earns what happened at that time: the first eligible touch of the strongest claim that has one.
// Claims are asked in the order of the kinds of evidence, a claim's touches from the latest, or under FirstClick from the
// earliest. What else would have been eligible is Outranked. link returns the terms of a link as it is now, or nil if the
// books do not know the code.
//
// The decision depends on nothing but the arguments. Times count to the millisecond, as tokens and the books keep them.
func Attribute(terms Terms, at time.Time, consent string, claims []Claim, link func(code string) *LinkTerms) Decision {
	if terms.Rule != FirstClick {
		terms.Rule = LastClick
	}
	d := Decision{Rule: terms.Rule, Time: wholeMillis(at), Consent: consent, Considered: []Considered{}}
	for _, claim := range byStrength(claims) {
		d.Considered = append(d.Considered, consider(terms, d.Time, claim, link)...)
	}
	won := false
	for i := range d.Considered {
		switch c := &d.Considered[i]; {
		case c.Outcome != Won:
		case won:
			c.Outcome = Outranked
		default:
			won = true
		}
	}
	d.Reason = reason(d)
	return d
}

func wholeMillis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

var strongest = []EvidenceKind{EvidenceToken, EvidenceSession, EvidenceCustomer, EvidenceCoupon, EvidenceCookie}

// byStrength returns the claims of known kinds, strongest first.
func byStrength(claims []Claim) []Claim {
	sorted := make([]Claim, 0, len(claims))
	for _, kind := range strongest {
		for _, claim := range claims {
			if claim.Kind == kind {
				sorted = append(sorted, claim)
			}
		}
	}
	return sorted
}

// consider judges one claim by itself: what is eligible has the outcome Won.
func consider(terms Terms, at time.Time, claim Claim, link func(code string) *LinkTerms) []Considered {
	if claim.Failed != "" {
		return []Considered{failed(claim)}
	}
	if claim.Kind == EvidenceCoupon || claim.Code != "" { // a customer, too, may have been brought by a coupon
		return []Considered{considerCoupon(claim)}
	}
	considered := make([]Considered, 0, len(claim.Touches))
	for _, touch := range preferred(terms.Rule, claim.Touches) {
		c := considerTouch(terms, at, claim.Kind, touch, link(touch.Code))
		if claim.Class != "" && !claim.Class.Earns() {
			c.Class, c.Outcome = claim.Class, WrongClass
		}
		considered = append(considered, c)
	}
	return considered
}

// failed is a claim that led nowhere, with what is known of it.
func failed(claim Claim) Considered {
	c := Considered{Evidence: claim.Kind, Code: claim.Code, Outcome: claim.Failed}
	if len(claim.Touches) > 0 && !claim.Touches[0].Session.IsZero() {
		c.SessionID = claim.Touches[0].Session.String()
	}
	return c
}

func considerCoupon(claim Claim) Considered {
	c := Considered{Evidence: claim.Kind, Code: claim.Code, Outcome: UnknownCoupon}
	if claim.Link != nil {
		c.name(claim.Link)
		c.Outcome = claim.Link.partners()
	}
	return c
}

// clockSkew is how much later than its conversion a click may be: shops report whole seconds, and clocks differ.
const clockSkew = time.Minute

func considerTouch(terms Terms, at time.Time, kind EvidenceKind, touch Touch, link *LinkTerms) Considered {
	clicked := wholeMillis(touch.Time)
	c := Considered{Evidence: kind, Code: touch.Code, Time: &clicked, Outcome: UnknownLink}
	if !touch.Session.IsZero() {
		c.SessionID = touch.Session.String()
	}
	if link == nil {
		return c
	}
	c.name(link)
	window := windowOf(terms, link)
	c.Window = Seconds(window / time.Second)
	switch {
	case clicked.Sub(at) > clockSkew:
		c.Outcome = InFuture
	case at.Sub(clicked) > window && kind != EvidenceCustomer: // a customer's click was judged when they were bound, for good
		c.Outcome = Expired
	case !link.Enabled || !link.ExpiresAt.IsZero() && !at.Before(link.ExpiresAt):
		c.Outcome = LinkNotLive
	default:
		c.Outcome = link.partners()
	}
	return c
}

// name notes whose link or coupon it is.
func (c *Considered) name(link *LinkTerms) {
	c.LinkID, c.AffiliateID, c.Affiliate = link.LinkID, link.AffiliateID, link.Affiliate
	c.CampaignID, c.Campaign = link.CampaignID, link.Campaign
}

// partners judges affiliate and campaign alone.
func (l *LinkTerms) partners() Outcome {
	switch {
	case l.Status != AffiliateApproved:
		return NotApproved
	case l.Archived:
		return CampaignOver
	default:
		return Won
	}
}

// windowOf is how long a click on the link earns.
func windowOf(terms Terms, link *LinkTerms) time.Duration {
	for _, window := range []time.Duration{link.Window, terms.Window} {
		if window > 0 {
			return min(window, MaxWindow)
		}
	}
	return DefaultWindow
}

// preferred returns the touches, each once, the one that the rule prefers first. Of clicks in the same millisecond the
// session's id decides, and after it the code.
func preferred(rule Rule, touches []Touch) []Touch {
	sorted := slices.DeleteFunc(slices.Clone(touches), Touch.IsZero)
	slices.SortStableFunc(sorted, func(a, b Touch) int {
		order := cmp.Or(
			wholeMillis(a.Time).Compare(wholeMillis(b.Time)),
			bytes.Compare(a.Session[:], b.Session[:]),
			cmp.Compare(a.Code, b.Code),
		)
		if rule == FirstClick {
			return order
		}
		return -order
	})
	return slices.CompactFunc(sorted, func(a, b Touch) bool { return a.Session == b.Session && a.Code == b.Code })
}
