package ledger

import (
	"context"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Erase takes a person out of the network's books: a visitor with the customers who were bound to them, or a customer with
// the visitor who became them. Rows stay, so that counts and money do; what tells of the person in them is blank afterwards,
// also in the answers that repeats get, which from then on are no longer byte for byte the first ones. A customer's external
// id becomes a pseudonym by which a repeat is still recognised. Of a content that told of the person no hash is kept, so that
// any later report of the same conversion, refund or transaction is taken for a repeat. Whatever else of the person comes
// later, by the edge or by a report that names them, lands blank.
//
// It waits until nobody else books anything, and keeps others from it meanwhile.
//
// ErrNotFound: the network has no customer of the books' id. A visitor whom the books do not know, or a customer of the
// merchant's id, may be on their way, and is erased all the same. tracker.Invalid: the subject is nobody, or two.
func (l *Ledger) Erase(ctx context.Context, network string, s tracker.Subject) (tracker.Erasure, error) {
	var done tracker.Erasure
	err := l.bookAfter(ctx, l.whileNobodyBooks, func(b *books) error {
		e := eraser{books: b, network: network, hashes: map[string]bool{}, clicks: clickSums{}, subs: map[subDay]bool{}}
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
	*books
	network string

	hashes    map[string]bool // of visitor and customers
	visitor   string          // as a record names them; empty if none is known
	customers []string        // likewise
	sessions  []string        // the ids of those it has blanked
	requests  []string        // the hashes that idempotency keys have of what it has blanked
	clicks    clickSums       // of the sub-ids that it has taken from sessions
	subs      map[subDay]bool // of the sub-ids that it has taken from conversions
	done      tracker.Erasure
}

func (e *eraser) erase(ctx context.Context, s tracker.Subject) error {
	p, err := e.ledger.readPerson(ctx, e.tx, e.network, s)
	if err != nil {
		return err
	}
	if !p.visitor.IsZero() {
		if err := e.eraseVisitor(ctx, p.visitor); err != nil {
			return err
		}
	}
	for _, c := range p.customers {
		if err := e.eraseCustomer(ctx, c); err != nil {
			return err
		}
	}
	for _, name := range p.names {
		if err := e.eraseName(ctx, name); err != nil {
			return err
		}
	}
	for hash := range e.hashes {
		if err := e.remember(ctx, e.network, hash); err != nil {
			return err
		}
	}
	for _, rest := range []func(context.Context) error{e.moveSums, e.forgetRequests, e.forgetRefs, e.emptyQuarantine} {
		if err := rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// eraseVisitor erases what names the visitor: sessions and conversions.
func (e *eraser) eraseVisitor(ctx context.Context, visitor tracker.VisitorID) error {
	e.visitor = visitor.String()
	e.hashes[tracker.VisitorHash(e.network, visitor)] = true
	if err := e.blankSessions(ctx, `visitor_id = $2 AND visitor_id <> ''`, e.visitor); err != nil {
		return err
	}
	return e.blankConversions(ctx, `visitor_id = $2 AND visitor_id <> ''`, e.visitor)
}

// eraseName erases what names a customer by the merchant's id, whether the books know one or not, and the sessions that brought it.
func (e *eraser) eraseName(ctx context.Context, name customerName) error {
	e.hashes[hashOfPseudonym(e.ledger.pseudonym(e.network, name.externalID, name.brand))] = true
	e.customers = append(e.customers, field(tracker.FieldCustomer, name.externalID))
	sessions, err := sessionsNaming(ctx, e.tx, e.network, name)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if err := e.eraseSession(ctx, session); err != nil {
			return err
		}
	}
	ids, err := conversionsNaming(ctx, e.tx, e.network, name)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := e.blankConversion(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// eraseSession erases a session that brought a customer, and what else it brought.
func (e *eraser) eraseSession(ctx context.Context, id string) error {
	err := e.blankSessions(ctx, `id = $2 AND visitor_id || ip || user_agent || query || referrer || query_params || quote_share_id <> ''`, id)
	if err != nil {
		return err
	}
	return e.blankConversions(ctx, `session_id = $2 AND session_id <> ''`, id)
}

// eraseCustomer erases a customer with everything that is theirs, but for what names them by the merchant's id.
func (e *eraser) eraseCustomer(ctx context.Context, c storedCustomer) error {
	pseudonym := e.ledger.pseudonym(e.network, c.ExternalID, c.Brand)
	if c.SessionID != "" {
		if err := e.eraseSession(ctx, c.SessionID); err != nil {
			return err
		}
	}
	if err := e.blankConversions(ctx, `customer_id = $2 AND customer_id <> ''`, c.ID); err != nil {
		return err
	}
	if err := e.blankTransactions(ctx, c.ID); err != nil {
		return err
	}
	if err := e.forgetCustomerRefs(ctx, c.ID); err != nil {
		return err
	}
	if c.ExternalID != pseudonym {
		e.done.Customers++
	}
	return e.blankCustomer(ctx, c, pseudonym)
}
