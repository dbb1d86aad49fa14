package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// writeRefs keeps what the destination calls what it has taken. It comes before the deliveries' states: of what was erased
// meanwhile, whose delivery is not due any more, nothing is kept.
func (l *Ledger) writeRefs(ctx context.Context, tx *sql.Tx, outcomes []tracker.DeliveryOutcome) error {
	var id, ref, state []string
	var lease []int64
	for _, o := range outcomes {
		if o.Ref != "" {
			id, ref = append(id, o.Delivery.ID), append(ref, harmless(o.Ref, tracker.MaxRef))
			state, lease = append(state, string(o.State)), append(lease, millis(o.Delivery.DueAt))
		}
	}
	if len(id) == 0 {
		return nil
	}
	table, args := l.db.Values(Rows{Table: "outcome", Len: len(id), Columns: []Column{
		{Name: "id", Text: id}, {Name: "ref", Text: ref}, {Name: "state", Text: state}, {Name: "lease", Int: lease},
	}})
	args = append(args, millis(l.now()))
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO external_ref (network, destination, subject, ref, updated_at)
		SELECT d.network, d.destination, d.subject, max(outcome.ref), CAST($%d AS bigint) FROM %s JOIN delivery d ON d.id = outcome.id
		WHERE %s GROUP BY d.network, d.destination, d.subject
		ON CONFLICT (network, destination, subject) DO UPDATE SET ref = excluded.ref, updated_at = excluded.updated_at`,
		len(args), table, stands), args...)
	if err != nil {
		return fmt.Errorf("keeping what the destination calls it: %w", err)
	}
	return nil
}

// addMemory adds to an event what its destination has to be reminded of, if it is one that asks for it.
func (l *Ledger) addMemory(ctx context.Context, d tracker.Delivery, e *tracker.Event) (err error) {
	if !l.remembers(d.Network, d.Destination) {
		return nil
	}
	if e.Ref, err = l.externalRef(ctx, d, d.Subject); err != nil {
		return err
	}
	if e.Conversion != nil && e.Conversion.SessionID != "" {
		if e.SessionRef, err = l.externalRef(ctx, d, e.Conversion.SessionID); err != nil {
			return err
		}
	}
	if d.Attempts > 1 {
		err = l.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM delivery_attempt WHERE delivery_id = $1 AND n = $2 AND error = $3)`,
			d.ID, d.Attempts-1, tracker.CutShort).Scan(&e.InDoubt)
	}
	if err != nil {
		return l.told(fmt.Errorf("looking for the attempt before: %w", err))
	}
	return nil
}

func (l *Ledger) remembers(network, destination string) bool {
	route, there := l.route(network, destination)
	return there && route.Remembers
}

// externalRef is what the destination calls the subject; empty where that is not known.
func (l *Ledger) externalRef(ctx context.Context, d tracker.Delivery, subject string) (ref string, err error) {
	ref, err = only(read(ctx, l, "what the destination calls it", scanText,
		`SELECT ref FROM external_ref WHERE network = $1 AND destination = $2 AND subject = $3`, d.Network, d.Destination, subject))
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return ref, err
}

var deleteRefs = `DELETE FROM external_ref WHERE network = $1 AND subject IN (` + placeholders(2, lookUpChunk) + `)`

// forgetRefs forgets what destinations call the sessions that were erased. A visitor's token at a platform tells who they are
// there.
func (e *eraser) forgetRefs(ctx context.Context) error {
	for chunk := range slices.Chunk(e.sessions, lookUpChunk) {
		args := []any{e.network}
		for i := range lookUpChunk {
			args = append(args, chunk[min(i, len(chunk)-1)])
		}
		if _, err := e.tx.ExecContext(ctx, deleteRefs, args...); err != nil {
			return fmt.Errorf("forgetting what destinations call sessions: %w", err)
		}
	}
	return nil
}

// forgetCustomerRefs forgets what destinations call a customer.
func (e *eraser) forgetCustomerRefs(ctx context.Context, customer string) error {
	_, err := e.tx.ExecContext(ctx, `DELETE FROM external_ref WHERE network = $1 AND subject = $2`, e.network, customer)
	if err != nil {
		return fmt.Errorf("forgetting what destinations call a customer: %w", err)
	}
	return nil
}
