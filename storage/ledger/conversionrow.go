package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

const conversionColumns = `c.id, c.network, c.source, c.type, c.external_id, c.repeat, c.status, c.amount, c.currency, c.wage,
	c.closed, c.reversed, c.paid_at, c.affiliate_id, coalesce(a.name, ''), c.campaign_id, coalesce(p.name, ''), c.link_id, c.code,
	c.session_id, c.visitor_id, c.customer_id, c.sub1, c.coupon, c.name, c.occurred_at, c.created_at, c.updated_at,
	c.commissions, e.rules, c.meta_data, e.decision`

const joinConversion = `JOIN conversion_change e ON e.conversion_id = c.id AND e.n = 1
	LEFT JOIN affiliate a ON a.id = c.affiliate_id LEFT JOIN campaign p ON p.id = c.campaign_id`

func scanConversion(rows *sql.Rows) (*bookedConversion, error) {
	var c bookedConversion
	var paid, occurred, created, updated int64
	var parts, rules, meta, decision string
	err := rows.Scan(&c.ID, &c.Network, &c.Source, &c.Type, &c.ExternalID, &c.Repeat, &c.Status, &c.Amount, &c.Currency, &c.Wage,
		&c.IsClosed, &c.IsReversed, &paid, &c.AffiliateID, &c.Affiliate, &c.CampaignID, &c.Campaign, &c.LinkID, &c.Code,
		&c.SessionID, &c.VisitorID, &c.CustomerID, &c.Sub1, &c.Coupon, &c.Name, &occurred, &created, &updated,
		&parts, &rules, &meta, &decision)
	if err != nil {
		return nil, err
	}
	if paid != 0 {
		at := fromMillis(paid)
		c.CheckedOut, c.PaidAt = true, &at
	}
	c.OccurredAt, c.CreatedAt, c.UpdatedAt = fromMillis(occurred), fromMillis(created), fromMillis(updated)
	if meta != "" {
		c.MetaData = json.RawMessage(meta)
	}
	for _, column := range []struct {
		text string
		into any
	}{{parts, &c.Commissions}, {rules, &c.rules}, {decision, &c.Decision}} {
		if err := json.Unmarshal([]byte(column.text), column.into); err != nil {
			return nil, fmt.Errorf("conversion %s: %w", c.ID, err)
		}
	}
	return &c, nil
}

// readConversion returns the only conversion of the condition, with its history, or ErrNotFound.
func readConversion(ctx context.Context, q queryer, where string, args ...any) (*bookedConversion, error) {
	c, err := only(readAll(ctx, q, "a conversion", scanConversion,
		`SELECT `+conversionColumns+` FROM conversion c `+joinConversion+` WHERE `+where, args...))
	if err != nil {
		return nil, err
	}
	c.History, err = readAll(ctx, q, "a conversion's history", scanChange, `SELECT n, time, kind, status, amount, wage, external_id,
		note, actor FROM conversion_change WHERE conversion_id = $1 ORDER BY n`, c.ID)
	c.kept = len(c.History)
	return c, err
}

func scanChange(rows *sql.Rows) (tracker.Change, error) {
	var e tracker.Change
	var at int64
	err := rows.Scan(&e.N, &at, &e.Kind, &e.Status, &e.Amount, &e.Wage, &e.ExternalID, &e.Note, &e.Actor)
	e.Time = fromMillis(at)
	return e, err
}

// keptReport is what the history keeps of a report beside its entry.
type keptReport struct {
	n      int // the entry's number
	hash   string
	answer []byte
}

// insert writes a new conversion with its history.
func (b *books) insert(ctx context.Context, c *bookedConversion, r keptReport) error {
	_, err := b.tx.ExecContext(ctx, `INSERT INTO conversion (id, network, source, type, external_id, repeat, status, amount,
		currency, wage, closed, paid_at, affiliate_id, campaign_id, link_id, code, session_id, visitor_id, customer_id, sub1,
		coupon, name, occurred_at, created_at, updated_at, commissions, meta_data)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
		$25, $26, $27)`,
		c.ID, c.Network, c.Source, string(c.Type), c.ExternalID, c.Repeat, string(c.Status), c.Amount,
		c.Currency, c.Wage, c.IsClosed, 0, c.AffiliateID, c.CampaignID, c.LinkID, c.Code, c.SessionID, c.VisitorID, c.CustomerID,
		c.Sub1, c.Coupon, c.Name, millis(c.OccurredAt), millis(c.CreatedAt), millis(c.UpdatedAt), jsonText(c.Commissions),
		string(c.MetaData))
	if err != nil {
		return fmt.Errorf("adding a conversion: %w", err)
	}
	b.days.move(nil, &c.Conversion)
	b.events.tellConversion(c)
	return b.insertChanges(ctx, c, r)
}

// update writes what a change of the conversion can alter, and the new entries of its history. Where a report is among them
// r says so.
func (b *books) update(ctx context.Context, before *tracker.Conversion, c *bookedConversion, r keptReport) error {
	paid := int64(0)
	if c.PaidAt != nil {
		paid = millis(*c.PaidAt)
	}
	_, err := b.tx.ExecContext(ctx, `UPDATE conversion SET status = $2, amount = $3, wage = $4, closed = $5, paid_at = $6,
		commissions = $7, coupon = $8, name = $9, meta_data = $10, updated_at = $11, reversed = $12 WHERE id = $1`,
		c.ID, string(c.Status), c.Amount, c.Wage, c.IsClosed, paid, jsonText(c.Commissions), c.Coupon, c.Name, string(c.MetaData),
		millis(c.UpdatedAt), c.IsReversed)
	if err != nil {
		return fmt.Errorf("changing a conversion: %w", err)
	}
	b.days.move(before, &c.Conversion)
	b.events.tellConversion(c)
	return b.insertChanges(ctx, c, r)
}

// insertChanges writes the entries of the history that have no rows yet.
func (b *books) insertChanges(ctx context.Context, c *bookedConversion, r keptReport) error {
	for _, e := range c.History[c.kept:] {
		var hash, rules, decision, answer string
		if e.N == r.n {
			hash, answer = r.hash, string(r.answer)
		}
		if e.N == 1 {
			rules, decision = jsonText(c.rules), jsonText(c.Decision)
		}
		_, err := b.tx.ExecContext(ctx, `INSERT INTO conversion_change
			(conversion_id, n, time, kind, status, amount, wage, external_id, note, actor, hash, rules, decision, answer)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			c.ID, e.N, millis(e.Time), string(e.Kind), string(e.Status), e.Amount, e.Wage, e.ExternalID, e.Note, e.Actor,
			hash, rules, decision, answer)
		if err != nil {
			return fmt.Errorf("adding to a conversion's history: %w", err)
		}
	}
	c.kept = len(c.History)
	return nil
}

// rewriteAnswers changes the answers to the reports of a conversion.
func rewriteAnswers(ctx context.Context, tx *sql.Tx, id string, change func(*tracker.Conversion)) error {
	type answer struct {
		n    int
		text string
	}
	answers, err := readAll(ctx, tx, "a conversion's answers", func(rows *sql.Rows) (a answer, err error) {
		err = rows.Scan(&a.n, &a.text)
		return a, err
	}, `SELECT n, answer FROM conversion_change WHERE conversion_id = $1 AND answer <> ''`, id)
	if err != nil {
		return err
	}
	for _, a := range answers {
		var c tracker.Conversion
		if err := json.Unmarshal([]byte(a.text), &c); err != nil {
			return fmt.Errorf("reading an answer of conversion %s: %w", id, err)
		}
		change(&c)
		_, err := tx.ExecContext(ctx, `UPDATE conversion_change SET answer = $3 WHERE conversion_id = $1 AND n = $2`,
			id, a.n, jsonText(c))
		if err != nil {
			return fmt.Errorf("changing an answer of conversion %s: %w", id, err)
		}
	}
	return nil
}

// jsonText is the JSON text of what always has one.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
