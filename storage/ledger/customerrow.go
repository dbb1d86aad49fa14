package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// storedCustomer is a customer with the answer to the first report of them.
type storedCustomer struct {
	tracker.Customer
	answer string
}

const selectCustomers = `SELECT c.id, c.network, c.external_id, c.brand, c.answer, c.organic, c.session_id, c.visitor_id, c.link_id,
	c.affiliate_id, coalesce(a.name, ''), c.campaign_id, coalesce(p.name, ''), c.username, c.registered_at, c.country,
	c.country_code, c.rev_share_excluded, c.cpa_excluded, c.category, c.label, c.note, c.decision, c.created_at, c.updated_at
	FROM customer c LEFT JOIN affiliate a ON a.id = c.affiliate_id LEFT JOIN campaign p ON p.id = c.campaign_id`

// readCustomers returns the customers of the condition, with their sums.
func readCustomers(ctx context.Context, q queryer, where string, args ...any) ([]storedCustomer, error) {
	customers, err := readAll(ctx, q, "customers", scanCustomer, selectCustomers+where, args...)
	if err != nil {
		return nil, err
	}
	return customers, readSums(ctx, q, customers)
}

func scanCustomer(rows *sql.Rows) (storedCustomer, error) {
	c := storedCustomer{Customer: tracker.Customer{Sums: []tracker.CustomerSum{}}}
	var registered, created, updated int64
	var decision string
	err := rows.Scan(&c.ID, &c.Network, &c.ExternalID, &c.Brand, &c.answer, &c.Organic, &c.SessionID, &c.VisitorID, &c.LinkID,
		&c.AffiliateID, &c.Affiliate, &c.CampaignID, &c.Campaign, &c.Username, &registered, &c.Country,
		&c.CountryCode, &c.RevShareExcluded, &c.CPAExcluded, &c.Category, &c.Label, &c.Note, &decision, &created, &updated)
	if err != nil {
		return storedCustomer{}, err
	}
	c.RegisteredAt, c.CreatedAt, c.UpdatedAt = fromMillis(registered), fromMillis(created), fromMillis(updated)
	if err := json.Unmarshal([]byte(decision), &c.Decision); err != nil {
		return storedCustomer{}, fmt.Errorf("decision of customer %s: %w", c.ID, err)
	}
	return c, nil
}

var selectSums = `SELECT customer_id, currency, transactions, deposits, first_deposit_at, first_deposit, gross_revenue, wagered,
	rev_share_commission, cpa_commission, fixed_commission, first_cpa_at FROM customer_sum
	WHERE customer_id IN (` + placeholders(1, lookUpChunk) + `) ORDER BY customer_id, currency`

// readSums sets the sums of the customers.
func readSums(ctx context.Context, q queryer, customers []storedCustomer) error {
	for chunk := range slices.Chunk(customers, lookUpChunk) {
		args := make([]any, lookUpChunk)
		for i := range args {
			args[i] = chunk[min(i, len(chunk)-1)].ID
		}
		sums, err := readAll(ctx, q, "customers' sums", scanSum, selectSums, args...)
		if err != nil {
			return err
		}
		for _, sum := range sums {
			i := slices.IndexFunc(chunk, func(c storedCustomer) bool { return c.ID == sum.customer })
			chunk[i].Sums = append(chunk[i].Sums, sum.CustomerSum)
		}
	}
	return nil
}

type storedSum struct {
	customer string
	tracker.CustomerSum
}

func scanSum(rows *sql.Rows) (s storedSum, err error) {
	var firstDeposit, firstCPA int64
	err = rows.Scan(&s.customer, &s.Currency, &s.Transactions, &s.Deposits, &firstDeposit, &s.FirstDeposit, &s.GrossRevenue, &s.Wagered,
		&s.RevShareCommission, &s.CPACommission, &s.FixedCommission, &firstCPA)
	s.FirstDepositAt, s.FirstCPAAt = timeOrNil(firstDeposit), timeOrNil(firstCPA)
	return s, err
}

// insertCustomer writes a new customer. errClash: another transaction was first.
func (b *books) insertCustomer(ctx context.Context, c *tracker.Customer, hash string, answer []byte) error {
	done, err := b.tx.ExecContext(ctx, `INSERT INTO customer (id, network, external_id, brand, hash, answer, organic, session_id,
		visitor_id, link_id, affiliate_id, campaign_id, username, registered_at, country, country_code, rev_share_excluded,
		cpa_excluded, category, label, note, decision, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
		ON CONFLICT (network, external_id, brand) DO NOTHING`,
		c.ID, c.Network, c.ExternalID, c.Brand, hash, string(answer), c.Organic, c.SessionID,
		c.VisitorID, c.LinkID, c.AffiliateID, c.CampaignID, c.Username, millis(c.RegisteredAt), c.Country, c.CountryCode,
		c.RevShareExcluded, c.CPAExcluded, c.Category, c.Label, c.Note, jsonText(c.Decision), millis(c.CreatedAt), millis(c.UpdatedAt))
	return inserted(done, err)
}

// inserted returns errClash if the insertion found its row there already.
func inserted(done sql.Result, err error) error {
	if err != nil {
		return fmt.Errorf("adding a row: %w", err)
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		return errClash
	}
	return err
}

func (b *books) storeCustomerFields(ctx context.Context, c *tracker.Customer) error {
	_, err := b.tx.ExecContext(ctx, `UPDATE customer SET username = $2, registered_at = $3, country = $4, country_code = $5,
		rev_share_excluded = $6, cpa_excluded = $7, category = $8, label = $9, note = $10, updated_at = $11 WHERE id = $1`,
		c.ID, c.Username, millis(c.RegisteredAt), c.Country, c.CountryCode,
		c.RevShareExcluded, c.CPAExcluded, c.Category, c.Label, c.Note, millis(c.UpdatedAt))
	if err != nil {
		return fmt.Errorf("writing the customer: %w", err)
	}
	return nil
}
