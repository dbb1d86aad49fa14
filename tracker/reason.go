package tracker

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// reason says in one sentence for people why a decision ended so. Affiliates' names stand in it, since they are the books'
// own; what a visitor or a reporter typed (codes, coupons) does not.
func reason(d Decision) string {
	if len(d.Considered) == 0 {
		return "Nobody earns it: nothing told who brought the visitor."
	}
	if winner := d.Winner(); winner != nil {
		return fmt.Sprintf("%s earns it: %s.", winner.Affiliate, merit(d, winner))
	}
	var faults []string
	for _, c := range d.Considered {
		if text := fault(c); !slices.Contains(faults, text) {
			faults = append(faults, text)
		}
	}
	return "Nobody earns it: " + strings.Join(faults, "; ") + "."
}

// merit says why the winner won.
func merit(d Decision, winner *Considered) string {
	switch {
	case winner.Evidence == EvidenceCoupon:
		return "its coupon was used"
	case winner.Time == nil:
		return "its coupon brought the customer"
	}
	passed := age(d.Time.Sub(*winner.Time))
	if winner.Evidence == EvidenceCustomer { // whom it brought for good
		return fmt.Sprintf("%s was %s before", click(d, winner), passed)
	}
	return fmt.Sprintf("%s was %s before, within %s", click(d, winner), passed, span(winner.Window.Duration()))
}

// click names the winner's click. Where the claim had a click that the rule would have preferred, it says so.
func click(d Decision, winner *Considered) string {
	switch winner.Evidence {
	case EvidenceSession:
		return "the click of the session that was given"
	case EvidenceCustomer:
		return "the click that brought the customer"
	}
	which, counted := "last", ""
	if d.Rule == FirstClick {
		which = "first"
	}
	for i := range d.Considered {
		if c := &d.Considered[i]; c == winner {
			break
		} else if c.Evidence == winner.Evidence {
			counted = " that counts"
		}
	}
	if winner.Evidence == EvidenceCookie {
		return "the " + which + " click" + counted + " in the visitor's cookie"
	}
	return "the visitor's " + which + " click" + counted
}

// fault says why one thing earns nothing.
func fault(c Considered) string {
	switch {
	case c.Outcome == WrongClass:
		return fmt.Sprintf("the session that was given is of the class %s, which never earns", c.Class)
	case c.AffiliateID == 0: // it led to nobody
		return outcomes[c.Outcome]
	case c.Outcome == Expired:
		return fmt.Sprintf("the click on the link of %s was more than %s before", c.Affiliate, span(c.Window.Duration()))
	case c.Time == nil:
		return fmt.Sprintf("the coupon is of %s, %s", c.Affiliate, outcomes[c.Outcome])
	default:
		return fmt.Sprintf("the click was on the link of %s, %s", c.Affiliate, outcomes[c.Outcome])
	}
}

var outcomes = map[Outcome]string{
	InFuture:        "later than what it would have earned",
	UnknownLink:     "the click was on a link that the books do not know",
	LinkNotLive:     "which is not live",
	NotApproved:     "who is not approved",
	CampaignOver:    "whose campaign is archived",
	UnknownCoupon:   "the books do not know the coupon",
	UnknownSession:  "the books do not know the session",
	UnknownCustomer: "the books do not know the customer",
	OrganicCustomer: "nobody brought the customer",
}

var units = []struct {
	name string
	size time.Duration
}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}}

// age is a duration in its largest unit, rounded down: "3 days".
func age(d time.Duration) string {
	for _, unit := range units {
		if d >= unit.size {
			return count(d/unit.size, unit.name)
		}
	}
	return "less than a second"
}

// span is a duration in the largest unit that writes it exactly: "30 days", "36 hours".
func span(d time.Duration) string {
	for _, unit := range units {
		if d%unit.size == 0 {
			return count(d/unit.size, unit.name)
		}
	}
	return count(d/time.Second, "second")
}

func count(n time.Duration, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", int64(n), unit)
}
