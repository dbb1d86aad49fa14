package ledger

import (
	"slices"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// bookedConversion is a conversion as its row has it. Its parts keep what they would earn while it is rejected or
// duplicated; what it earns is Wage.
type bookedConversion struct {
	tracker.Conversion
	rules []tracker.Commission // by which it earns: its campaign's, as they were when it was created
	kept  int                  // how many entries of the history have rows
}

// shown returns the conversion as everybody sees it.
func (c *bookedConversion) shown() tracker.Conversion {
	shown := c.Conversion
	shown.Commissions = slices.Clone(c.Commissions)
	if !c.earns() {
		for i := range shown.Commissions {
			shown.Commissions[i].Wage = 0
		}
	}
	shown.History = slices.Clone(c.History)
	return shown
}

func (c *bookedConversion) earns() bool {
	return c.Status == tracker.StatusPending || c.Status == tracker.StatusApproved
}

// setParts gives the conversion these parts, with the wages that its rules pay on them. What refunds have taken wholly earns
// nothing, no fixed sum either, whatever its parts are called now.
func (c *bookedConversion) setParts(parts []tracker.Part) {
	c.Commissions = tracker.Wages(parts, c.Currency, c.rules)
	c.Amount = 0
	for _, part := range parts {
		c.Amount += part.SubAmount
	}
	if c.Amount == 0 && c.refunded() > 0 {
		c.takeAll()
	}
}

// take takes at most amount back, from all parts alike, and returns what it took. With the last of it goes the whole wage,
// that of fixed sums as well.
func (c *bookedConversion) take(amount int64) (taken int64) {
	taken = min(amount, c.Amount)
	switch taken {
	case 0:
	case c.Amount:
		c.takeAll()
	default:
		c.setParts(tracker.ScaleParts(c.Commissions, c.Amount-taken))
	}
	return taken
}

// takeAll takes back what is left of the amount, and the wage.
func (c *bookedConversion) takeAll() {
	c.Commissions = tracker.ScaleParts(c.Commissions, 0)
	c.Amount = 0
}

// refunded is what refunds and reversals have taken so far.
func (c *bookedConversion) refunded() (sum int64) {
	for _, e := range c.History {
		if e.Kind == tracker.ChangeRefund || e.Kind == tracker.ChangeReversed {
			sum -= e.Amount
		}
	}
	return sum
}

// potentialWage is what the parts earn unless the status forbids it.
func (c *bookedConversion) potentialWage() (sum int64) {
	for _, part := range c.Commissions {
		sum += part.Wage
	}
	return sum
}

// change does something to the conversion and adds the entry that says so. A clock that is behind the one of an earlier
// change does not date it before that.
func (c *bookedConversion) change(now time.Time, entry tracker.Change, do func()) {
	if now.Before(c.UpdatedAt) {
		now = c.UpdatedAt
	}
	amount, wage := c.Amount, c.Wage
	do()
	c.Wage = 0
	if c.earns() {
		c.Wage = c.potentialWage()
	}
	entry.N, entry.Time, entry.Status = len(c.History)+1, now, c.Status
	entry.Amount, entry.Wage = c.Amount-amount, c.Wage-wage
	c.History = append(c.History, entry)
	if entry.Kind != tracker.ChangeRefused {
		c.UpdatedAt = now
	}
}
