package tracker

import (
	"fmt"
	"strings"
)

// The most entries of a campaign's lists.
const (
	MaxCommissions = 50
	MaxCoupons     = 1000
)

// maxCommissionName is the most characters of a commission's name.
const maxCommissionName = 64

// Check trims, fills defaults and returns an Invalid if anything is wrong. Lists are not nil afterwards.
func (f *CampaignFields) Check() error {
	var wrong Invalid
	f.Name = strings.TrimSpace(f.Name)
	wrong.required("name", f.Name, MaxName)
	f.Commissions = checkCommissions(&wrong, f.Commissions)
	wrong.window("window_seconds", f.Window)
	wrong.err("landing_page", CheckDestination(f.LandingPage))
	f.DeepLinkHosts = wrong.hosts("deep_link_hosts", f.DeepLinkHosts)
	f.Coupons = checkCoupons(&wrong, f.Coupons)
	orDefault(&f.Duplicates, DuplicateReject)
	checkDuplicates(&wrong, f.Duplicates)
	return wrong.Err()
}

func checkDuplicates(wrong *Invalid, policy DuplicatePolicy) {
	oneOf(wrong, "duplicates", policy, DuplicateReject, DuplicateUpdate, DuplicateNew, DuplicateMark, DuplicateIgnore)
}

func checkCommissions(wrong *Invalid, commissions []Commission) []Commission {
	checked := []Commission{}
	if wrong.tooMany("commissions", len(commissions), MaxCommissions) {
		return checked
	}
	names := map[string]bool{}
	for i, c := range commissions {
		field := fmt.Sprintf("commissions[%d].", i)
		c.Name = strings.TrimSpace(c.Name)
		wrong.required(field+"name", c.Name, maxCommissionName)
		wrong.unique(field+"name", c.Name, names)
		if c.Percent < 0 || c.Percent > Hundred {
			wrong.err(field+"percent", ErrPercent)
		}
		if c.Fixed != nil {
			c.Fixed = checkFixed(wrong, field, c)
		}
		checked = append(checked, c)
	}
	return checked
}

// checkFixed returns a copy of the fixed sum with its currency in upper case.
func checkFixed(wrong *Invalid, field string, c Commission) *Money {
	if c.Percent != 0 {
		wrong.Add(field+"percent", "is given beside a fixed sum; a commission is one or the other")
	}
	fixed := Money{Amount: c.Fixed.Amount, Currency: strings.ToUpper(c.Fixed.Currency)}
	wrong.money(field+"fixed.amount", fixed.Amount, 0)
	wrong.err(field+"fixed.currency", CheckCurrency(fixed.Currency))
	return &fixed
}

func checkCoupons(wrong *Invalid, coupons []Coupon) []Coupon {
	checked := []Coupon{}
	if wrong.tooMany("coupons", len(coupons), MaxCoupons) {
		return checked
	}
	codes := map[string]bool{}
	for i, coupon := range coupons {
		field := fmt.Sprintf("coupons[%d].", i)
		wrong.err(field+"code", CheckCode(coupon.Code))
		wrong.unique(field+"code", CodeKey(coupon.Code), codes)
		if coupon.AffiliateID <= 0 {
			wrong.Add(field+"affiliate_id", "is required")
		}
		checked = append(checked, coupon)
	}
	return checked
}
