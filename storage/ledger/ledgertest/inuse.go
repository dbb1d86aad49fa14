package ledgertest

import (
	"errors"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/storage/ledger"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

var inUseTests = []test{
	{"what a conversion names cannot be deleted", func(t *testing.T, db Database) {
		testInUse(t, db, func(l *ledger.Ledger, coupon string) error {
			_, _, err := l.CreateConversion(t.Context(), tracker.NewConversion{
				Network: "acme", ExternalID: "1", Type: tracker.TypeBuy, Amount: 100, Currency: "EUR",
				Evidence: tracker.Evidence{Coupon: coupon},
			})
			return err
		})
	}},
	{"what a customer names cannot be deleted", func(t *testing.T, db Database) {
		testInUse(t, db, func(l *ledger.Ledger, coupon string) error {
			_, _, err := l.CreateCustomer(t.Context(), tracker.NewCustomer{
				Network: "acme", ExternalID: "1", Evidence: tracker.Evidence{Coupon: coupon},
			})
			return err
		})
	}},
}

// testInUse has a report name an affiliate and a campaign by a coupon, which then goes.
func testInUse(t *testing.T, db Database, report func(l *ledger.Ledger, coupon string) error) {
	l := open(t, db)
	a := makeAffiliate(t, l, "acme", "Ann")
	c := makeCampaign(t, l, "acme", tracker.CampaignFields{Name: "c", Coupons: []tracker.Coupon{{Code: "save", AffiliateID: a.ID}}})
	if err := report(l, "save"); err != nil {
		t.Fatal(err)
	}
	changeCampaign(t, l, c, func(f *tracker.CampaignFields) { f.Coupons = nil })
	if err := l.DeleteAffiliate(t.Context(), "acme", a.ID); !errors.Is(err, tracker.ErrInUse) {
		t.Errorf("deleting the affiliate: %v", err)
	}
	if err := l.DeleteCampaign(t.Context(), "acme", c.ID); !errors.Is(err, tracker.ErrInUse) {
		t.Errorf("deleting the campaign: %v", err)
	}
}
