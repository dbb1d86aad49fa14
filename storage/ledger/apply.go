package ledger

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Record is one verified record of an origin, as the apply step read and decoded it. It is a session, a conversion, a
// tombstone, or, with none of them, damaged.
type Record struct {
	Seq        uint64                 // its number in the origin
	From       uint64                 // of a lost record: the first number that it stands for; 0 means Seq
	Session    *Session               // the session to insert, or nil
	Conversion *tracker.NewConversion // the conversion to book, or nil
	Lost       bool                   // a tombstone: the numbers From to Seq can no longer be read
	Raw        []byte                 // the record's bytes, kept when it goes to quarantine
	Reason     string                 // why it is lost, or why it is no session
}

// Applied says what became of the records of one call of Apply.
type Applied struct {
	Cursor      uint64 // of the origin, now
	Sessions    int    // rows that are new, or that took the place of a reconstructed one
	Repeated    int    // sessions whose id was there already; must stay 0 over all calls
	Conversions int    // rows that are new
	Replayed    int    // conversions that had been reported before
	Quarantined int    // damaged or unknown records, and those that were refused
	Lost        int    // numbers that tombstones stood for
	Dropped     int    // records at or below the cursor
	Hole        bool   // a number is missing; it and what comes after it was left for a later call
}

// Apply takes the unbroken run of records that begins after the origin's cursor, and moves the cursor to its end, in one
// transaction (protocol R1). Records must be in order of their numbers. What lies at or below the cursor is dropped, and a
// hole ends the run. A link that the ledger does not know is made, disabled, with source "session"; Apply sets the LinkID
// of each session. A record that is refused, alone, for its values goes to quarantine (protocol R9); any other error leaves
// everything as it was, or unknown, and the same records may be given again.
//
// Sessions land before the conversions of the same call. One whose row was rebuilt from a token takes that row's place. One
// of a visitor who was erased lands without them, and fields that are older than their retention land blank.
//
// Every call, also one that takes nothing, commits a write on the origin's row: the cursor that it answers is committed, and
// not merely visible (protocol L4).
func (l *Ledger) Apply(ctx context.Context, origin string, records []Record) (Applied, error) {
	done, err := l.apply(ctx, origin, records, false)
	if err != nil && l.db.Refused(err) {
		done, err = l.apply(ctx, origin, records, true)
	}
	if err != nil {
		return Applied{}, fmt.Errorf("applying records of origin %s: %w", origin, err)
	}
	return done, nil
}

// apply is Apply in one transaction. Only with care does it find out which records are refused: savepoints for all sessions
// would cost SQLite a copy of each page that they touch.
func (l *Ledger) apply(ctx context.Context, origin string, records []Record, care bool) (done Applied, err error) {
	err = l.book(ctx, func(b *books) error {
		a := applier{ledger: l, tx: b.tx, books: b, origin: origin, now: millis(b.now), care: care}
		if err := a.run(ctx, records); err != nil {
			return err
		}
		done = a.done
		return nil
	})
	return done, err
}

// applier is one call of Apply, in its transaction.
type applier struct {
	ledger *Ledger
	tx     *sql.Tx
	books  *books
	origin string
	now    int64
	care   bool // to find out which sessions are refused

	done      Applied
	refused   []Quarantined
	forgotten forgotten
	began     uint64   // the cursor before
	landed    []Record // sessions
	added     string   // the id of the session that an API made, which no origin counts
}

func (a *applier) run(ctx context.Context, records []Record) error {
	if err := a.lockOrigin(ctx); err != nil {
		return err
	}
	sessions, conversions := a.sort(records)
	if len(sessions)+len(conversions)+len(a.refused) > 0 {
		var err error
		if a.forgotten, err = readForgotten(ctx, a.tx); err != nil {
			return err
		}
		a.books.nobodyErased = !a.forgotten.people
	}
	if err := a.land(ctx, sessions); err != nil {
		return err
	}
	if err := a.landConversions(ctx, conversions); err != nil {
		return err
	}
	if err := a.writeQuarantine(ctx); err != nil {
		return err
	}
	if err := a.moveCursor(ctx); err != nil {
		return err
	}
	return a.countClicks(ctx)
}

// lockOrigin makes the origin's row where it is missing, locks it, and reads the cursor: the update does all three at once
// on both engines.
func (a *applier) lockOrigin(ctx context.Context) error {
	var cursor int64
	err := a.tx.QueryRowContext(ctx, `INSERT INTO origin
		(name, cursor, settled, applied, repeated, quarantined, lost, first_seen, last_seen)
		VALUES ($1, 0, 0, 0, 0, 0, 0, $2, $2)
		ON CONFLICT (name) DO UPDATE SET last_seen = excluded.last_seen
		RETURNING cursor`, a.origin, a.now).Scan(&cursor)
	if err != nil {
		return fmt.Errorf("locking the origin: %w", err)
	}
	a.began, a.done.Cursor = uint64(cursor), uint64(cursor)
	return nil
}

// sort takes the run that begins after the cursor: it returns its sessions and its conversions, and books everything else.
func (a *applier) sort(records []Record) (sessions, conversions []Record) {
	sessions = make([]Record, 0, len(records))
	for _, r := range records {
		from := r.Seq
		if r.Lost && r.From > 0 && r.From < r.Seq {
			from = r.From
		}
		next := a.done.Cursor + 1
		if r.Seq < next {
			a.done.Dropped++
			continue
		}
		if from > next {
			a.done.Hole = true
			break
		}
		a.done.Cursor = r.Seq
		switch {
		case r.Session != nil:
			sessions = append(sessions, r)
		case r.Conversion != nil:
			conversions = append(conversions, r)
		case r.Lost:
			a.done.Lost += int(r.Seq - next + 1)
			a.refused = append(a.refused, Quarantined{From: next, Seq: r.Seq, Lost: true, Reason: r.Reason, Raw: r.Raw})
		default:
			a.quarantine(r, r.Reason)
		}
	}
	return sessions, conversions
}

// try runs do, which lands records. When its error is about them, which refused says, everything is as it was before, and
// the error is returned apart from those that are not.
func (a *applier) try(ctx context.Context, refused func(error) bool, do func() error) (refusal, err error) {
	if _, err := a.tx.ExecContext(ctx, `SAVEPOINT landing`); err != nil {
		return nil, fmt.Errorf("setting a savepoint: %w", err)
	}
	refusal = do()
	if refusal != nil {
		if !refused(refusal) {
			return nil, refusal
		}
		if _, err := a.tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT landing`); err != nil {
			return nil, fmt.Errorf("going back to a savepoint: %w", err)
		}
	}
	if _, err := a.tx.ExecContext(ctx, `RELEASE SAVEPOINT landing`); err != nil {
		return nil, fmt.Errorf("releasing a savepoint: %w", err)
	}
	return refusal, nil
}

func (a *applier) moveCursor(ctx context.Context) error {
	d := a.done
	_, err := a.tx.ExecContext(ctx, `UPDATE origin SET cursor = $2, applied = applied + $3, repeated = repeated + $4,
		quarantined = quarantined + $5, lost = lost + $6 WHERE name = $1`, a.origin, int64(d.Cursor),
		d.Sessions+d.Repeated+d.Conversions+d.Replayed, d.Repeated, d.Quarantined, d.Lost)
	if err != nil {
		return fmt.Errorf("moving the cursor: %w", err)
	}
	return nil
}
