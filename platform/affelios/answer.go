package affelios

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// maxShown is how many of a customer's transactions are shown, the newest.
const maxShown = tracker.MaxPage

// answer is the whole customer as Affelios shows one. Amounts are those in the dialect's currency.
func (c *call) answer(ctx context.Context, customer *tracker.Customer) (*Customer, error) {
	s := c.server
	tracking, err := c.tracking(ctx, customer)
	if err != nil {
		return nil, err
	}
	transactions, err := c.transactions(ctx, customer)
	if err != nil {
		return nil, err
	}
	created := date(customer.CreatedAt)
	shown := &Customer{
		ID: &customer.ID, OperatorID: &customer.Network, UpdatedTs: date(customer.UpdatedAt), CreatedTs: &created,
		ExternalID: &customer.ExternalID, ExternalBrandID: nullable(customer.Brand), Username: nullable(customer.Username),
		Country: nullable(customer.Country), CountryCode: nullable(customer.CountryCode), ReferringURL: tracking.ReferringURL,
		RegistrationDate: date(customer.RegisteredAt), Tracking: tracking,
		Category: nullable(customer.Category), Label: nullable(customer.Label),
		RevShareExcluded: customer.RevShareExcluded, CPAExcluded: customer.CPAExcluded, Transactions: transactions,
	}
	s.addSums(shown, customer.Sums)
	return shown, nil
}

// addSums writes what the transactions in the dialect's currency come to.
func (s *server) addSums(shown *Customer, sums []tracker.CustomerSum) {
	var sum tracker.CustomerSum
	for _, one := range sums {
		if one.Currency == s.Currency {
			sum = one
		}
	}
	shown.HasDeposited, shown.FTDDate = sum.FirstDepositAt != nil, s.dateOrNone(sum.FirstDepositAt)
	shown.CPAQualified, shown.CPAQualificationDate = sum.FirstCPAAt != nil, s.dateOrNone(sum.FirstCPAAt)
	shown.LifetimeRevenue = s.number(sum.GrossRevenue)
	if shown.HasDeposited {
		first := s.number(sum.FirstDeposit)
		shown.FirstDepositAmount = &first
	}
	if sum.Transactions > 0 {
		deposits := s.number(sum.Deposits)
		shown.LifetimeDeposits = &deposits
	}
	shown.LifetimeCommission = s.number(sum.RevShareCommission + sum.CPACommission + sum.FixedCommission)
	shown.LifetimeRevShareTotal = s.number(sum.RevShareCommission)
	shown.LifetimeCPATotal = s.number(sum.CPACommission)
	shown.LifetimeFixedTotal = s.number(sum.FixedCommission)
}

// tracking says who brought the customer. The session's own words are there unless its row is gone or blank.
func (c *call) tracking(ctx context.Context, customer *tracker.Customer) (*Tracking, error) {
	t := &Tracking{
		ClickID: nullable(customer.SessionID), AffiliateID: nullableNumber(customer.AffiliateID),
		AffiliateName: nullable(customer.Affiliate), CampaignID: nullableNumber(customer.CampaignID),
		CampaignName: nullable(customer.Campaign), BrandID: nullable(customer.Brand),
		AffiliateTrackerID: nullableNumber(customer.LinkID),
	}
	if w := customer.Decision.Winner(); w != nil && w.Time != nil {
		clicked := date(*w.Time)
		t.AffiliateTrackerName, t.Date = nullable(w.Code), &clicked
	}
	id, err := tracker.ParseSessionID(customer.SessionID)
	if err != nil { // nobody's, or a coupon's
		return t, nil
	}
	session, err := c.books.FindSession(ctx, customer.Network, id)
	if errors.Is(err, tracker.ErrNotFound) {
		return t, nil
	}
	t.ReferringURL, t.CustomParameter = nullable(session.Referrer), nullable(session.SubIDs["sub1"])
	return t, err
}

// transactions are the customer's newest ones in the dialect's currency; nil where the key may not read them.
func (c *call) transactions(ctx context.Context, customer *tracker.Customer) ([]Transaction, error) {
	if !c.key.Allows("transactions:read") {
		return nil, nil
	}
	rows, _, err := c.books.Transactions(ctx, customer.Network, tracker.TransactionFilter{CustomerID: customer.ID},
		tracker.Page{Limit: maxShown})
	if err != nil {
		return nil, err
	}
	shown := []Transaction{}
	for _, t := range rows {
		if t.Currency == c.server.Currency {
			shown = append(shown, c.server.transaction(customer, &t))
		}
	}
	return shown, nil
}

func (s *server) transaction(customer *tracker.Customer, t *tracker.Transaction) Transaction {
	return Transaction{
		ID: t.ID, OperatorID: t.Network, UpdatedTs: date(t.CreatedAt), CreatedTs: date(t.CreatedAt), CustomerID: t.CustomerID,
		Type: nullable(t.Type), ExternalID: t.ExternalID,
		ExternalCustomerID: nullable(customer.ExternalID), ExternalBrandID: nullable(customer.Brand),
		ExternalProductID: nullable(t.Product), Country: nullable(t.Country), CountryCode: nullable(t.CountryCode),
		TransactionDate: date(t.Time), DepositAmount: s.number(t.Deposit), GrossRevenue: s.number(t.GrossRevenue),
		WageredAmount: s.number(t.Wagered), RevShareCommission: s.number(t.RevShareCommission),
		CPACommission: s.number(t.CPACommission), FixedCommission: s.number(t.FixedCommission),
		Category: nullable(t.Category), Label: nullable(t.Label), Note: nullable(t.Note),
	}
}

// number writes minor units as a number of major ones, as short as .NET writes it.
func (s *server) number(amount int64) json.Number {
	text := tracker.FormatAmount(amount, s.Currency)
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return json.Number(text)
}

// nullable is a text of which there may be none.
func nullable(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// nullableNumber is the number of something that may not be there.
func nullableNumber(n int64) *string {
	if n == 0 {
		return nil
	}
	return nullable(strconv.FormatInt(n, 10))
}
