package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Erase takes a person out of the network's books: a visitor with the customers who were bound to them, or a customer with
// the visitor who became them. Rows stay, so that counts and money do; what tells of the person in them is blank afterwards,
// also in the answers that repeats get, which from then on are no longer byte for byte the first ones. A customer's external
// id becomes a pseudonym by which a repeat is still recognised. Whatever of the visitor is on its way to the ledger lands
// blank.
//
// ErrNotFound: the network has no such customer. A visitor whom the books do not know may be on their way, and is erased all
// the same. tracker.Invalid: the subject is nobody, or two.
func (l *Ledger) Erase(ctx context.Context, network string, s tracker.Subject) (tracker.Erasure, error) {
	var done tracker.Erasure
	err := l.book(ctx, func(b *books) error {
		e := eraser{ledger: l, tx: b.tx, network: network}
		err := e.erase(ctx, s)
		done = e.done
		return err
	})
	if err != nil {
		return tracker.Erasure{}, fmt.Errorf("erasing: %w", err)
	}
	if l.db.Purge == nil {
		return done, nil
	}
	if err := l.db.Purge(ctx); err != nil {
		return tracker.Erasure{}, fmt.Errorf("purging the ledger's files after an erasure: %w", err)
	}
	return done, nil
}

// eraser is one erasure, in its transaction.
type eraser struct {
	ledger  *Ledger
	tx      *sql.Tx
	network string

	sessions []string // the ids of those it has blanked
	done     tracker.Erasure
}

func (e *eraser) erase(ctx context.Context, s tracker.Subject) error {
	if err := e.waitForApply(ctx); err != nil {
		return err
	}
	p, err := readPerson(ctx, e.tx, e.network, s)
	if err != nil {
		return err
	}
	if !p.visitor.IsZero() {
		if err := e.remember(ctx, p.visitor); err != nil {
			return err
		}
		if err := e.visitor(ctx, p.visitor); err != nil {
			return err
		}
	}
	for _, c := range p.customers {
		if err := e.customer(ctx, c); err != nil {
			return err
		}
	}
	return e.quarantined(ctx, p.visitor)
}

// waitForApply waits until no transaction of Apply is under way, and keeps new ones waiting until this one has ended: what
// they insert could not be seen here. The first thing that each of them does is to write to its origin.
func (e *eraser) waitForApply(ctx context.Context) error {
	if e.ledger.db.Exclude == nil {
		return nil
	}
	if err := e.ledger.db.Exclude(ctx, e.tx, "origin"); err != nil {
		return fmt.Errorf("waiting for sessions under way: %w", err)
	}
	return nil
}

// visitor erases what names the visitor: sessions and conversions.
func (e *eraser) visitor(ctx context.Context, visitor tracker.VisitorID) error {
	if err := e.blankSessions(ctx, `visitor_id = $2 AND visitor_id <> ''`, visitor.String()); err != nil {
		return err
	}
	return e.blankConversions(ctx, `visitor_id = $2 AND visitor_id <> ''`, visitor.String())
}

// customer erases a customer with everything that is theirs.
func (e *eraser) customer(ctx context.Context, c storedCustomer) error {
	if c.SessionID != "" {
		err := e.blankSessions(ctx, `id = $2 AND visitor_id || ip || user_agent || query || referrer <> ''`, c.SessionID)
		if err != nil {
			return err
		}
	}
	if err := e.blankConversions(ctx, `customer_id = $2 AND customer_id <> ''`, c.ID); err != nil {
		return err
	}
	if err := e.blankTransactions(ctx, c.ID); err != nil {
		return err
	}
	pseudonym := e.ledger.pseudonym(e.network, c.ExternalID, c.Brand)
	blank := func(c *tracker.Customer) {
		c.ExternalID, c.VisitorID, c.Username, c.Country = pseudonym, "", "", ""
		c.Category, c.Label, c.Note = "", "", ""
	}
	if c.ExternalID != pseudonym {
		e.done.Customers++
	}
	_, err := e.tx.ExecContext(ctx, `UPDATE customer SET external_id = $2, visitor_id = '', username = '', country = '',
		category = '', label = '', note = '' WHERE id = $1`, c.ID, pseudonym)
	if err != nil {
		return fmt.Errorf("blanking the customer: %w", err)
	}
	return rewrite(ctx, e.tx, "customer", []storedAnswer{{c.ID, c.answer}}, blank)
}
