package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (e *eraser) blankSessions(ctx context.Context, where, value string) error {
	where = ` WHERE network = $1 AND ` + where
	if err := e.takeClicks(ctx, where, value); err != nil {
		return err
	}
	ids, err := readAll(ctx, e.tx, "sessions", scanText, `UPDATE session SET visitor_id = '', ip = '', user_agent = '',
		browser = '', os = '', device = '', query = '', referrer = '', sub_ids = '{}', click_ids = '{}',
		query_params = '', quote_share_id = ''`+where+` RETURNING id`,
		e.network, value)
	if err != nil {
		return err
	}
	e.sessions = append(e.sessions, ids...)
	e.done.Sessions += int64(len(ids))
	return e.stopDeliveries(ctx, ids...)
}

func (e *eraser) blankConversions(ctx context.Context, where, value string) error {
	ids, err := readAll(ctx, e.tx, "conversions", scanText, `SELECT id FROM conversion WHERE network = $1 AND `+where,
		e.network, value)
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

// blankConversion blanks a conversion with its history, its answers and its refunds.
func (e *eraser) blankConversion(ctx context.Context, id string) error {
	c, err := e.read(ctx, `c.id = $1`, id)
	if err != nil {
		return err
	}
	before := c.Conversion
	blankConversion(&c.Conversion)
	_, err = e.tx.ExecContext(ctx, `UPDATE conversion SET visitor_id = '', name = '', meta_data = '', sub1 = '', coupon = $2,
		commissions = $3 WHERE id = $1`, id, c.Coupon, jsonText(c.Commissions))
	if err != nil {
		return fmt.Errorf("blanking a conversion: %w", err)
	}
	if before.Sub1 != "" {
		e.days.move(&before, &c.Conversion)
		e.subs[subDay{dayOf(c.OccurredAt), c.AffiliateID, c.CampaignID, c.LinkID, before.Sub1}] = true
	}
	if err := e.forgetContents(ctx, &before); err != nil {
		return err
	}
	_, err = e.tx.ExecContext(ctx, `UPDATE conversion_change SET note = '', hash = CASE WHEN hash = '' THEN '' ELSE 'erased' END,
		decision = CASE WHEN n = 1 THEN $2 ELSE decision END WHERE conversion_id = $1`, id, jsonText(c.Decision))
	if err != nil {
		return fmt.Errorf("blanking a conversion's history: %w", err)
	}
	if _, err := e.tx.ExecContext(ctx, `DELETE FROM named_customer WHERE conversion_id = $1`, id); err != nil {
		return fmt.Errorf("forgetting whom a conversion named: %w", err)
	}
	if err := rewriteAnswers(ctx, e.tx, id, blankConversion); err != nil {
		return err
	}
	if err := e.blankAttempts(ctx, id); err != nil { // affiliates have earned what is still to be told of it
		return err
	}
	return blankRefunds(ctx, e.tx, &c.Conversion)
}

// forgetContents counts the conversion if there is anything to take from its reports, and notes what idempotency keys know of
// them.
func (e *eraser) forgetContents(ctx context.Context, c *tracker.Conversion) error {
	hashes, err := readAll(ctx, e.tx, "what was reported", scanText,
		`SELECT hash FROM conversion_change WHERE conversion_id = $1 AND hash NOT IN ('', 'erased')`, c.ID)
	if err != nil {
		return err
	}
	if len(hashes) > 0 {
		e.done.Conversions++
	}
	for _, hash := range hashes {
		e.requests = append(e.requests, requestHash(identity{c.Network, c.ExternalID, c.Type, c.Source}, hash))
	}
	return nil
}

// blankRefunds blanks the refunds of a conversion's identity: one may take from several conversions, and wait for more.
func blankRefunds(ctx context.Context, tx *sql.Tx, c *tracker.Conversion) error {
	refunds, err := readAll(ctx, tx, "refunds", scanAnswer, `UPDATE refund SET note = '', hash = 'erased'
		WHERE network = $1 AND conversion_external_id = $2 AND conversion_type = $3 AND source = $4
		RETURNING id, answer`, c.Network, c.ExternalID, string(c.Type), c.Source)
	if err != nil {
		return err
	}
	return rewrite(ctx, tx, "refund", refunds, blankRefund)
}

func (e *eraser) blankTransactions(ctx context.Context, customer string) error {
	fresh, err := readAll(ctx, e.tx, "transactions", scanText, `SELECT id FROM customer_transaction
		WHERE network = $1 AND customer_id = $2 AND (hash <> 'erased' OR country || category || label || note <> '')`, e.network, customer)
	if err != nil {
		return err
	}
	e.done.Transactions += int64(len(fresh))
	rows, err := readAll(ctx, e.tx, "transactions", scanAnswer, `UPDATE customer_transaction
		SET country = '', category = '', label = '', note = '', hash = 'erased' WHERE network = $1 AND customer_id = $2 RETURNING id, answer`,
		e.network, customer)
	if err != nil {
		return err
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.id
	}
	if err := e.stopDeliveries(ctx, ids...); err != nil {
		return err
	}
	return rewrite(ctx, e.tx, "customer_transaction", rows, blankTransaction)
}

func (e *eraser) blankCustomer(ctx context.Context, c storedCustomer, pseudonym string) error {
	blank := func(c *tracker.Customer) { blankCustomer(c, pseudonym) }
	blank(&c.Customer)
	_, err := e.tx.ExecContext(ctx, `UPDATE customer SET external_id = $2, hash = 'erased', visitor_id = '', username = '',
		country = '', category = '', label = '', note = '', decision = $3 WHERE id = $1`, c.ID, pseudonym, jsonText(c.Decision))
	if err != nil {
		return fmt.Errorf("blanking the customer: %w", err)
	}
	if err := e.stopDeliveries(ctx, c.ID); err != nil {
		return err
	}
	return rewrite(ctx, e.tx, "customer", []storedAnswer{{c.ID, c.answer}}, blank)
}

// blankOnArrival blanks a conversion that is about to be added, and the refunds that waited for it.
func (b *books) blankOnArrival(ctx context.Context, c *bookedConversion) error {
	blankConversion(&c.Conversion)
	return blankRefunds(ctx, b.tx, &c.Conversion)
}

var deleteRequests = `DELETE FROM idempotency WHERE network = $1 AND hash IN (` + placeholders(2, lookUpChunk) + `)`

// forgetRequests forgets idempotency keys of what was blanked: they have hashes of it. No index leads to them, since nothing
// but an erasure asks so, and they are those of 30 days.
func (e *eraser) forgetRequests(ctx context.Context) error {
	for chunk := range slices.Chunk(e.requests, lookUpChunk) {
		args := []any{e.network}
		for i := range lookUpChunk {
			args = append(args, chunk[min(i, len(chunk)-1)])
		}
		if _, err := e.tx.ExecContext(ctx, deleteRequests, args...); err != nil {
			return fmt.Errorf("forgetting idempotency keys: %w", err)
		}
	}
	return nil
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
