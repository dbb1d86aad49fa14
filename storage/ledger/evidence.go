package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// inquiry is evidence, looked up in the books of its network.
type inquiry struct {
	ledger   *Ledger
	tx       *sql.Tx
	network  string
	evidence tracker.Evidence

	customer boundCustomer
	sessions map[string]knownSession
	links    map[string]*offer // by the key of their code
	coupon   *offer            // nil: unknown, or none was given
}

// boundCustomer is a customer with what brought them. The zero value is one that the books do not know.
type boundCustomer struct {
	id, visitor string
	by          *tracker.Considered // nil: nobody
	offer       *offer              // of whom a coupon brought
}

// knownSession is what the books have of a session.
type knownSession struct {
	visitor, code, sub1 string
	class               tracker.Class
	time                time.Time
}

// offer is what a link or a coupon offers: the terms, and the rules of its campaign.
type offer struct {
	tracker.LinkTerms
	rules []tracker.Commission
}

func (l *Ledger) inquire(ctx context.Context, tx *sql.Tx, network string, e tracker.Evidence) (*inquiry, error) {
	if e.Token != nil && e.Token.Network != network {
		e.Token = nil
	}
	if e.Cookie != nil && e.Cookie.Network != network {
		e.Cookie = nil
	}
	q := &inquiry{ledger: l, tx: tx, network: network, evidence: e}
	for _, find := range []func(context.Context) error{q.findCustomer, q.findSessions, q.findLinks, q.findCoupon} {
		if err := find(ctx); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *inquiry) findCustomer(ctx context.Context) error {
	const query = `SELECT id, visitor_id, decision FROM customer WHERE network = $1 AND `
	var row *sql.Row
	switch e := q.evidence; {
	case e.CustomerID != "":
		row = q.tx.QueryRowContext(ctx, query+`id = $2`, q.network, e.CustomerID)
	case e.CustomerExternalID != "":
		row = q.tx.QueryRowContext(ctx, query+`external_id IN ($2, $3) AND brand = $4`, q.network, e.CustomerExternalID,
			q.ledger.pseudonym(q.network, e.CustomerExternalID, e.CustomerBrand), e.CustomerBrand)
	default:
		return nil
	}
	var text string
	err := row.Scan(&q.customer.id, &q.customer.visitor, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading a customer: %w", err)
	}
	var decision tracker.Decision
	if err := json.Unmarshal([]byte(text), &decision); err != nil {
		return fmt.Errorf("reading a customer's decision: %w", err)
	}
	q.customer.by = decision.Winner()
	if q.customer.by != nil && q.customer.by.Time == nil {
		q.customer.offer, err = q.offer(ctx, selectTerms+` WHERE a.network = $1 AND a.id = $2 AND c.id = $3`,
			q.network, q.customer.by.AffiliateID, q.customer.by.CampaignID)
	}
	return err
}

// maxTouches is how many sessions, and links, evidence can name: two by the token, two by the cookie, one by a session's id,
// one by the customer.
const maxTouches = 6

var (
	// SQLite would take an index that begins with the network, and read all its sessions, if the column stood alone.
	selectEvidenceSessions = `SELECT id, visitor_id, code, class, time, sub_ids FROM session
		WHERE network || '' = $1 AND id IN (` + placeholders(2, maxTouches) + `)`
	selectEvidenceLinks = `SELECT l.code_key, l.id, l.code, l.active AND NOT l.gone, l.expires_at, l.window_ms, ` + offerColumns + `
		FROM link l JOIN affiliate a ON a.id = l.affiliate_id JOIN campaign c ON c.id = l.campaign_id
		WHERE l.network = $1 AND l.code_key IN (` + placeholders(2, maxTouches) + `)`
)

const (
	offerColumns = `a.id, a.name, a.status, c.id, c.name, c.archived, c.window_ms, c.commissions`
	selectTerms  = `SELECT ` + offerColumns + ` FROM affiliate a JOIN campaign c ON c.network = a.network`
	selectCoupon = `SELECT ` + offerColumns + ` FROM coupon p JOIN affiliate a ON a.id = p.affiliate_id
		JOIN campaign c ON c.id = p.campaign_id WHERE p.network = $1 AND p.code_key = $2`
)

// filled repeats the last text until there are maxTouches, so that each engine prepares one statement.
func filled(network string, texts []string) []any {
	args := make([]any, 0, 1+maxTouches)
	args = append(args, network)
	for i := range maxTouches {
		args = append(args, texts[min(i, len(texts)-1)])
	}
	return args
}

// touched calls yield with each touch that the evidence names, but not that of a session's id, which is not known yet.
func (q *inquiry) touched(yield func(session, code string)) {
	for _, token := range []*tracker.Token{q.evidence.Token, q.evidence.Cookie} {
		if token != nil {
			for _, touch := range touches(token) {
				yield(touch.Session.String(), touch.Code)
			}
		}
	}
	if by := q.customer.by; by != nil && by.Time != nil {
		yield(by.SessionID, by.Code)
	}
}

func (q *inquiry) findSessions(ctx context.Context) error {
	var ids []string
	q.touched(func(session, _ string) { ids = append(ids, session) })
	if !q.evidence.Session.IsZero() {
		ids = append(ids, q.evidence.Session.String())
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := q.tx.QueryContext(ctx, selectEvidenceSessions, filled(q.network, ids)...)
	if err != nil {
		return fmt.Errorf("reading sessions: %w", err)
	}
	defer rows.Close()
	q.sessions = map[string]knownSession{}
	for rows.Next() {
		var id, subIDs string
		var s knownSession
		var ms int64
		if err := rows.Scan(&id, &s.visitor, &s.code, &s.class, &ms, &subIDs); err != nil {
			return fmt.Errorf("reading sessions: %w", err)
		}
		parsed, err := parseObject(subIDs)
		if err != nil {
			return fmt.Errorf("session %s: sub-ids: %w", id, err)
		}
		s.time, s.sub1 = fromMillis(ms), parsed["sub1"]
		q.sessions[id] = s
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading sessions: %w", err)
	}
	return nil
}

func (q *inquiry) findLinks(ctx context.Context) error {
	var keys []string
	q.touched(func(_, code string) { keys = append(keys, tracker.CodeKey(code)) })
	if s, known := q.sessions[q.evidence.Session.String()]; known {
		keys = append(keys, tracker.CodeKey(s.code))
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := q.tx.QueryContext(ctx, selectEvidenceLinks, filled(q.network, keys)...)
	if err != nil {
		return fmt.Errorf("reading links: %w", err)
	}
	defer rows.Close()
	q.links = map[string]*offer{}
	for rows.Next() {
		var key string
		var link tracker.LinkTerms
		var expires, window int64
		found, err := scanOffer(rows.Scan, &key, &link.LinkID, &link.Code, &link.Enabled, &expires, &window)
		if err != nil {
			return fmt.Errorf("reading links: %w", err)
		}
		found.LinkID, found.Code, found.Enabled = link.LinkID, link.Code, link.Enabled
		if expires != 0 {
			found.ExpiresAt = fromMillis(expires)
		}
		if window != 0 {
			found.Window = time.Duration(window) * time.Millisecond
		}
		q.links[key] = found
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading links: %w", err)
	}
	return nil
}

func (q *inquiry) findCoupon(ctx context.Context) (err error) {
	if q.evidence.Coupon == "" {
		return nil
	}
	q.coupon, err = q.offer(ctx, selectCoupon, q.network, tracker.CodeKey(q.evidence.Coupon))
	return err
}

// offer returns the only offer of the query, or nil. What is no link is neither disabled nor expires.
func (q *inquiry) offer(ctx context.Context, query string, args ...any) (*offer, error) {
	found, err := scanOffer(q.tx.QueryRowContext(ctx, query, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading an affiliate's terms: %w", err)
	}
	found.Enabled = true
	return found, nil
}

// scanOffer reads offerColumns, after what comes before them.
func scanOffer(scan func(...any) error, before ...any) (*offer, error) {
	var o offer
	var window int64
	var rules string
	err := scan(append(before, &o.AffiliateID, &o.Affiliate, &o.Status, &o.CampaignID, &o.Campaign, &o.Archived, &window, &rules)...)
	if err != nil {
		return nil, err
	}
	o.Window = time.Duration(window) * time.Millisecond
	if err := json.Unmarshal([]byte(rules), &o.rules); err != nil {
		return nil, fmt.Errorf("commissions of campaign %d: %w", o.CampaignID, err)
	}
	return &o, nil
}
