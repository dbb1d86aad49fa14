package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// AddTransaction adds a transaction of a customer, moves the customer's sums, and returns the transaction as JSON
// (tracker.Transaction). Whoever reports the same one again gets the same bytes and replayed is true.
//
// tracker.Invalid: something is wrong with it, or it would take one of the customer's sums past MaxCustomerSum.
// tracker.ErrConflict: the network has a transaction of that external id with
// other content. ErrNotFound: the network and brand have no such customer.
func (l *Ledger) AddTransaction(ctx context.Context, n tracker.NewTransaction) (answer []byte, replayed bool, err error) {
	if err = n.Check(); err == nil {
		err = l.book(ctx, func(b *books) (err error) {
			answer, replayed, err = b.addTransaction(ctx, n)
			return err
		})
	}
	if err != nil {
		return nil, false, fmt.Errorf("adding a transaction: %w", err)
	}
	return answer, replayed, nil
}

func (b *books) addTransaction(ctx context.Context, n tracker.NewTransaction) (answer []byte, replayed bool, err error) {
	hash := n.ContentHash()
	if answer, err = b.knownTransaction(ctx, &n, hash); answer != nil || err != nil {
		return answer, true, err
	}
	t := tracker.Transaction{
		ID: tracker.NewSessionID(b.now).String(), Network: n.Network, TransactionFields: n.TransactionFields, CreatedAt: b.now,
	}
	var erased bool
	if t.CustomerID, erased, err = b.customerID(ctx, n.Network, n.CustomerExternalID, n.CustomerBrand); err != nil {
		return nil, false, err
	}
	if erased {
		hash = erasedHash
		blankTransaction(&t)
	}
	if t.Time.IsZero() {
		t.Time = b.now
	}
	t.Time = fromMillis(millis(t.Time))
	if answer, err = json.Marshal(t); err != nil {
		return nil, false, fmt.Errorf("writing the answer: %w", err)
	}
	if err := b.insertTransaction(ctx, &t, hash, answer); err != nil {
		return nil, false, err
	}
	b.events.tellTransaction(&t)
	return answer, false, b.addToSum(ctx, &t)
}

// knownTransaction returns the answer to an earlier report of the transaction, or nil if there was none.
func (b *books) knownTransaction(ctx context.Context, n *tracker.NewTransaction, hash string) (answer []byte, err error) {
	var known string
	err = b.tx.QueryRowContext(ctx, `SELECT hash, answer FROM customer_transaction WHERE network = $1 AND external_id = $2`,
		n.Network, n.ExternalID).Scan(&known, &answer)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking for an earlier report: %w", err)
	case !sameContent(known, hash):
		return nil, tracker.ErrConflict
	}
	return answer, nil
}

// customerID returns the books' id of the customer whom the merchant knows by that id, and whether they were erased.
func (b *books) customerID(ctx context.Context, network, externalID, brand string) (id string, erased bool, err error) {
	pseudonym, known := b.ledger.pseudonym(network, externalID, brand), ""
	err = b.tx.QueryRowContext(ctx, `SELECT id, external_id FROM customer
		WHERE network = $1 AND external_id IN ($2, $3) AND brand = $4`, network, externalID, pseudonym, brand).Scan(&id, &known)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return "", false, fmt.Errorf("customer: %w", err)
	}
	return id, known == pseudonym, nil
}

// insertTransaction writes a new transaction. errClash: another database transaction was first.
func (b *books) insertTransaction(ctx context.Context, t *tracker.Transaction, hash string, answer []byte) error {
	done, err := b.tx.ExecContext(ctx, `INSERT INTO customer_transaction (id, network, customer_id, external_id, hash, answer, type,
		time, currency, deposit, gross_revenue, wagered, rev_share_commission, cpa_commission, fixed_commission, product,
		category, label, note, created_at, country, country_code)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
		ON CONFLICT (network, external_id) DO NOTHING`,
		t.ID, t.Network, t.CustomerID, t.ExternalID, hash, string(answer), t.Type,
		millis(t.Time), t.Currency, t.Deposit, t.GrossRevenue, t.Wagered, t.RevShareCommission, t.CPACommission, t.FixedCommission,
		t.Product, t.Category, t.Label, t.Note, millis(t.CreatedAt), t.Country, t.CountryCode)
	return inserted(done, err)
}

// addToSum moves the customer's sums. The first deposit, and the first CPA commission, is the earliest by its own time, not by
// that of the report.
func (b *books) addToSum(ctx context.Context, t *tracker.Transaction) error {
	var firstAt, firstDeposit, firstCPAAt int64
	if t.Deposit > 0 {
		firstAt, firstDeposit = millis(t.Time), t.Deposit
	}
	if t.CPACommission > 0 {
		firstCPAAt = millis(t.Time)
	}
	const earlier = `CASE WHEN excluded.first_deposit_at > 0 AND
		(customer_sum.first_deposit_at = 0 OR excluded.first_deposit_at < customer_sum.first_deposit_at) THEN `
	const earlierCPA = `CASE WHEN excluded.first_cpa_at > 0 AND
		(customer_sum.first_cpa_at = 0 OR excluded.first_cpa_at < customer_sum.first_cpa_at) THEN `
	var sums customerSums
	err := b.tx.QueryRowContext(ctx, `INSERT INTO customer_sum (customer_id, currency, transactions, deposits, first_deposit_at,
		first_deposit, gross_revenue, wagered, rev_share_commission, cpa_commission, fixed_commission, first_cpa_at)
		VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (customer_id, currency) DO UPDATE SET
		transactions = customer_sum.transactions + 1,
		deposits = customer_sum.deposits + excluded.deposits,
		first_deposit = `+earlier+`excluded.first_deposit ELSE customer_sum.first_deposit END,
		first_deposit_at = `+earlier+`excluded.first_deposit_at ELSE customer_sum.first_deposit_at END,
		gross_revenue = customer_sum.gross_revenue + excluded.gross_revenue,
		wagered = customer_sum.wagered + excluded.wagered,
		rev_share_commission = customer_sum.rev_share_commission + excluded.rev_share_commission,
		cpa_commission = customer_sum.cpa_commission + excluded.cpa_commission,
		fixed_commission = customer_sum.fixed_commission + excluded.fixed_commission,
		first_cpa_at = `+earlierCPA+`excluded.first_cpa_at ELSE customer_sum.first_cpa_at END
		RETURNING deposits, gross_revenue, wagered, rev_share_commission, cpa_commission, fixed_commission`,
		t.CustomerID, t.Currency, t.Deposit, firstAt, firstDeposit,
		t.GrossRevenue, t.Wagered, t.RevShareCommission, t.CPACommission, t.FixedCommission, firstCPAAt).
		Scan(&sums[0], &sums[1], &sums[2], &sums[3], &sums[4], &sums[5])
	if err != nil {
		return fmt.Errorf("moving the customer's sums: %w", err)
	}
	return sums.check()
}

// MaxCustomerSum bounds each sum of a customer in a currency, on both sides of 0, in minor units: a transaction that would take
// one past it is refused before the sum has no room left.
const MaxCustomerSum = 100_000 * tracker.MaxAmount

// customerSums are those of customerSumFields.
type customerSums [6]int64

var customerSumFields = [6]string{
	"deposit", "gross_revenue", "wagered", "rev_share_commission", "cpa_commission", "fixed_commission",
}

func (s customerSums) check() error {
	var wrong tracker.Invalid
	for i, sum := range s {
		if sum > MaxCustomerSum || sum < -MaxCustomerSum {
			wrong.Add(customerSumFields[i], fmt.Sprintf("takes the customer's sum past %d minor units", int64(MaxCustomerSum)))
		}
	}
	return wrong.Err()
}

const selectTransactions = `SELECT t.id, t.network, t.customer_id, t.external_id, t.type, t.time, t.currency, t.deposit,
	t.gross_revenue, t.wagered, t.rev_share_commission, t.cpa_commission, t.fixed_commission, t.product, t.category, t.label,
	t.note, t.created_at, t.country, t.country_code FROM customer_transaction t`

func scanTransaction(rows *sql.Rows) (t tracker.Transaction, err error) {
	var at, created int64
	err = rows.Scan(&t.ID, &t.Network, &t.CustomerID, &t.ExternalID, &t.Type, &at, &t.Currency, &t.Deposit,
		&t.GrossRevenue, &t.Wagered, &t.RevShareCommission, &t.CPACommission, &t.FixedCommission, &t.Product, &t.Category, &t.Label,
		&t.Note, &created, &t.Country, &t.CountryCode)
	t.Time, t.CreatedAt = fromMillis(at), fromMillis(created)
	return t, err
}

// Transaction returns a transaction. ErrNotFound: the network has none of that id.
func (l *Ledger) Transaction(ctx context.Context, network, id string) (tracker.Transaction, error) {
	if _, err := tracker.ParseSessionID(id); err != nil {
		return tracker.Transaction{}, fmt.Errorf("reading a transaction: %w", ErrNotFound)
	}
	t, err := only(read(ctx, l, "a transaction", scanTransaction,
		selectTransactions+` WHERE t.network = $1 AND t.id = $2`, network, id))
	if err != nil {
		return tracker.Transaction{}, fmt.Errorf("reading a transaction: %w", err)
	}
	return t, nil
}

// Transactions returns a page of the network's transactions, newest first by when they were reported, and the cursor of the
// next page. tracker.ErrCursor: p.After is none of ours.
func (l *Ledger) Transactions(
	ctx context.Context, network string, f tracker.TransactionFilter, p tracker.Page,
) ([]tracker.Transaction, string, error) {
	s := selectOf("t.network", network)
	andIf(s, `t.customer_id = ?`, f.CustomerID)
	andIf(s, `t.external_id = ?`, f.ExternalID)
	andIf(s, `t.type = ?`, f.Type)
	andTime(s, `t.time >= ?`, f.MinTime)
	andTime(s, `t.time <= ?`, f.MaxTime)
	if err := s.newest("t.created_at", "t.id", p); err != nil {
		return nil, "", err
	}
	rows, err := read(ctx, l, "transactions", scanTransaction, selectTransactions+s.text, s.args...)
	if err != nil {
		return nil, "", err
	}
	page, next := cutNewest(rows, p, func(t tracker.Transaction) (time.Time, string) { return t.CreatedAt, t.ID })
	return page, next, nil
}
