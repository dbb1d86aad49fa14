package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Record is one verified record of an origin, as the apply step read and decoded it.
type Record struct {
	Seq     uint64   // its number in the origin
	From    uint64   // of a lost record: the first number that it stands for; 0 means Seq
	Session *Session // the session to insert, or nil
	Lost    bool     // a tombstone: the numbers From to Seq can no longer be read
	Raw     []byte   // the record's bytes, kept when it goes to quarantine
	Reason  string   // why it is lost, or why it is no session
}

// Applied says what became of the records of one call of Apply.
type Applied struct {
	Cursor      uint64 // of the origin, now
	Sessions    int    // rows that are new
	Repeated    int    // sessions whose id was there already; must stay 0 over all calls
	Quarantined int    // damaged or unknown records, and those that the database refused
	Lost        int    // numbers that tombstones stood for
	Dropped     int    // records at or below the cursor
	Hole        bool   // a number is missing; it and what comes after it was left for a later call
}

// Apply takes the unbroken run of records that begins after the origin's cursor, and moves the cursor to its end, in one
// transaction (protocol R1). Records must be in order of their numbers. What lies at or below the cursor is dropped, and a
// hole ends the run. A link that the ledger does not know is made, disabled, with source "session"; Apply sets the LinkID
// of each session. A record that the database refuses, alone, for its values goes to quarantine (protocol R9); any other
// error leaves everything as it was, or unknown, and the same records may be given again.
//
// Every call, also one that takes nothing, commits a write on the origin's row: the cursor that it answers is committed, and
// not merely visible (protocol L4).
func (l *Ledger) Apply(ctx context.Context, origin string, records []Record) (Applied, error) {
	var done Applied
	err := l.write(ctx, func(tx *sql.Tx) error {
		a := applier{ledger: l, tx: tx, origin: origin, now: millis(l.now())}
		if err := a.run(ctx, records); err != nil {
			return err
		}
		done = a.done
		return nil
	})
	if err != nil {
		return Applied{}, fmt.Errorf("applying records of origin %s: %w", origin, err)
	}
	return done, nil
}

// applier is one call of Apply, in its transaction.
type applier struct {
	ledger *Ledger
	tx     *sql.Tx
	origin string
	now    int64

	done    Applied
	refused []Quarantined
}

func (a *applier) run(ctx context.Context, records []Record) error {
	if err := a.lockOrigin(ctx); err != nil {
		return err
	}
	if err := a.land(ctx, a.sort(records)); err != nil {
		return err
	}
	if err := a.writeQuarantine(ctx); err != nil {
		return err
	}
	return a.moveCursor(ctx)
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
	a.done.Cursor = uint64(cursor)
	return nil
}

// sort takes the run that begins after the cursor: it returns its sessions, and books everything else.
func (a *applier) sort(records []Record) []Record {
	sessions := make([]Record, 0, len(records))
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
		case r.Lost:
			a.done.Lost += int(r.Seq - next + 1)
			a.refused = append(a.refused, Quarantined{From: next, Seq: r.Seq, Lost: true, Reason: r.Reason, Raw: r.Raw})
		default:
			a.quarantine(r, r.Reason)
		}
	}
	return sessions
}

func (a *applier) quarantine(r Record, reason string) {
	a.done.Quarantined++
	a.refused = append(a.refused, Quarantined{From: r.Seq, Seq: r.Seq, Reason: reason, Raw: r.Raw})
}

// land inserts the sessions at once. When the database refuses their values it halves them, until the one that is refused
// stands alone.
func (a *applier) land(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	if _, err := a.tx.ExecContext(ctx, `SAVEPOINT landing`); err != nil {
		return fmt.Errorf("setting a savepoint: %w", err)
	}
	inserted, refusal := a.insert(ctx, records)
	if refusal == nil {
		a.done.Sessions += inserted
		a.done.Repeated += len(records) - inserted
		return a.release(ctx)
	}
	if !a.ledger.db.Refused(refusal) {
		return refusal
	}
	if _, err := a.tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT landing`); err != nil {
		return fmt.Errorf("going back to a savepoint: %w", err)
	}
	if err := a.release(ctx); err != nil {
		return err
	}
	if len(records) == 1 {
		a.quarantine(records[0], refusal.Error())
		return nil
	}
	half := len(records) / 2
	if err := a.land(ctx, records[:half]); err != nil {
		return err
	}
	return a.land(ctx, records[half:])
}

func (a *applier) release(ctx context.Context) error {
	if _, err := a.tx.ExecContext(ctx, `RELEASE SAVEPOINT landing`); err != nil {
		return fmt.Errorf("releasing a savepoint: %w", err)
	}
	return nil
}

func (a *applier) insert(ctx context.Context, records []Record) (int, error) {
	if err := a.findLinks(ctx, records); err != nil {
		return 0, err
	}
	n, err := a.ledger.db.Insert(ctx, a.tx, sessionRows(a.origin, records))
	if err != nil {
		return 0, fmt.Errorf("inserting %d sessions: %w", len(records), err)
	}
	return int(n), nil
}

// writeQuarantine writes what did not land.
func (a *applier) writeQuarantine(ctx context.Context) error {
	for _, r := range a.refused {
		raw := r.Raw
		if raw == nil {
			raw = []byte{}
		}
		_, err := a.tx.ExecContext(ctx, `INSERT INTO quarantine (origin, seq, from_seq, lost, reason, raw, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (origin, seq) DO NOTHING`,
			a.origin, int64(r.Seq), int64(r.From), r.Lost, harmless(r.Reason), raw, a.now)
		if err != nil {
			return fmt.Errorf("writing number %d to quarantine: %w", r.Seq, err)
		}
	}
	return nil
}

// maxReason bounds the text of a quarantine row, in bytes.
const maxReason = 1000

// harmless makes a text that no database refuses: valid UTF-8, no NUL, bounded.
func harmless(s string) string {
	if len(s) > maxReason {
		s = s[:maxReason]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func (a *applier) moveCursor(ctx context.Context) error {
	d := a.done
	_, err := a.tx.ExecContext(ctx, `UPDATE origin SET cursor = $2, applied = applied + $3, repeated = repeated + $4,
		quarantined = quarantined + $5, lost = lost + $6 WHERE name = $1`,
		a.origin, int64(d.Cursor), d.Sessions+d.Repeated, d.Repeated, d.Quarantined, d.Lost)
	if err != nil {
		return fmt.Errorf("moving the cursor: %w", err)
	}
	return nil
}
