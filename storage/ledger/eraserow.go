package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (e *eraser) blankSessions(ctx context.Context, where, value string) error {
	ids, err := readAll(ctx, e.tx, "sessions", scanText, `UPDATE session SET visitor_id = '', ip = '', user_agent = '',
		browser = '', os = '', device = '', query = '', referrer = '', sub_ids = '{}', click_ids = '{}'
		WHERE network = $1 AND `+where+` RETURNING id`, e.network, value)
	e.sessions = append(e.sessions, ids...)
	e.done.Sessions += int64(len(ids))
	return err
}

func (e *eraser) blankConversions(ctx context.Context, where string, values ...any) error {
	ids, err := readAll(ctx, e.tx, "conversions", scanText, `UPDATE conversion SET visitor_id = '', name = '', meta_data = ''
		WHERE network = $1 AND `+where+` AND visitor_id || name || meta_data <> '' RETURNING id`, append([]any{e.network}, values...)...)
	if err != nil {
		return err
	}
	e.done.Conversions += int64(len(ids))
	for _, id := range ids {
		err := rewriteAnswers(ctx, e.tx, id, func(c *tracker.Conversion) { c.VisitorID, c.Name, c.MetaData = "", "", nil })
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *eraser) blankTransactions(ctx context.Context, customer string) error {
	rows, err := readAll(ctx, e.tx, "transactions", scanAnswer, `UPDATE customer_transaction SET category = '', label = '', note = ''
		WHERE network = $1 AND customer_id = $2 AND category || label || note <> '' RETURNING id, answer`, e.network, customer)
	if err != nil {
		return err
	}
	e.done.Transactions += int64(len(rows))
	return rewrite(ctx, e.tx, "customer_transaction", rows, func(t *tracker.Transaction) { t.Category, t.Label, t.Note = "", "", "" })
}

// storedAnswer is a row with the answer to a report.
type storedAnswer struct{ id, answer string }

func scanAnswer(rows *sql.Rows) (a storedAnswer, err error) {
	err = rows.Scan(&a.id, &a.answer)
	return a, err
}

// rewrite takes out of the answers what blank takes out of the object.
func rewrite[T any](ctx context.Context, tx *sql.Tx, table string, rows []storedAnswer, blank func(*T)) error {
	for _, row := range rows {
		var object T
		if err := json.Unmarshal([]byte(row.answer), &object); err != nil {
			return fmt.Errorf("reading an answer in %s: %w", table, err)
		}
		blank(&object)
		_, err := tx.ExecContext(ctx, `UPDATE `+table+` SET answer = $2 WHERE id = $1`, row.id, jsonText(object))
		if err != nil {
			return fmt.Errorf("changing an answer in %s: %w", table, err)
		}
	}
	return nil
}

// quarantinePage is how many records in quarantine are read at a time.
const quarantinePage = 100

// quarantined takes the bytes of records in quarantine in which the visitor, or a session that was blanked, is named.
func (e *eraser) quarantined(ctx context.Context, visitor tracker.VisitorID) error {
	names := e.sessions
	if !visitor.IsZero() {
		names = append(names, visitor.String())
	}
	var origin string
	var seq int64
	for more := len(names) > 0; more; {
		page, err := readQuarantine(ctx, e.tx, ` WHERE (origin, seq) > ($1, $2) AND length(raw) > 0 ORDER BY origin, seq LIMIT $3`,
			origin, seq, quarantinePage)
		if err != nil {
			return err
		}
		for _, q := range page {
			origin, seq = q.Origin, int64(q.Seq)
			if !holds(q.Raw, names) {
				continue
			}
			_, err := e.tx.ExecContext(ctx, `UPDATE quarantine SET raw = $3 WHERE origin = $1 AND seq = $2`, origin, seq, []byte{})
			if err != nil {
				return fmt.Errorf("emptying a record in quarantine: %w", err)
			}
		}
		more = len(page) == quarantinePage
	}
	return nil
}

func holds(raw []byte, names []string) bool {
	for _, name := range names {
		if bytes.Contains(raw, []byte(name)) {
			return true
		}
	}
	return false
}
