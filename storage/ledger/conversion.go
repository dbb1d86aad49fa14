package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// CreateConversion books a conversion and returns it as JSON (tracker.Conversion), as it is then. Whoever reports the same
// one again, at any time and to any ledger on the database, gets the same bytes and replayed is true. Of one that was
// reported before with other content the duplicate policy decides.
//
// tracker.Invalid: something is wrong with it. tracker.ErrConflict: the policy refuses it; the first one's history says so.
// tracker.ErrIdempotency: its idempotency key was used for something else within 30 days.
func (l *Ledger) CreateConversion(ctx context.Context, n tracker.NewConversion) (answer []byte, replayed bool, err error) {
	var out reported
	if err = n.Check(); err == nil {
		out, err = l.reportConversion(ctx, n)
	}
	if err == nil {
		err = out.refusal
	}
	if err != nil {
		return nil, false, fmt.Errorf("booking a conversion: %w", err)
	}
	return out.answer, out.replayed, nil
}

// reportConversion looks for an earlier report with the same content first, without a transaction: whoever has lost the
// answer asks again and again. An idempotency key has to be looked up in one.
func (l *Ledger) reportConversion(ctx context.Context, n tracker.NewConversion) (out reported, err error) {
	if n.IdempotencyKey == "" {
		answer, err := answerTo(ctx, l.db.Read, identityOf(&n), contentHash(&n))
		if err != nil || answer != nil {
			return reported{answer: answer, replayed: true}, l.told(err)
		}
	}
	err = l.book(ctx, func(b *books) (err error) {
		out, err = b.report(ctx, n)
		return err
	})
	return out, err
}

// books is the conversions' part of one transaction. What it has to write last waits for finish.
type books struct {
	ledger *Ledger
	tx     *sql.Tx
	now    time.Time
	days   daySums
	events *events

	nobodyErased bool // as far as is known: nobody ever was
}

// books opens the conversions' part of the transaction.
func (l *Ledger) books(tx *sql.Tx) *books {
	return &books{ledger: l, tx: tx, now: fromMillis(millis(l.now())), days: daySums{}, events: l.events()}
}

// finish writes what waited.
func (b *books) finish(ctx context.Context) error {
	if err := b.events.write(ctx, b.ledger, b.tx, b.now); err != nil {
		return err
	}
	return b.days.write(ctx, b.ledger, b.tx)
}

// bookAttempts bounds the retries of book.
const bookAttempts = 10

// errClash is a reason to try a transaction again.
var errClash = errors.New("another transaction was first")

// book runs do on the books in one transaction, and again when the database ended it for another's sake. No erasure is under
// way meanwhile.
func (l *Ledger) book(ctx context.Context, do func(b *books) error) (err error) {
	return l.bookAfter(ctx, l.whileNobodyErases, do)
}

// bookAfter is book with what the transaction has to wait for.
func (l *Ledger) bookAfter(
	ctx context.Context, wait func(context.Context, *sql.Tx) error, do func(b *books) error,
) (err error) {
	for range bookAttempts {
		err = l.write(ctx, func(tx *sql.Tx) error {
			if err := wait(ctx, tx); err != nil {
				return err
			}
			b := l.books(tx)
			if err := do(b); err != nil {
				return err
			}
			return b.finish(ctx)
		})
		clash := err != nil && (errors.Is(err, errClash) || l.db.Clash != nil && l.db.Clash(err))
		if !clash || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// landConversion books a conversion that came by the edge, and reports whether it was new. That it was reported before with
// other content is no error, whatever its campaign's policy: the first one's history has it. tracker.Invalid: something is
// wrong with it. After an error the books are as before, if the caller goes back to a savepoint.
func (b *books) landConversion(ctx context.Context, n tracker.NewConversion) (isNew bool, err error) {
	one := *b
	one.days, one.events = daySums{}, b.ledger.events()
	var out reported
	if err = n.Check(); err == nil {
		out, err = one.report(ctx, n)
	}
	if err != nil {
		return false, fmt.Errorf("booking a conversion: %w", err)
	}
	b.days.add(one.days)
	b.events.add(one.events)
	return out.isNew, nil
}

// reported is what became of a report.
type reported struct {
	answer   []byte
	replayed bool  // the answer is that to an earlier report
	isNew    bool  // there is one more conversion
	refusal  error // the books stand, but the reporter has to be told
}

// report books a report that was checked.
func (b *books) report(ctx context.Context, n tracker.NewConversion) (reported, error) {
	id, hash := identityOf(&n), contentHash(&n)
	if err := b.useKey(ctx, &n, id, hash); err != nil {
		return reported{}, err
	}
	known, err := b.know(ctx, id, 1)
	if err != nil {
		return reported{}, err
	}
	if known {
		return b.again(ctx, n, id, hash)
	}
	return b.create(ctx, n, hash, 0, false)
}

// create books one more conversion of the identity. waiting: refunds may wait for it.
func (b *books) create(ctx context.Context, n tracker.NewConversion, hash string, repeat int, waiting bool) (reported, error) {
	c, err := b.begin(ctx, n)
	if err != nil {
		return reported{}, err
	}
	c.Repeat = repeat
	c.change(b.now, tracker.Change{Kind: tracker.ChangeCreated, Actor: n.Actor}, func() { c.setParts(n.Commissions) })
	if waiting {
		if err := b.takeWaiting(ctx, c); err != nil {
			return reported{}, err
		}
	}
	erased, err := b.tellsOfErased(ctx, n.Network, n.Evidence)
	if err != nil {
		return reported{}, err
	}
	if erased || hash == erasedHash {
		hash = erasedHash
		if err := b.blankOnArrival(ctx, c); err != nil {
			return reported{}, err
		}
	}
	answer, err := json.Marshal(c.shown())
	if err != nil {
		return reported{}, fmt.Errorf("writing the answer: %w", err)
	}
	if err := b.insert(ctx, c, keptReport{1, hash, answer}); err != nil {
		return reported{}, err
	}
	if !erased && (c.CustomerID == "" || n.Evidence.CustomerID != "") { // else its row has the customer's id
		if err := b.nameCustomer(ctx, &c.Conversion, n.Evidence); err != nil {
			return reported{}, err
		}
	}
	if n.Aliased {
		if err := addAlias(ctx, b.tx, c.Network, c.ID); err != nil {
			return reported{}, err
		}
	}
	return reported{answer: answer, isNew: true}, nil
}

// begin attributes the conversion; it has no amount yet.
func (b *books) begin(ctx context.Context, n tracker.NewConversion) (*bookedConversion, error) {
	if n.OccurredAt.IsZero() {
		n.OccurredAt = b.now
	}
	if n.ID == "" {
		n.ID = tracker.NewSessionID(b.now).String()
	}
	a, err := b.ledger.attribute(ctx, b.tx, n.Network, n.OccurredAt, n.Evidence)
	if err != nil {
		return nil, err
	}
	c := &bookedConversion{rules: a.Rules, Conversion: tracker.Conversion{
		ID: n.ID, Network: n.Network, Source: n.Source, ExternalID: n.ExternalID, Type: n.Type, Status: n.Status,
		Currency: n.Currency, CustomerID: a.Customer, Coupon: n.Coupon, Name: n.Name, MetaData: n.MetaData,
		OccurredAt: fromMillis(millis(n.OccurredAt)), CreatedAt: b.now, UpdatedAt: b.now, Decision: a.Decision,
	}}
	c.VisitorID = cmp.Or(a.Visitor, visitorOf(n.Network, n.Evidence)) // also where nobody earns, so that an erasure finds it
	if w := a.Winner; w != nil {
		c.AffiliateID, c.Affiliate, c.CampaignID, c.Campaign = w.AffiliateID, w.Affiliate, w.CampaignID, w.Campaign
		c.LinkID, c.SessionID, c.Sub1 = w.LinkID, w.SessionID, a.Sub1
		if w.LinkID != 0 {
			c.Code = w.Code
		}
	}
	return c, nil
}
