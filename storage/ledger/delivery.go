package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// UseNode says in whose name deliveries are claimed. It should be a name that the same node has when it starts again, and that no
// other has. Without it the name is one that nobody ever has again.
func (l *Ledger) UseNode(name string) { l.node.Store(&name) }

// ClaimDeliveries takes at most limit deliveries of the destination that are due, counts an attempt for each, and keeps every
// hub from them until the lease ends. What is not finished by then is claimed again, under the same id. Of a lane, only the
// first that is still due is taken.
func (l *Ledger) ClaimDeliveries(
	ctx context.Context, network, destination string, lease time.Duration, limit int,
) (claimed []tracker.Delivery, err error) {
	now := l.now()
	var due bool // asking first keeps an idle hub from standing in writers' way
	err = l.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM delivery WHERE network = $1 AND destination = $2
		AND state = 'due' AND due_at <= $3)`, network, destination, millis(now)).Scan(&due)
	if err != nil {
		return nil, l.told(fmt.Errorf("looking for due deliveries: %w", err))
	}
	if !due {
		return nil, nil
	}
	err = l.write(ctx, func(tx *sql.Tx) (err error) {
		claimed, err = readAll(ctx, tx, "due deliveries", scanDelivery, `WITH taken AS (SELECT d.id FROM delivery d
				WHERE d.network = $1 AND d.destination = $2 AND d.state = 'due' AND d.due_at <= $3
				AND (d.lane = '' OR NOT EXISTS (SELECT 1 FROM delivery e WHERE e.lane = d.lane AND e.lane <> ''
					AND e.network = d.network AND e.destination = d.destination AND e.state = 'due' AND e.n < d.n))
				ORDER BY d.due_at LIMIT $5`+l.db.SkipLocked+`)
			UPDATE delivery SET due_at = $4, holder = $6, attempts = attempts + 1, step = step + 1, updated_at = $3
			WHERE id IN (SELECT id FROM taken)
			RETURNING `+deliveryColumns, network, destination, millis(now), millis(now.Add(lease)), limit, *l.node.Load())
		if err != nil {
			return err
		}
		return logCutShort(ctx, tx, network, claimed)
	})
	if err != nil {
		return nil, fmt.Errorf("claiming deliveries: %w", err)
	}
	slices.SortFunc(claimed, func(a, b tracker.Delivery) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return claimed, nil
}

// ReleaseDeliveries gives back what was claimed and not sent: it is due at once, and the attempt does not count. What was never
// tried is due since it was made, so that no repeat of another comes before it. What another hub has claimed since stays that
// hub's.
func (l *Ledger) ReleaseDeliveries(ctx context.Context, network string, unsent []tracker.Delivery) error {
	if len(unsent) == 0 {
		return nil
	}
	id, lease := make([]string, len(unsent)), make([]int64, len(unsent))
	for i, d := range unsent {
		id[i], lease[i] = d.ID, millis(d.DueAt)
	}
	table, args := l.db.Values(Rows{Table: "unsent", Len: len(unsent), Columns: []Column{{Name: "id", Text: id}, {Name: "lease", Int: lease}}})
	args = append(args, network, millis(l.now()))
	err := l.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`UPDATE delivery SET due_at = CASE attempts WHEN 1 THEN created_at ELSE $%d END,
			holder = '', attempts = attempts - 1, step = step - 1
			FROM %s WHERE delivery.id = unsent.id AND delivery.due_at = unsent.lease AND delivery.network = $%d
			AND delivery.state = 'due' AND delivery.step > 0`,
			len(args), table, len(args)-1), args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("giving deliveries back: %w", err)
	}
	return nil
}

// ReclaimDeliveries makes due at once what this node had claimed, for at most that lease, before it was killed: nobody else works on
// it. The attempts may have been made, so they count, but no failure is known of them, so they bring no delivery nearer to its
// death. To be called while the node has nothing of the destination under way.
func (l *Ledger) ReclaimDeliveries(ctx context.Context, network, destination string, lease time.Duration) error {
	now := l.now()
	err := l.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE delivery SET due_at = $3, holder = '', step = step - 1
			WHERE network = $1 AND destination = $2 AND state = 'due' AND due_at > $3 AND due_at <= $4 AND holder = $5`,
			network, destination, millis(now), millis(now.Add(lease)), *l.node.Load())
		return err
	})
	if err != nil {
		return fmt.Errorf("claiming again what an earlier process had claimed: %w", err)
	}
	return nil
}

// maxError is how much of an attempt's error and of its answer is kept, in bytes.
const maxError, maxAnswer = 256, 1024

// stands selects the outcomes that say what becomes of a delivery d: those of its latest claim, and a success whoever had it. What
// is gone stays gone.
const stands = `(d.state = 'due' AND d.due_at = outcome.lease OR d.state IN ('due', 'dead') AND outcome.state = 'sent')`

// FinishDeliveries books what attempts have led to, in one transaction, with what it says of the destination. A delivery that is
// not due any more, since somebody has erased what it was about, stays as it is, and so does one that somebody else has claimed
// since, unless it was sent: then nobody has to send it again.
func (l *Ledger) FinishDeliveries(
	ctx context.Context, network, destination string, outcomes []tracker.DeliveryOutcome,
) error {
	if len(outcomes) == 0 {
		return nil
	}
	err := l.write(ctx, func(tx *sql.Tx) error {
		if err := l.writeAttempts(ctx, tx, outcomes); err != nil {
			return err
		}
		if err := l.writeRefs(ctx, tx, outcomes); err != nil {
			return err
		}
		if err := l.writeStates(ctx, tx, outcomes); err != nil {
			return err
		}
		return l.noteHealth(ctx, tx, network, destination, outcomes)
	})
	if err != nil {
		return fmt.Errorf("finishing deliveries: %w", err)
	}
	return nil
}

// writeAttempts adds to the deliveries' logs. The attempt's number is that which the claim has counted. Who has claimed the delivery
// since took it for cut short, and is set right.
func (l *Ledger) writeAttempts(ctx context.Context, tx *sql.Tx, outcomes []tracker.DeliveryOutcome) error {
	size := len(outcomes)
	id, failed, answer := make([]string, size), make([]string, size), make([]string, size)
	n, at, took, status := make([]int64, size), make([]int64, size), make([]int64, size), make([]int64, size)
	for i, o := range outcomes {
		id[i], n[i], at[i], took[i] = o.Delivery.ID, int64(o.Delivery.Attempts), millis(o.Attempt.Time), o.Attempt.DurationUS
		status[i], failed[i] = int64(o.Attempt.Status), harmless(o.Attempt.Error, maxError)
		answer[i] = harmless(o.Attempt.Answer, maxAnswer)
	}
	table, args := l.db.Values(Rows{Table: "outcome", Len: size, Columns: []Column{
		{Name: "id", Text: id}, {Name: "n", Int: n}, {Name: "time", Int: at}, {Name: "duration_us", Int: took},
		{Name: "status", Int: status}, {Name: "error", Text: failed}, {Name: "answer", Text: answer},
	}})
	args = append(args, tracker.CutShort)
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO delivery_attempt (delivery_id, n, time, duration_us, status, error, answer)
		SELECT d.id, outcome.n, outcome.time, outcome.duration_us, outcome.status, outcome.error, outcome.answer
		FROM %s JOIN delivery d ON d.id = outcome.id WHERE d.state IN ('due', 'dead')
		ON CONFLICT (delivery_id, n) DO UPDATE SET time = excluded.time, duration_us = excluded.duration_us,
			status = excluded.status, error = excluded.error, answer = excluded.answer
		WHERE delivery_attempt.error = $%d`, table, len(args)), args...)
	if err != nil {
		return fmt.Errorf("logging attempts: %w", err)
	}
	return nil
}

func (l *Ledger) writeStates(ctx context.Context, tx *sql.Tx, outcomes []tracker.DeliveryOutcome) error {
	size := len(outcomes)
	id, state, lease := make([]string, size), make([]string, size), make([]int64, size)
	due, now, cut := make([]int64, size), make([]int64, size), make([]int64, size)
	at := millis(l.now())
	for i, o := range outcomes {
		id[i], state[i], lease[i] = o.Delivery.ID, string(o.State), millis(o.Delivery.DueAt)
		due[i], now[i] = millis(o.DueAt), at
		if o.Cut {
			cut[i] = 1
		}
	}
	table, args := l.db.Values(Rows{Table: "outcome", Len: size, Columns: []Column{
		{Name: "id", Text: id}, {Name: "state", Text: state}, {Name: "lease", Int: lease}, {Name: "due_at", Int: due},
		{Name: "now", Int: now}, {Name: "cut", Int: cut},
	}})
	_, err := tx.ExecContext(ctx, `UPDATE delivery AS d SET state = outcome.state, updated_at = outcome.now,
		step = d.step - outcome.cut, holder = '', due_at = CASE outcome.state WHEN 'due' THEN outcome.due_at ELSE d.due_at END
		FROM `+table+` WHERE d.id = outcome.id AND `+stands, args...)
	if err != nil {
		return fmt.Errorf("writing the deliveries' states: %w", err)
	}
	return nil
}

const deliveryColumns = `id, network, destination, kind, subject, n, state, due_at, attempts, step, created_at, updated_at`

func scanDelivery(rows *sql.Rows) (d tracker.Delivery, err error) {
	var due, created, updated int64
	err = rows.Scan(&d.ID, &d.Network, &d.Destination, &d.Kind, &d.Subject, &d.N, &d.State, &due, &d.Attempts, &d.Step, &created, &updated)
	d.DueAt, d.CreatedAt, d.UpdatedAt = fromMillis(due), fromMillis(created), fromMillis(updated)
	return d, err
}

// Delivery returns a delivery with its attempts. ErrNotFound: the network has none of that id.
func (l *Ledger) Delivery(ctx context.Context, network, id string) (tracker.Delivery, error) {
	if _, err := tracker.ParseSessionID(id); err != nil {
		return tracker.Delivery{}, fmt.Errorf("reading a delivery: %w", ErrNotFound)
	}
	var found tracker.Delivery
	err := l.view(ctx, func(tx *sql.Tx) (err error) {
		found, err = only(readAll(ctx, tx, "a delivery", scanDelivery,
			`SELECT `+deliveryColumns+` FROM delivery WHERE network = $1 AND id = $2`, network, id))
		if err != nil {
			return err
		}
		found.Log, err = readAll(ctx, tx, "a delivery's attempts", scanAttempt,
			`SELECT n, time, duration_us, status, error, answer FROM delivery_attempt WHERE delivery_id = $1 ORDER BY n`, id)
		return err
	})
	if err != nil {
		return tracker.Delivery{}, fmt.Errorf("reading a delivery: %w", err)
	}
	return found, nil
}

func scanAttempt(rows *sql.Rows) (a tracker.Attempt, err error) {
	var at int64
	err = rows.Scan(&a.N, &at, &a.DurationUS, &a.Status, &a.Error, &a.Answer)
	a.Time = fromMillis(at)
	return a, err
}

// Deliveries returns a page of the network's deliveries, newest first, and the cursor of the next page. tracker.ErrCursor:
// p.After is none of ours.
func (l *Ledger) Deliveries(
	ctx context.Context, network string, f tracker.DeliveryFilter, p tracker.Page,
) ([]tracker.Delivery, string, error) {
	s := selectDeliveries(network, f)
	if err := s.newest("created_at", "id", p); err != nil {
		return nil, "", err
	}
	rows, err := read(ctx, l, "deliveries", scanDelivery, `SELECT `+deliveryColumns+` FROM delivery`+s.text, s.args...)
	if err != nil {
		return nil, "", err
	}
	page, next := cutNewest(rows, p, func(d tracker.Delivery) (time.Time, string) { return d.CreatedAt, d.ID })
	return page, next, nil
}

// selectDeliveries keeps SQLite, by a concatenation, from walking through all of the network's deliveries where there are few that
// the filter selects.
func selectDeliveries(network string, f tracker.DeliveryFilter) *selection {
	ofNetwork := `network`
	if f.Subject != "" || f.State == tracker.DeliveryDue || f.State == tracker.DeliveryDead {
		ofNetwork = `network || ''`
	}
	s := selectOf(ofNetwork, network)
	andIf(s, `id = ?`, f.ID)
	andIf(s, `destination = ?`, f.Destination)
	andIf(s, `state = ?`, string(f.State))
	andIf(s, `kind = ?`, string(f.Kind))
	s.andSubject(f.Subject)
	andTime(s, `created_at >= ?`, f.MinCreated)
	andTime(s, `created_at <= ?`, f.MaxCreated)
	return s
}

// retryStep is how many deliveries one transaction makes due, so that it keeps no hub waiting for long.
const retryStep = 1000

// RetryDeliveries makes deliveries due again, at once and with all their attempts before them, and returns how many. Without a
// state in the filter it takes the dead ones. Those that are due already, and wait for their next attempt, only get it at once;
// one that is being sent stays as it is. It never takes one that is gone.
func (l *Ledger) RetryDeliveries(ctx context.Context, network string, f tracker.DeliveryFilter) (retried int64, err error) {
	if f.State == "" {
		f.State = tracker.DeliveryDead
	}
	if f.State == tracker.DeliveryGone {
		return 0, tracker.Invalid{{Field: "state", Message: "is not due, dead or sent; of what is gone nothing can be sent"}}
	}
	before := millis(l.now()) // what this call makes due may be sent while it runs, and is not taken a second time
	for {
		var step int64
		s := selectDeliveries(network, f)
		s.and(`updated_at <= ?`, before)
		if f.State == tracker.DeliveryDue { // what is being sent has an attempt that is counted and not logged yet
			s.text += ` AND EXISTS (SELECT 1 FROM delivery_attempt a WHERE a.delivery_id = delivery.id AND a.n = delivery.attempts)`
		}
		query := `UPDATE delivery SET step = CASE state WHEN 'due' THEN step ELSE 0 END,
			again_at = CASE state WHEN 'due' THEN again_at ELSE ` + s.bind(before) + ` END, state = 'due', due_at = ` + s.bind(before) + `, updated_at = ` + s.bind(before+1) +
			` WHERE id IN (SELECT id FROM delivery` + s.text + ` ORDER BY created_at, id LIMIT ` + s.bind(retryStep) + `)`
		err := l.write(ctx, func(tx *sql.Tx) error {
			done, err := tx.ExecContext(ctx, query, s.args...)
			if err == nil {
				step, err = done.RowsAffected()
			}
			return err
		})
		if err != nil {
			return retried, fmt.Errorf("making deliveries due: %w", err)
		}
		if retried += step; step < retryStep {
			return retried, nil
		}
	}
}
