package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var couponColumns = []string{"network", "code_key", "code", "campaign_id", "affiliate_id"}

// couponsByCode returns the coupons in the order in which the books show them, which no database's collation changes.
func couponsByCode(coupons []tracker.Coupon) []tracker.Coupon {
	return slices.SortedFunc(slices.Values(coupons), func(a, b tracker.Coupon) int {
		return cmp.Compare(tracker.CodeKey(a.Code), tracker.CodeKey(b.Code))
	})
}

// setCoupons replaces the campaign's coupons, old, if next are others.
func (c *catalog) setCoupons(ctx context.Context, network string, campaign int64, old, next []tracker.Coupon) error {
	if slices.Equal(couponsByCode(old), couponsByCode(next)) {
		return nil
	}
	err := c.exec(ctx, "taking coupons away", `DELETE FROM coupon WHERE network = $1 AND campaign_id = $2`, network, campaign)
	if err != nil {
		return err
	}
	if err := c.checkCoupons(ctx, network, next); err != nil || len(next) == 0 {
		return err
	}
	rows := make([][]any, len(next))
	for i, coupon := range next {
		rows[i] = []any{network, tracker.CodeKey(coupon.Code), coupon.Code, campaign, coupon.AffiliateID}
	}
	return c.insertRows(ctx, byColumn("coupon", "network, code_key", couponColumns, rows))
}

// checkCoupons returns tracker.Invalid for an affiliate that the network does not have, and ErrExists for a code that it has.
func (c *catalog) checkCoupons(ctx context.Context, network string, coupons []tracker.Coupon) error {
	var wrong tracker.Invalid
	keys, known := make([]string, len(coupons)), map[int64]bool{}
	for i, coupon := range coupons {
		keys[i] = tracker.CodeKey(coupon.Code)
		there, asked := known[coupon.AffiliateID]
		if !asked {
			var err error
			if there, err = c.has(ctx, "affiliate", network, coupon.AffiliateID); err != nil {
				return err
			}
			known[coupon.AffiliateID] = there
		}
		if !there {
			wrong.Add(fmt.Sprintf("coupons[%d].affiliate_id", i), "is no affiliate of the network")
		}
	}
	if err := wrong.Err(); err != nil {
		return err
	}
	taken, err := couponCodes.find(ctx, c.tx, network, keys)
	if err != nil {
		return err
	}
	for i, key := range keys {
		if err := taken.claim(fmt.Sprintf("coupons[%d].code", i), key); err != nil {
			return err
		}
	}
	return nil
}

// readCoupons fills in the coupons of campaigns, which are in order of their numbers.
func readCoupons(ctx context.Context, q queryer, network string, campaigns []tracker.Campaign) error {
	if len(campaigns) == 0 {
		return nil
	}
	type row struct {
		campaign int64
		tracker.Coupon
	}
	scan := func(rows *sql.Rows) (r row, err error) { return r, rows.Scan(&r.campaign, &r.Code, &r.AffiliateID) }
	all, err := readAll(ctx, q, "coupons", scan, `SELECT campaign_id, code, affiliate_id FROM coupon
		WHERE network = $1 AND campaign_id BETWEEN $2 AND $3`, network, campaigns[0].ID, campaigns[len(campaigns)-1].ID)
	if err != nil {
		return err
	}
	coupons := map[int64][]tracker.Coupon{}
	for _, r := range all {
		coupons[r.campaign] = append(coupons[r.campaign], r.Coupon)
	}
	for i := range campaigns {
		campaigns[i].Coupons = append([]tracker.Coupon{}, couponsByCode(coupons[campaigns[i].ID])...)
	}
	return nil
}
