package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// land inserts the sessions at once. When the database refuses their values it halves them, with care, until the one that is
// refused stands alone.
func (a *applier) land(ctx context.Context, records []Record) error {
	if len(records) == 0 {
		return nil
	}
	if !a.care {
		return a.insert(ctx, records)
	}
	refusal, err := a.try(ctx, a.ledger.db.Refused, func() error { return a.insert(ctx, records) })
	if refusal == nil || err != nil {
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

// insert inserts the sessions and counts those that are new. Only where some were there already is it looked whether those
// were the true ones: to ask it of each takes SQLite several times as long.
func (a *applier) insert(ctx context.Context, records []Record) error {
	if err := a.blank(ctx, records); err != nil {
		return err
	}
	if err := a.findLinks(ctx, records); err != nil {
		return err
	}
	landed := distinct(records)
	rows := sessionRows(a.origin, landed)
	n, err := a.ledger.db.Insert(ctx, a.tx, rows)
	if err == nil && int(n) < rows.Len {
		if _, err = a.ledger.db.Insert(ctx, a.tx, replacing(rows)); err == nil {
			landed, err = a.newOf(ctx, landed)
		}
	}
	if err != nil {
		return fmt.Errorf("inserting %d sessions: %w", rows.Len, err)
	}
	a.landed = append(a.landed, landed...)
	a.books.events.tellSessions(landed)
	a.done.Sessions += len(landed)
	a.done.Repeated += len(records) - len(landed)
	return nil
}

// distinct leaves out sessions whose id an earlier one has.
func distinct(records []Record) []Record {
	seen := make(map[tracker.SessionID]bool, len(records))
	return slices.DeleteFunc(slices.Clone(records), func(r Record) bool {
		repeated := seen[r.Session.ID]
		seen[r.Session.ID] = true
		return repeated
	})
}

var selectLanded = `SELECT id FROM session WHERE origin = $1 AND seq >= $2 AND seq <= $3 AND id IN (` +
	placeholders(4, lookUpChunk) + `)`

// newOf returns those of the records, which are in order, that the ledger has from here and now: a number of an origin is
// applied once.
func (a *applier) newOf(ctx context.Context, records []Record) ([]Record, error) {
	var new []Record
	for chunk := range slices.Chunk(records, lookUpChunk) {
		args := []any{a.origin, int64(chunk[0].Seq), int64(chunk[len(chunk)-1].Seq)}
		for i := range lookUpChunk {
			args = append(args, chunk[min(i, len(chunk)-1)].Session.ID.String())
		}
		ids, err := readAll(ctx, a.tx, "the sessions that landed", scanText, selectLanded, args...)
		if err != nil {
			return nil, err
		}
		for _, r := range chunk {
			if slices.Contains(ids, r.Session.ID.String()) {
				new = append(new, r)
			}
		}
	}
	return new, nil
}

func scanText(rows *sql.Rows) (text string, err error) {
	err = rows.Scan(&text)
	return text, err
}
