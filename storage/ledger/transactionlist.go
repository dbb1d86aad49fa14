package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// AddTransactions adds transactions as AddTransaction does: all of them, or none if one of them cannot be added. The error then
// is a *tracker.EntryError around that of the first such one. Those that were reported before count once, here as well.
func (l *Ledger) AddTransactions(ctx context.Context, list []tracker.NewTransaction) error {
	list = slices.Clone(list) // Check fills defaults in, and the caller's list may be another goroutine's too
	for i := range list {
		if err := list[i].Check(); err != nil {
			return fmt.Errorf("adding transactions: %w", &tracker.EntryError{Index: i, Err: err})
		}
	}
	err := l.book(ctx, func(b *books) error {
		for i, n := range list {
			if _, _, err := b.addTransaction(ctx, n); err != nil {
				return &tracker.EntryError{Index: i, Err: err}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("adding transactions: %w", err)
	}
	return nil
}

// CustomerBySession returns the first customer whom the session brought. ErrNotFound: the network has none.
func (l *Ledger) CustomerBySession(ctx context.Context, network string, id tracker.SessionID) (tracker.Customer, error) {
	return l.customer(ctx, ` WHERE c.network = $1 AND c.session_id = $2 AND c.session_id <> ''
		ORDER BY c.created_at, c.id LIMIT 1`, network, id.String())
}
