package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// The kinds of object that Export yields.
const (
	KindSession     = "session"      // tracker.BookedSession
	KindCustomer    = "customer"     // tracker.Customer
	KindTransaction = "transaction"  // tracker.Transaction
	KindConversion  = "conversion"   // tracker.Conversion, with its history
	KindExternalRef = "external_ref" // tracker.ExternalRef, of one of those
)

// Export calls yield with everything that the network's books have of a person, kind by kind: of a visitor with the customers
// who were bound to them, or of a customer with the visitor who became them. It ends early, with yield's error, when yield
// fails. ErrNotFound: the network has no customer of the books' id. tracker.Invalid: the subject is nobody, or two.
func (l *Ledger) Export(
	ctx context.Context, network string, s tracker.Subject, yield func(kind string, object any) error,
) error {
	p, err := l.readPerson(ctx, l.db.Read, network, s)
	if err != nil {
		return fmt.Errorf("exporting: %w", l.told(err))
	}
	e := exporter{ledger: l, network: network, seen: map[string]bool{}}
	e.yield = func(kind string, object any) error {
		if err := yield(kind, object); err != nil {
			return err
		}
		return l.exportRefs(ctx, network, object, yield)
	}
	if err := e.export(ctx, p); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	return nil
}

// exportRefs yields what destinations call the object.
func (l *Ledger) exportRefs(ctx context.Context, network string, object any, yield func(kind string, object any) error) error {
	subject := ""
	switch o := object.(type) {
	case tracker.BookedSession:
		subject = o.ID.String()
	case tracker.Customer:
		subject = o.ID
	case tracker.Transaction:
		subject = o.ID
	case tracker.Conversion:
		subject = o.ID
	}
	refs, err := read(ctx, l, "what destinations call it", scanExternalRef,
		`SELECT destination, subject, ref FROM external_ref WHERE network = $1 AND subject = $2 ORDER BY destination`, network, subject)
	for i := 0; err == nil && i < len(refs); i++ {
		err = yield(KindExternalRef, refs[i])
	}
	return err
}

func scanExternalRef(rows *sql.Rows) (r tracker.ExternalRef, err error) {
	err = rows.Scan(&r.Destination, &r.Subject, &r.Ref)
	return r, err
}

// person is whom a subject names.
type person struct {
	visitor   tracker.VisitorID // zero if none is known
	customers []storedCustomer
	names     []customerName // those of the customers, and the one that the subject gives
}

func (l *Ledger) readPerson(ctx context.Context, q queryer, network string, s tracker.Subject) (p person, err error) {
	if err := checkSubject(s); err != nil {
		return person{}, err
	}
	switch {
	case !s.Visitor.IsZero():
		p.visitor = s.Visitor
		p.customers, err = readCustomers(ctx, q, ` WHERE c.network = $1 AND c.visitor_id = $2 AND c.visitor_id <> ''`,
			network, s.Visitor.String())
	case s.CustomerID != "":
		if _, none := tracker.ParseSessionID(s.CustomerID); none != nil {
			return person{}, ErrNotFound
		}
		var c storedCustomer
		c, err = only(readCustomers(ctx, q, ` WHERE c.network = $1 AND c.id = $2`, network, s.CustomerID))
		p.customers = []storedCustomer{c}
	default:
		p.names = []customerName{{s.CustomerExternalID, s.CustomerBrand}}
		p.customers, err = readCustomers(ctx, q, ` WHERE c.network = $1 AND c.external_id IN ($2, $3) AND c.brand = $4`,
			network, s.CustomerExternalID, l.pseudonym(network, s.CustomerExternalID, s.CustomerBrand), s.CustomerBrand)
	}
	if err != nil {
		return person{}, err
	}
	for _, c := range p.customers {
		p.names = append(p.names, customerName{c.ExternalID, c.Brand})
		if p.visitor.IsZero() {
			p.visitor, _ = tracker.ParseVisitorID(c.VisitorID) // none: zero
		}
	}
	return p, nil
}

func checkSubject(s tracker.Subject) error {
	given := 0
	for _, is := range []bool{!s.Visitor.IsZero(), s.CustomerID != "", s.CustomerExternalID != ""} {
		if is {
			given++
		}
	}
	if given != 1 || s.CustomerBrand != "" && s.CustomerExternalID == "" {
		return tracker.Invalid{{Field: "subject", Message: "names either a visitor or a customer"}}
	}
	return nil
}

// exporter is one export.
type exporter struct {
	ledger  *Ledger
	network string
	yield   func(kind string, object any) error
	seen    map[string]bool // ids of sessions and conversions, which may be found in two ways
}

func (e *exporter) export(ctx context.Context, p person) error {
	if !p.visitor.IsZero() {
		if err := e.sessions(ctx, tracker.SessionFilter{Visitor: p.visitor}); err != nil {
			return err
		}
		if err := e.conversions(ctx, tracker.ConversionFilter{VisitorID: p.visitor.String()}); err != nil {
			return err
		}
	}
	for _, c := range p.customers {
		if err := e.customer(ctx, c.Customer); err != nil {
			return err
		}
	}
	for _, name := range p.names {
		sessions, err := sessionsNaming(ctx, e.ledger.db.Read, e.network, name)
		if err != nil {
			return e.ledger.told(err)
		}
		ids, err := conversionsNaming(ctx, e.ledger.db.Read, e.network, name)
		if err != nil {
			return e.ledger.told(err)
		}
		for _, id := range ids {
			if err := e.conversion(ctx, id); err != nil {
				return err
			}
		}
		if err := e.broughtBy(ctx, sessions); err != nil {
			return err
		}
	}
	return nil
}

// broughtBy yields sessions, and the conversions that they brought.
func (e *exporter) broughtBy(ctx context.Context, sessions []string) error {
	for _, text := range sessions {
		id, err := tracker.ParseSessionID(text)
		if err != nil {
			continue
		}
		if err := e.session(ctx, id); err != nil {
			return err
		}
		if err := e.conversions(ctx, tracker.ConversionFilter{SessionID: text}); err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) customer(ctx context.Context, c tracker.Customer) error {
	if err := e.yield(KindCustomer, c); err != nil {
		return err
	}
	if id, err := tracker.ParseSessionID(c.SessionID); err == nil {
		if err := e.session(ctx, id); err != nil {
			return err
		}
	}
	err := eachPage(func(p tracker.Page) ([]tracker.Transaction, string, error) {
		return e.ledger.Transactions(ctx, e.network, tracker.TransactionFilter{CustomerID: c.ID}, p)
	}, func(t tracker.Transaction) error { return e.yield(KindTransaction, t) })
	if err != nil {
		return err
	}
	if c.SessionID != "" {
		if err := e.conversions(ctx, tracker.ConversionFilter{SessionID: c.SessionID}); err != nil {
			return err
		}
	}
	return e.conversions(ctx, tracker.ConversionFilter{CustomerID: c.ID})
}

// session yields the session that brought a customer, unless it is gone or was yielded already.
func (e *exporter) session(ctx context.Context, id tracker.SessionID) error {
	if e.seen[id.String()] {
		return nil
	}
	s, err := e.ledger.findSession(ctx, e.network, id)
	if err != nil || len(s) == 0 {
		return err
	}
	e.seen[id.String()] = true
	return e.yield(KindSession, s[0])
}

func (e *exporter) sessions(ctx context.Context, f tracker.SessionFilter) error {
	return eachPage(func(p tracker.Page) ([]tracker.BookedSession, string, error) {
		return e.ledger.FindSessions(ctx, e.network, f, p)
	}, func(s tracker.BookedSession) error {
		e.seen[s.ID.String()] = true
		return e.yield(KindSession, s)
	})
}

func (e *exporter) conversions(ctx context.Context, f tracker.ConversionFilter) error {
	return eachPage(func(p tracker.Page) ([]tracker.Conversion, string, error) {
		return e.ledger.Conversions(ctx, e.network, f, p)
	}, func(c tracker.Conversion) error { return e.conversion(ctx, c.ID) })
}

// conversion yields a conversion, once.
func (e *exporter) conversion(ctx context.Context, id string) error {
	if e.seen[id] {
		return nil
	}
	e.seen[id] = true
	c, err := e.ledger.Conversion(ctx, e.network, id)
	if err != nil {
		return err
	}
	return e.yield(KindConversion, c)
}

// eachPage calls yield with each row of a list.
func eachPage[T any](read func(p tracker.Page) (rows []T, next string, err error), yield func(T) error) error {
	for p := (tracker.Page{Limit: tracker.MaxPage}); ; {
		rows, next, err := read(p)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := yield(row); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		p.After = next
	}
}
