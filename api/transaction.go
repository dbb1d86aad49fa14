package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (a *API) transactions() {
	register(a, operation{
		id: "list-transactions", method: http.MethodGet, path: "transactions", scope: "transactions:read",
		summary: "List transactions", about: "The newest first.", answer: List[tracker.Transaction]{}, csv: true,
	}, a.listTransactions)
	register(a, operation{
		id: "create-transaction", method: http.MethodPost, path: "transactions", scope: "transactions:write",
		requires: []string{"customer_external_id", "external_id", "currency"},
		summary:  "Report a transaction", status: http.StatusCreated, answer: tracker.Transaction{}, replays: true,
		about: "Money that moved for a customer. Amounts are minor units and may be negative. The same report again counts once.",
	}, a.createTransaction)
	register(a, operation{
		id: "get-transaction", method: http.MethodGet, path: "transactions/{id}", scope: "transactions:read",
		summary: "Read a transaction", answer: tracker.Transaction{},
	}, a.getTransaction)
}

type transactionList struct {
	Paging
	CustomerID string    `query:"customer_id"`
	ExternalID string    `query:"external_id"`
	Type       string    `query:"type"`
	MinTime    time.Time `query:"min_time" doc:"inclusive"`
	MaxTime    time.Time `query:"max_time" doc:"inclusive"`
}

func (a *API) listTransactions(ctx context.Context, c *call, in *transactionList) (answer, error) {
	var ids wantedIDs
	filter := tracker.TransactionFilter{
		CustomerID: ids.uuid("customer_id", in.CustomerID), ExternalID: in.ExternalID, Type: in.Type, MinTime: in.MinTime, MaxTime: in.MaxTime,
	}
	if err := ids.wrong.Err(); err != nil {
		return nil, err
	}
	rows, next, err := c.books.Transactions(ctx, c.network, filter, in.page())
	if err != nil {
		return nil, err
	}
	return listing(rows, next, transactionColumns), nil
}

var transactionColumns = []column[tracker.Transaction]{
	{"id", func(t *tracker.Transaction) any { return t.ID }},
	{"external_id", func(t *tracker.Transaction) any { return t.ExternalID }},
	{"customer_id", func(t *tracker.Transaction) any { return t.CustomerID }},
	{"type", func(t *tracker.Transaction) any { return t.Type }},
	{"time", func(t *tracker.Transaction) any { return t.Time }},
	{"currency", func(t *tracker.Transaction) any { return t.Currency }},
	{"deposit", func(t *tracker.Transaction) any { return t.Deposit }},
	{"gross_revenue", func(t *tracker.Transaction) any { return t.GrossRevenue }},
	{"wagered", func(t *tracker.Transaction) any { return t.Wagered }},
	{"rev_share_commission", func(t *tracker.Transaction) any { return t.RevShareCommission }},
	{"cpa_commission", func(t *tracker.Transaction) any { return t.CPACommission }},
	{"fixed_commission", func(t *tracker.Transaction) any { return t.FixedCommission }},
	{"product", func(t *tracker.Transaction) any { return t.Product }},
	{"country", func(t *tracker.Transaction) any { return t.Country }},
	{"country_code", func(t *tracker.Transaction) any { return t.CountryCode }},
	{"category", func(t *tracker.Transaction) any { return t.Category }},
	{"label", func(t *tracker.Transaction) any { return t.Label }},
	{"note", func(t *tracker.Transaction) any { return t.Note }},
	{"created_at", func(t *tracker.Transaction) any { return t.CreatedAt }},
}

// newTransaction is the body that reports a transaction.
type newTransaction struct {
	CustomerExternalID string `json:"customer_external_id" doc:"the merchant's id of the customer"`
	CustomerBrand      string `json:"customer_brand,omitempty"`
	tracker.TransactionFields
}

func (a *API) createTransaction(ctx context.Context, c *call, in *struct{ body[newTransaction] }) (answer, error) {
	text, replayed, err := c.books.AddTransaction(ctx, tracker.NewTransaction{
		Network: c.network, CustomerExternalID: in.value.CustomerExternalID, CustomerBrand: in.value.CustomerBrand,
		TransactionFields: in.value.TransactionFields,
	})
	if errors.Is(err, tracker.ErrNotFound) {
		return nil, wrongValue("customer_external_id", "is no customer of the network, or not of this brand")
	}
	if err != nil {
		return nil, err
	}
	return stored(text, replayed), nil
}

func (a *API) getTransaction(ctx context.Context, c *call, in *byID) (answer, error) {
	id, err := in.canonical()
	if err != nil {
		return nil, err
	}
	transaction, err := c.books.Transaction(ctx, c.network, id)
	return found(transaction, err)
}
